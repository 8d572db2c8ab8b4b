"""Record a trace: run a model token by token and keep what goes into its matrices.

The only module of this package that needs torch.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.families import family_of
from workloads.models import Forward, content_hash
from workloads.sparsity.thresholds import apply_threshold
from workloads.traces import sites as trace_sites
from workloads.traces.sites import CHECK_SITES, TraceShape
from workloads.traces.trace import ActivationTrace, SiteTrace, check_thresholds


class Recorder:
    """A tap that applies thresholds, ``y = x where |x| > T else 0``, and keeps y while `on`.

    Args:
        sites: those of a trace; other vectors pass untouched, as the attention output of OPT.
        thresholds: T by full site name; 0 for sites that are not named.
        values: keep the surviving values, not only the masks.
    """

    def __init__(
        self, sites: Iterable[str], thresholds: Mapping[str, float], *, values: bool = True
    ) -> None:
        self.on = False
        self._sites = frozenset(sites)
        self._thresholds = thresholds
        self._keep_values = values
        self._masks: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
        self._values: dict[str, list[NDArray[np.float32]]] = defaultdict(list)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """Take the vector of one site and token; return what goes on."""
        if name not in self._sites:
            return x
        y = x if name in CHECK_SITES else apply_threshold(x, self._thresholds.get(name, 0.0))
        if self.on:
            self._keep(name, y)
        return y

    def sites(self) -> dict[str, SiteTrace]:
        """Return what was kept, by site."""
        return {name: self._site(name) for name in self._masks}

    def _keep(self, name: str, y: Tensor) -> None:
        row = y.detach().reshape(-1).numpy()
        if not np.isfinite(row).all():
            at = len(self._masks[name])
            raise InputError(f"model: {name} is not finite at recorded token {at}")
        # A check site is dense: a zero in it is a value like any other.
        mask = np.ones(row.shape, np.bool_) if name in CHECK_SITES else row != 0
        self._masks[name].append(mask)
        if self._keep_values:
            self._values[name].append(row[mask])

    def _site(self, name: str) -> SiteTrace:
        mask = np.stack(self._masks[name])
        values = np.concatenate(self._values[name]) if self._keep_values else None
        return SiteTrace(mask.shape[1], mask, values)


def record(
    model: Forward,
    tokens: Sequence[int],
    context: int,
    thresholds: Mapping[str, float] | None = None,
    variant: str = "natural",
    *,
    name: str | None = None,
    values: bool = True,
) -> ActivationTrace:
    """Run `model` over `tokens`, one step each, and record all but the first `context` of them.

    The thresholds hold from the first token on, so the state at the first recorded token is that
    of the thresholded model.

    Args:
        model: what runs.
        tokens: token ids.
        context: how many of `tokens` only build up the state.
        thresholds: T by full site name; None for none.
        variant: a word for the run; "natural" means without thresholds.
        name: of the model in the trace; by default the content hash of its weights.
        values: keep the surviving values too.

    Returns:
        A trace of len(tokens) - context tokens.

    Raises:
        InputError: no token is left to record, or variant and thresholds do not go together.
    """
    shape = trace_shape(model)
    if not 0 <= context < len(tokens):
        raise InputError(f"context is {context}; expected 0 … {len(tokens) - 1}, to leave a token")
    _check_positions(len(tokens), context, shape)
    if variant == "natural" and thresholds:
        raise InputError("variant 'natural' has no thresholds; name another, say 'sparsified'")
    chosen = check_thresholds(thresholds or {}, shape)
    recorder = Recorder(trace_sites.site_widths(shape), chosen, values=values)
    state = _run(model, tokens[:context], model.zero_state(), recorder)
    before = _state_arrays(state, shape)
    recorder.on = True
    _run(model, tokens[context:], state, recorder)
    return ActivationTrace(
        shape=shape,
        model=content_hash(model.weights) if name is None else name,
        variant=variant,
        tokens=np.array(tokens[context:], np.int32),
        sites=recorder.sites(),
        state=before,
        thresholds=chosen,
        context=context if family_of(shape["family"]).cache else None,
    )


def trace_shape(model: Forward) -> TraceShape:
    """Return the model's dimensions as a trace states them."""
    return trace_sites.trace_shape(model.dimensions)


def _check_positions(tokens: int, context: int, shape: TraceShape) -> None:
    positions = shape.get("positions")
    if positions is not None and tokens > positions:
        raise InputError(
            f"model: {context} tokens of context and {tokens - context} to record are more than "
            f"its {positions} positions; lower workload.context or workload.tokens"
        )


def _run(model: Forward, tokens: Sequence[int], state: Any, tap: Recorder) -> Any:
    for token in tokens:
        _, state = model.step(int(token), state, tap)
    return state


def _state_arrays(state: Any, shape: TraceShape) -> dict[str, NDArray[np.float32]]:
    """Return the state tensors that the family's traces hold, without their batch axis.

    float32 [layers, width] each.
    """
    if not family_of(shape["family"]).states:
        return {}
    return {name: tensor[:, 0].numpy() for name, tensor in state.tensors().items()}
