"""The layer graph: what a model computes, before anybody asks where.

A layer owns vectors (its channels are split over the layer's cores), matrices (their rows are
split), sites (vectors that travel as events) and stages (work that waits for sites). Every name
is local to its layer; lowering prefixes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Place = Literal["all", "owner"]
Audience = Literal["layer", "owner", "peer", "host"]


@dataclass(frozen=True, slots=True)
class GraphSite:
    """A vector of `width` channels that its senders split evenly.

    `name` is the full name in traces. `audience`: the whole layer (multicast), its owner, the core
    with the same slice (peer), or the host. `sender`: every core with its slice, or the owner with
    all. `per_core` > 0: every sender adds so many channels of its own.
    """

    name: str
    width: int
    kind: Literal["events", "dense"]
    audience: Audience
    sender: Place = "all"
    per_core: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector split over the layer's cores: a parameter (`tensor`) or a state or scratch.

    `words` 16-bit words for each channel; `per_token`: every token in flight has its own.
    """

    name: str
    width: int
    words: int = 1
    tensor: str = ""
    per_token: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows` x `columns` weights applied to the events of `site`, accumulated per token."""

    tensor: str
    site: str
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class GraphStep:
    """A micro-kernel over the core's slice of a vector of `width` channels.

    `operands` maps kernel operands to vectors, accumulators ("acc:<site>"), stored sites
    ("in:<site>") or output buffers ("out:<site>").
    """

    kernel: str
    width: int
    operands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GraphStage:
    """Steps that run when all of `needs` (sites) are complete, then send `emits` (sites)."""

    name: str
    place: Place
    needs: tuple[str, ...]
    steps: tuple[GraphStep, ...]
    emits: tuple[str, ...]
    frees: str = ""  # the windowed site whose token is finished with this stage


@dataclass(frozen=True, slots=True)
class Layer:
    """One group of cores' worth of work; `entry` is the site that arrives from the layer before."""

    name: str
    entry: str
    sites: tuple[GraphSite, ...]
    vectors: tuple[Vector, ...]
    matrices: tuple[Matrix, ...]
    stages: tuple[GraphStage, ...]

    def matrix_of(self, site: str) -> Matrix | None:
        """The matrix that a site's events are applied to; None where they are only stored."""
        return next((m for m in self.matrices if m.site == site), None)


@dataclass(frozen=True)
class LayerGraph:
    """A chain of layers; the host sends the first one's entry and receives `answer`."""

    name: str
    width: int
    layers: tuple[Layer, ...]
    answer: str
    shape: tuple[tuple[str, int], ...]

    @cached_property
    def site_at(self) -> dict[str, tuple[int, GraphSite]]:
        """Name -> (index of the layer that receives it, site)."""
        return {site.name: (i, site) for i, layer in enumerate(self.layers) for site in layer.sites}
