"""Statistical traces: the masks of a model known by its shape and the densities of its sites."""

from workloads.families import Shape
from workloads.traces.sites import trace_shape
from workloads.traces.synthesise import synthesise
from workloads.traces.trace import ActivationTrace
from workloads.zoo.densities import Densities


def statistical_trace(
    shape: Shape,
    densities: Densities,
    tokens: int,
    seed: int,
    *,
    token_correlation: float = 0.0,
    hot_channels: float = 0.0,
    name: str = "",
) -> ActivationTrace:
    """Draw a variant of a model, layer by layer at its own densities; masks without values.

    Args:
        shape: dimensions of the model.
        densities: share kept by site and layer, and the name of the variant.
        tokens: number of tokens.
        seed: not negative. Variants drawn from one seed belong together: an event that the sparser
            one sends, the denser one sends too.
        token_correlation: see `synthesise`.
        hot_channels: see `synthesise`.
        name: of the model, for the trace; by default its family.

    Raises:
        InputError: an argument out of its range, or a density that no site has.
    """
    how = f"seed={seed}, token_correlation={token_correlation}, hot_channels={hot_channels}"
    return synthesise(
        trace_shape(shape),
        densities.by_site(shape),
        tokens=tokens,
        seed=seed,
        token_correlation=token_correlation,
        hot_channels=hot_channels,
        variant=densities.variant,
        model=f"{name or shape.family} ({densities.variant}, drawn: {how})",
    )
