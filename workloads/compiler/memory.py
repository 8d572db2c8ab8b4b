"""The memory map: places every slice, accumulator, state and buffer in a core's data memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from seneca_sim.program import Region
from workloads.compiler.graph import LANES, GraphSite, Layer, LayerGraph, Matrix, Vector
from workloads.compiler.mapping import Partition, Parts, Slices
from workloads.compiler.precision import BF16, Precision

WORD_BITS = 16
EVENT_BITS = 32  # an event in memory: 16-bit id and BF16 value
Roles = Mapping[str, int]
"""Group -> the core's position in it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What shapes the memory map beside graph and mapping.

    Attributes:
        chip: lines, lanes, group size, tokens in flight.
        precision: of the matrices.
        shared: weights lie in off-core memory.
        batch: sequences that run side by side, each with its own states.
        interleaved: placement takes the channels of off-core memory in turns, core after core.
    """

    chip: Chip
    precision: Precision = BF16
    shared: bool = False
    batch: int = 1
    interleaved: bool = False

    def channel_of(self, core: int) -> int:
        """Channel of off-core memory that a mapping's core is to stand behind."""
        each = self.chip.memory.cores_per_channel
        return core % -(-self.chip.cores // each) if self.interleaved else core // each

    @property
    def unit(self) -> int:
        """Channels of the smallest slice."""
        return self.precision.unit(self.chip.core.npes)


def align(bits: int, line: int) -> int:
    """Round up to whole lines of the data memory."""
    return -(-bits // line) * line


@dataclass(slots=True)
class CoreMemory:
    """Regions of one core, one after another, each in whole lines.

    `line_bits` is the unit that columns fill: lines of the port and rows of lanes, so that a kernel
    which runs over a whole row of lanes never touches its neighbour.
    """

    core: int
    line_bits: int
    regions: list[Region] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    used_bits: int = 0  # of the core's own data memory
    end_bits: int = 0  # of all regions, shared ones included

    def place(
        self,
        name: str,
        rows: int,
        *,
        columns: int = 1,
        word_bits: int = WORD_BITS,
        copies: int = 1,
        tensor: str = "",
        low: int = 0,
        high: int = 0,
        shared: bool = False,
        pad_bits: int = 1,
        column_low: int = 0,
    ) -> None:
        """Append a region of `columns` x `rows` words; shared ones come last."""
        line = self.line_bits
        if line % pad_bits:
            line = math.lcm(line, pad_bits)
        stride = -(-rows * word_bits // line) * line
        self.names[name] = len(self.regions)
        self.regions.append(
            Region(
                self.core, name, self.end_bits, rows, columns, word_bits, stride,
                copies, tensor, low, high, shared, column_low,
            )
        )  # fmt: skip
        self.end_bits += columns * stride * copies
        if not shared:
            self.used_bits = self.end_bits


@dataclass(frozen=True)
class LayerMemory:
    """Lays out the cores of one layer, whatever groups each of them belongs to.

    Everything is accounted for: weights padded to whole lines, one accumulator, group buffer and
    stored vector for each token in flight, parameters, states of each sequence and output buffers.
    With shared weights a core has room for the columns that its SMPU fetches ahead.
    """

    graph: LayerGraph
    layer: Layer
    parts: Parts
    options: Options

    @cached_property
    def _line(self) -> int:
        core = self.options.chip.core
        return math.lcm(core.line_bits, core.npes * WORD_BITS)

    @cached_property
    def sent(self) -> dict[str, Slices]:
        """Site -> channels that each core of the sending group sends."""
        return {
            name: sent_slices(self.site(name), self.parts[stage.group])
            for stage in self.layer.stages
            if stage.group in self.parts
            for name in stage.emits
        }

    def site(self, name: str) -> GraphSite:
        """A site of this layer, or of the one that it sends to."""
        own = self.layer.site_named.get(name)
        return own if own is not None else self.graph.site_at[name][1]

    def roles(self) -> dict[int, dict[str, int]]:
        """Core -> its groups and positions, cores in the order of the groups."""
        found: dict[int, dict[str, int]] = {}
        for group, part in self.parts.items():
            for position, core in enumerate(part.cores):
                found.setdefault(core, {})[group] = position
        return found

    def place(self, core: int, roles: Roles) -> CoreMemory:
        """Lay out a core that has these places in the groups."""
        memory, shared = CoreMemory(core, self._line), self.options.shared
        slices = [
            (m, self.parts[m.group].slices[roles[m.group]])
            for m in self.layer.matrices
            if m.group in roles
        ]
        for matrix, part in slices:
            if not shared:
                self._place_weights(memory, matrix, part)
            self._place_sums(memory, matrix, part)
        if shared:
            self._place_prefetch(memory, [high - low for _, (low, high) in slices])
        for vector in self.layer.vectors:
            if vector.group in roles:
                part = self.parts[vector.group].slices[roles[vector.group]]
                self._place_vector(memory, vector, part)
        for site in self.layer.sites:
            if site.group in roles and site.name not in self.layer.matrices_of:
                self._place_input(memory, site, self.parts[site.group], roles[site.group])
        for stage in self.layer.stages:
            if stage.group in roles:
                position = roles[stage.group]
                if stage.place == "all" or position == self.parts[stage.group].owner:
                    self._place_outputs(memory, stage.emits, position)
        normed = [group for group in roles if group in self.layer.normed]
        if len(normed) > 1:
            raise InputError(
                f"mapping: core {core} is in the LayerNorms of {' and '.join(normed)} of layer "
                f"{self.layer.name}; keep these groups on different cores"
            )
        for group in normed:
            self._place_norm(memory, self.parts[group], roles[group])
        if shared:
            for matrix, part in slices:
                self._place_weights(memory, matrix, part)
        return memory

    def fullest(self, groups: tuple[str, ...]) -> int:
        """Bits on the fullest core that has the same place in each of these groups."""
        parts = [self.parts[group] for group in groups]
        different: dict[tuple[tuple[int, bool], ...], int] = {}
        for position in range(len(parts[0].cores)):
            sizes = tuple(
                (p.slices[position][1] - p.slices[position][0], position == p.owner) for p in parts
            )
            different.setdefault(sizes, position)
        return max(
            self.place(0, dict.fromkeys(groups, position)).used_bits
            for position in different.values()
        )

    # -- what lies in it ---------------------------------------------------------------------

    def _place_weights(self, memory: CoreMemory, matrix: Matrix, part: tuple[int, int]) -> None:
        low, high = part
        options = self.options
        memory.place(
            f"weight:{matrix.site}", high - low, columns=matrix.columns,
            word_bits=options.precision.bits, tensor=matrix.tensor, low=low, high=high,
            shared=options.shared, pad_bits=options.unit * options.precision.bits,
            column_low=matrix.low,
        )  # fmt: skip

    def _place_prefetch(self, memory: CoreMemory, rows: list[int]) -> None:
        """Make room for the columns of `prefetch` groups of the largest slice, whole bursts."""
        chip, bits = self.options.chip, self.options.precision.bits
        words = align(max(rows, default=0), max(1, chip.memory.burst_bits // bits))
        columns = chip.memory.prefetch * chip.core.group_size
        memory.place("prefetch", words, columns=columns, word_bits=bits)

    def _place_sums(self, memory: CoreMemory, matrix: Matrix, part: tuple[int, int]) -> None:
        low, high = part
        core = self.options.chip.core
        memory.place(
            f"acc:{matrix.site}", high - low, copies=core.window, low=low, high=high,
            pad_bits=self.options.unit * WORD_BITS,
        )  # fmt: skip
        memory.place(
            f"group:{matrix.site}", core.group_size, word_bits=EVENT_BITS, copies=core.window
        )

    def _place_vector(self, memory: CoreMemory, vector: Vector, part: tuple[int, int]) -> None:
        low, high = part
        core = self.options.chip.core
        copies = core.window if vector.per_token else 1
        rows = vector.rows or high - low
        memory.place(
            vector.name, core.npes if rows == LANES else rows, columns=vector.words,
            copies=self.options.batch if vector.state else copies,
            tensor=vector.tensor, low=low, high=high,
        )  # fmt: skip

    def _place_input(
        self, memory: CoreMemory, site: GraphSite, part: Partition, position: int
    ) -> None:
        """Make room for a site that the controller stores instead of applying weights."""
        if site.audience == "host" or (site.audience == "owner" and position != part.owner):
            return
        low, high = 0, site.per_core * len(part.cores) or site.width
        if site.audience == "peer":
            low, high = part.slices[position]
        columns = site.per_core or 1  # a core's values go to columns of their own: a core per lane
        memory.place(
            f"in:{site.name}", (high - low) // columns, columns=columns,
            copies=self.options.chip.core.window, low=low, high=high,
        )  # fmt: skip

    def _place_outputs(self, memory: CoreMemory, names: tuple[str, ...], position: int) -> None:
        for name in names:
            low, high = self.sent[name][position]
            memory.place(
                f"out:{name}", high - low, word_bits=EVENT_BITS,
                copies=self.options.chip.core.window, low=low, high=high,
            )  # fmt: skip
            if self.site(name).kind == "events":
                memory.place(f"threshold:{name}", 1, tensor=f"threshold:{name}")

    def _place_norm(self, memory: CoreMemory, part: Partition, position: int) -> None:
        """What ln_stats and ln_combine need beside their inputs: lane partials and constants."""
        lanes = self.options.chip.core.npes
        low, high = part.slices[position]
        memory.place("scratch", lanes)
        memory.place("pad", lanes, tensor=f"padding:{high - low}")
        memory.place("inv_n", 1, tensor=f"inverse:{high - low}")
        if position == part.owner:
            sizes = [high - low for low, high in part.slices]
            memory.place("share", len(sizes), tensor="shares:" + ",".join(map(str, sizes)))
            memory.place("inv_total", 1, tensor=f"inverse:{sum(sizes)}")


def sent_slices(site: GraphSite, part: Partition) -> Slices:
    """Channels that each core of a sending group sends of a site."""
    if site.per_core:
        n = site.per_core
        return tuple((i * n, (i + 1) * n) for i in range(len(part.cores)))
    if site.sender == "owner":
        return tuple((0, site.width) for _ in part.cores)
    return part.slices
