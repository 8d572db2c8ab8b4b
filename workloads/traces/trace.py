"""What a model did on a text: for each site and token, which channels were not zero.

A trace is the only thing that the machine learns about a model's activity. It is a frozen value:
its arrays are read-only copies, everything is checked when it is built, and two traces are equal
exactly when their `content_hash` is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from workloads.traces import canonical
from workloads.traces.checks import check_array, frozen
from workloads.traces.sites import (
    CHECK_SITES,
    TraceShape,
    block_sites,
    check_names,
    check_shape,
    family_of_shape,
    site_widths,
)


@dataclass(frozen=True, eq=False)
class SiteTrace:
    """The survivors of one site.

    Attributes:
        width: channels of the site.
        mask: bool [tokens, width]; true where an event is sent.
        values: float32 [survivors] in (token, channel) order, or None if only masks were kept.
    """

    width: int
    mask: NDArray[np.bool_]
    values: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_array("mask", self.mask, np.dtype(np.bool_), 2)
        if self.mask.shape[1] != self.width:
            raise InputError(f"mask has {self.mask.shape[1]} channels; expected {self.width}")
        object.__setattr__(self, "mask", frozen(self.mask))
        if self.values is not None:
            check_array("values", self.values, np.dtype(np.float32), 1)
            if self.values.size != self.survivors:
                raise InputError(
                    f"{self.values.size} values for {self.survivors} survivors in the mask"
                )
            object.__setattr__(self, "values", frozen(self.values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SiteTrace):
            return NotImplemented
        return np.array_equal(self.mask, other.mask) and _bits(self) == _bits(other)

    def __hash__(self) -> int:
        return hash((self.mask.shape, self.survivors))

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.mask.shape[0])

    @cached_property
    def survivors(self) -> int:
        """Events over all tokens."""
        return int(np.count_nonzero(self.mask))

    def filled(self) -> NDArray[np.float32]:
        """Give the values as float32 [tokens, width], with zeros where no event was sent.

        Raises:
            InputError: the trace holds masks only.
        """
        if self.values is None:
            raise InputError("the trace holds masks only; record it with values")
        full = np.zeros(self.mask.shape, np.float32)
        full[self.mask] = self.values
        return full

    def dense(self) -> "SiteTrace":
        """Return the site with nothing skipped: its zeros become events of value zero."""
        values = None if self.values is None else self.filled().ravel()
        return SiteTrace(self.width, np.ones_like(self.mask), values)

    def slice(self, start: int, stop: int) -> "SiteTrace":
        """Tokens `start` to `stop`, the latter excluded."""
        if self.values is None:
            return SiteTrace(self.width, self.mask[start:stop])
        first = int(np.count_nonzero(self.mask[:start]))
        last = first + int(np.count_nonzero(self.mask[start:stop]))
        return SiteTrace(self.width, self.mask[start:stop], self.values[first:last])


@dataclass(frozen=True, eq=False)
class ActivationTrace:
    """All sites of one model over one run of tokens.

    Attributes:
        shape: the model's dimensions.
        model: content hash of the weights, or a name.
        variant: "natural", "sparsified", "dense", or any other word.
        tokens: int32 [tokens], the ids that were fed in.
        sites: every block site, and any of `emb`, `head`, `logits`, which have no zeros to skip.
        state: recurrent state before the first token, float32 [layers, width] each: att_x, aa, bb,
            pp and ffn_x of RWKV-4; or empty, as always for other families.
        thresholds: T by block site; a site that is not named has T = 0.
        context: tokens before the first one in its sequence, of a family that keeps a cache of
            them, whose room the compiler must know of; None where nothing is said, as always for
            other families.
    """

    shape: TraceShape
    model: str
    variant: str
    tokens: NDArray[np.int32]
    sites: Mapping[str, SiteTrace] = field(repr=False)
    state: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    context: int | None = None

    def __post_init__(self) -> None:
        shape = check_shape(self.shape)
        if not self.variant.isprintable() or not 1 <= len(self.variant) <= 40:
            raise InputError("variant: expected a word of 1 to 40 printable characters")
        object.__setattr__(self, "shape", shape)
        _check_tokens(self.tokens, shape["vocab"])
        object.__setattr__(self, "tokens", frozen(self.tokens))
        _check_sites(self.sites, shape, self.tokens.size)
        order = [name for name in site_widths(shape) if name in self.sites]
        object.__setattr__(self, "sites", {name: self.sites[name] for name in order})
        object.__setattr__(self, "state", _checked_state(self.state, shape))
        object.__setattr__(self, "thresholds", check_thresholds(self.thresholds, shape))
        _check_context(self.context, shape)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the canonical content; it does not depend on how a file was written."""
        return canonical.content_hash(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActivationTrace):
            return NotImplemented
        return self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def dense(self) -> "ActivationTrace":
        """Return the run with nothing skipped: every mask is all ones."""
        sites = {name: site.dense() for name, site in self.sites.items()}
        return replace(self, variant="dense", sites=sites)

    def slice(self, start: int, stop: int) -> "ActivationTrace":
        """Tokens `start` to `stop`, the latter excluded; the state is kept only if `start` is 0.

        Raises:
            InputError: there are no such tokens.
        """
        if not 0 <= start < stop <= self.tokens.size:
            raise InputError(f"slice {start}:{stop} of a trace of {self.tokens.size} tokens")
        sites = {name: site.slice(start, stop) for name, site in self.sites.items()}
        state = self.state if start == 0 else {}
        context = None if self.context is None else self.context + start
        tokens = self.tokens[start:stop]
        return replace(self, tokens=tokens, sites=sites, state=state, context=context)


