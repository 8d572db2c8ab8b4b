"""Densities of a model's sites, by layer, and what they are worth before anything is drawn.

A *density* is the share of a site's channels that are not zero. Published tables give one mean per
site; where the spread over layers is known from another table, it is shifted to that mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from seneca_sim.config import Mark
from seneca_sim.errors import InputError
from workloads.families import Shape, family_of

DENSE = "dense"


@dataclass(frozen=True)
class Densities:
    """Densities of one variant of a model.

    Attributes:
        variant: "dense", "natural", "sparsified", or another word.
        mark: how sure they are.
        source: where they come from, and what was assumed.
        by_layer: kind of site -> its density in every layer, 0 to 1.
        spread: kind of site -> the nominal densities by layer that the spread was taken from;
            empty where none is known, and the mean stands for all layers.
    """

    variant: str
    mark: Mark
    source: str
    by_layer: Mapping[str, tuple[float, ...]]
    spread: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def mean(self) -> dict[str, float]:
        """Mean over layers, by kind of site."""
        return {kind: fmean(values) for kind, values in self.by_layer.items()}

    def by_site(self, shape: Shape) -> dict[str, float]:
        """Density by full name, as `synthesise` takes them."""
        family = family_of(shape.family)
        return {
            family.full_name(layer, kind): values[layer]
            for kind, values in self.by_layer.items()
            for layer in range(shape.layers)
        }

    def nominal(self) -> "Densities":
        """The nominal densities that the spread was taken from, unshifted.

        Raises:
            InputError: no spread is known.
        """
        if not self.spread:
            raise InputError(f"densities {self.variant}: no spread over layers is known")
        source = f"nominal densities by layer of: {self.source}"
        return Densities(self.variant, self.mark, source, self.spread)


def dense(shape: Shape) -> Densities:
    """Nothing skipped."""
    ones = (1.0,) * shape.layers
    by_layer = dict.fromkeys(family_of(shape.family).kinds, ones)
    return Densities(DENSE, Mark.DERIVED, "nothing is skipped", by_layer)


def shifted(values: Sequence[float], mean: float) -> tuple[float, ...]:
    """Shift `values` by one amount, clip to 0 … 1, and choose the amount so that `mean` comes out.

    What is clipped at one layer is made up by the others. Exact but for rounding.
    """
    out = list(values)
    free = list(range(len(out)))
    while free:
        fixed = sum(value for i, value in enumerate(out) if i not in free)
        step = (mean * len(out) - fixed) / len(free) - fmean(values[i] for i in free)
        moved = {i: values[i] + step for i in free}
        beyond = _beyond(moved)
        out = [moved.get(i, value) for i, value in enumerate(out)]
        for i in beyond:
            out[i] = min(max(out[i], 0.0), 1.0)
        if not beyond:
            break
        free = [i for i in free if i not in beyond]
    return tuple(out)


def _beyond(moved: Mapping[int, float]) -> set[int]:
    """Which values to pin: those past the end that is overrun by more in sum.

    Only one end at a time, since pinning one moves the rest away from the other.
    """
    low = {i for i, value in moved.items() if value < 0}
    high = {i for i, value in moved.items() if value > 1}
    under = sum(-moved[i] for i in low)
    over = sum(moved[i] - 1 for i in high)
    return low if under > over else high


def expected_macs(shape: Shape, densities: Densities, *, head: bool = False) -> float:
    """Surviving MACs of a token that these densities lead to, without or with the head."""
    family = family_of(shape.family)
    sites = sum(
        values[layer] * family.site_macs(shape, layer, kind)
        for kind, values in densities.by_layer.items()
        for layer in range(shape.layers)
    )
    always = sum(family.dense_macs(shape, layer) for layer in range(shape.layers))
    return sites + always + (family.head_macs(shape) if head else 0)


def expected_ratio(shape: Shape, more: Densities, fewer: Densities, *, head: bool = False) -> float:
    """Surviving MACs of `more` over those of `fewer`: what sparsity alone could gain."""
    return expected_macs(shape, more, head=head) / expected_macs(shape, fewer, head=head)


def expected_sparsity(shape: Shape, densities: Densities) -> float:
    """Average sparsity, 0 to 1, weighted as the family's literature does (`average_sparsity`)."""
    family = family_of(shape.family)
    zeros = total = 0.0
    for kind, values in densities.by_layer.items():
        columns = family.site(kind).columns(shape)
        for layer in range(shape.layers):
            weight = columns * family.channel_weight(shape, layer, kind)
            zeros += weight * (1 - values[layer])
            total += weight
    return zeros / total
