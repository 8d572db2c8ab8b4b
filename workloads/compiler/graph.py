"""The layer graph: what a model computes, before anybody asks where.

A layer has *groups*: sets of channels whose rows of weights, states and work belong on one core. A
mapping splits each group over some cores; groups of one layer may share cores or not. Matrices,
vectors, stages and stored sites belong to a group. Every vector name is local to its layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Place = Literal["all", "owner"]
Audience = Literal["layer", "owner", "peer", "host"]
LANES = -1
"""`Vector.rows` of a vector with one word for each lane."""


@dataclass(frozen=True, slots=True)
class Group:
    """`width` channels that are split over cores together.

    `piece` > 0: each core has exactly so many, as an attention head must not be torn apart.
    """

    name: str
    width: int
    piece: int = 0


@dataclass(frozen=True, slots=True)
class GraphSite:
    """A vector of `width` channels that its senders split as their group is split.

    `name` is the full name in traces. `group` takes it where it is stored (a matrix says for itself
    where it takes its site). `audience`: all cores of the group (multicast), the group's owner, the
    cores that hold the same channels (peer), or the host. `sender`: every core of the sending
    group with its slice, or that group's owner with all. `per_core` > 0: every sender adds so
    many channels of its own. `window`: the sender waits for credits; "apart" only where the
    layer's groups lie on different cores.
    """

    name: str
    width: int
    kind: Literal["events", "dense"]
    audience: Audience
    group: str
    sender: Place = "all"
    per_core: int = 0
    window: Literal["", "always", "apart"] = ""


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector split over a group's cores: a parameter (`tensor`) or a state or scratch.

    `words` 16-bit words for each channel; `rows` > 0: so many words stand in place of the core's
    channels, or `LANES`, one for each lane; `per_token`: every token in flight has its own;
    `state`: every sequence has its own.
    """

    name: str
    width: int
    group: str
    words: int = 1
    tensor: str = ""
    per_token: bool = False
    state: bool = False
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows` x `columns` weights applied to the events of `site`, accumulated per token.

    `low` is the first of the tensor's columns: a matrix may hold a range of the site's channels.
    """

    tensor: str
    site: str
    rows: int
    columns: int
    group: str
    low: int = 0

    @property
    def high(self) -> int:
        """One past the last column."""
        return self.low + self.columns


@dataclass(frozen=True, slots=True)
class GraphStep:
    """A micro-kernel over the core's slice of its group, or over `per_core` values of each core.

    `operands` maps kernel operands to vectors, accumulators ("acc:<site>"), stored sites
    ("in:<site>") or output buffers ("out:<site>"). `over` > 0: it runs over so many values in
    place of the slice. `times`: how often.
    """

    kernel: str
    operands: tuple[tuple[str, str], ...]
    whole: bool = False  # one row for each of the group's cores
    over: int = 0
    times: int = 1

    def values(self, cores: int, channels: int) -> int:
        """How many it runs over on a core with `channels` of a group on `cores` cores."""
        return cores if self.whole else self.over or channels


@dataclass(frozen=True, slots=True)
class GraphStage:
    """Steps that run when all of `needs` (sites) are complete, then send `emits` (sites).

    `frees` are the windowed sites whose token is finished on the core with this stage;
    `frees_apart` takes its place where the layer's groups lie on different cores.
    """

    name: str
    group: str
    place: Place
    needs: tuple[str, ...]
    steps: tuple[GraphStep, ...]
    emits: tuple[str, ...]
    frees: tuple[str, ...] = ()
    frees_apart: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Layer:
    """Work between one windowed `entry` site, from the layer before, and the next layer's."""

    name: str
    entry: str
    groups: tuple[Group, ...]
    sites: tuple[GraphSite, ...]
    vectors: tuple[Vector, ...]
    matrices: tuple[Matrix, ...]
    stages: tuple[GraphStage, ...]

    @cached_property
    def matrices_of(self) -> dict[str, tuple[Matrix, ...]]:
        """Site -> the matrices that take it; one without any is only stored."""
        found: dict[str, tuple[Matrix, ...]] = {}
        for matrix in self.matrices:
            found[matrix.site] = (*found.get(matrix.site, ()), matrix)
        return found

    @cached_property
    def site_named(self) -> dict[str, GraphSite]:
        """The layer's own sites by name."""
        return {site.name: site for site in self.sites}

    @cached_property
    def widths(self) -> dict[str, int]:
        """Group -> channels."""
        return {group.name: group.width for group in self.groups}

    @cached_property
    def pieces(self) -> dict[str, int]:
        """Group -> channels that each of its cores must have, where it says so."""
        return {group.name: group.piece for group in self.groups if group.piece}

    @cached_property
    def weighted(self) -> frozenset[str]:
        """Groups that have matrices."""
        return frozenset(m.group for m in self.matrices)

    @cached_property
    def normed(self) -> frozenset[str]:
        """Groups whose cores take part in a LayerNorm."""
        return frozenset(
            s.group for s in self.stages for step in s.steps if step.kernel == "ln_stats"
        )


@dataclass(frozen=True)
class LayerGraph:
    """A chain of layers; the host sends the first one's entry and receives the answer.

    Attributes:
        name: of the model.
        width: channels between layers.
        layers: from the input on.
        answer: name of the site that the host receives.
        shape: dimensions of the model.
        notes: what a program's mapping says of the graph.
    """

    name: str
    width: int
    layers: tuple[Layer, ...]
    answer: str
    shape: tuple[tuple[str, int], ...]
    notes: tuple[tuple[str, str], ...] = ()  # what a program's mapping says of the graph

    @cached_property
    def site_at(self) -> dict[str, tuple[int, GraphSite]]:
        """Name -> (index of the layer that receives it, site)."""
        return {site.name: (i, site) for i, layer in enumerate(self.layers) for site in layer.sites}