def check_thresholds(thresholds: Mapping[str, float], shape: TraceShape) -> dict[str, float]:
    """Return a copy in forward order; every name a block site, every T finite and not negative."""
    names = block_sites(shape)
    check_names("threshold site", thresholds, names)
    for name, value in thresholds.items():
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"threshold of {name} is {value}; expected a finite number >= 0")
    return {name: float(thresholds[name]) for name in names if name in thresholds}


def _check_tokens(tokens: NDArray[np.int32], vocab: int) -> None:
    check_array("tokens", tokens, np.dtype(np.int32), 1)
    if tokens.size == 0:
        raise InputError("a trace needs at least one token")
    if tokens.min() < 0 or tokens.max() >= vocab:
        raise InputError(f"tokens span {tokens.min()} … {tokens.max()}; expected 0 … {vocab - 1}")


def _check_sites(sites: Mapping[str, SiteTrace], shape: TraceShape, tokens: int) -> None:
    widths = site_widths(shape)
    check_names("site", sites, widths)
    for name in block_sites(shape):
        if name not in sites:
            raise InputError(f"site {name} is missing; a trace holds every block site")
    for name, site in sites.items():
        if site.width != widths[name]:
            raise InputError(f"site {name} has {site.width} channels; expected {widths[name]}")
        if site.tokens != tokens:
            raise InputError(f"site {name} has {site.tokens} tokens; the trace has {tokens}")
        if name in CHECK_SITES and site.survivors != site.mask.size:
            raise InputError(f"site {name} has zeros in its mask; it is dense, so all must be ones")


def _checked_state(
    state: Mapping[str, NDArray[np.float32]], shape: TraceShape
) -> dict[str, NDArray[np.float32]]:
    states = family_of_shape(shape).states
    check_names("state", state, states)
    if state and len(state) != len(states):
        raise InputError(f"state has only {', '.join(state)}; expected all of {', '.join(states)}")
    for name, array in state.items():
        check_array(f"state {name}", array, np.dtype(np.float32))
        if array.shape != (shape["layers"], shape["width"]):
            expected = (shape["layers"], shape["width"])
            raise InputError(f"state {name} has shape {array.shape}; expected {expected}")
    return {name: frozen(state[name]) for name in states if name in state}


def _check_context(context: int | None, shape: TraceShape) -> None:
    if context is None:
        return
    if not family_of_shape(shape).cache:
        raise InputError(f"context is {context}, but {shape['family']} keeps no cache of tokens")
    most = shape["positions"] - 1
    if not 0 <= context <= most:
        raise InputError(f"context is {context}; expected 0 … {most}, to leave a position")


def _bits(site: SiteTrace) -> bytes | None:
    return None if site.values is None else site.values.tobytes()
