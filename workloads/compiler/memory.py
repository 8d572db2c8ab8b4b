"""The memory map: places every slice, accumulator, state and buffer in a core's data memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from seneca_sim.chip import Chip
from seneca_sim.program import Region
from workloads.compiler.graph import GraphSite, Layer, LayerGraph, Matrix, Vector
from workloads.compiler.mapping import Slices, split

WORD_BITS = 16
EVENT_BITS = 32  # an event in memory: 16-bit id and BF16 value


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
    ) -> None:
        """Append a region of `columns` x `rows` words; shared ones come last."""
        stride = align(rows * word_bits, self.line_bits)
        region = Region(
            self.core, name, self.end_bits, rows, columns, word_bits, stride,
            copies, tensor, low, high, shared,
        )  # fmt: skip
        self.names[name] = len(self.regions)
        self.regions.append(region)
        self.end_bits += region.bits
        if not shared:
            self.used_bits = self.end_bits


def place_layer(
    graph: LayerGraph,
    layer: Layer,
    chip: Chip,
    cores: tuple[int, ...],
    position: int,
    *,
    shared: bool = False,
) -> CoreMemory:
    """Lay out the memory of the core at `position` of a layer's region.

    With `shared` the weights lie in off-core memory and the core has room for the columns that
    its SMPU fetches ahead. Everything is accounted for: weights padded to whole lines, one
    accumulator, group buffer and stored vector for each token in flight, parameters, states and
    output buffers.
    """
    line = math.lcm(chip.core.line_bits, chip.core.npes * WORD_BITS)
    memory = CoreMemory(cores[position], line)
    parts, lanes = len(cores), chip.core.npes
    is_owner = position == parts // 2
    slices = {m: split(m.rows, parts, lanes)[position] for m in layer.matrices}
    for matrix, part in slices.items():
        if not shared:
            _place_weights(memory, matrix, part, shared=False)
        _place_sums(memory, matrix, chip, part)
    if shared:
        _place_prefetch(memory, chip, [high - low for low, high in slices.values()])
    for vector in layer.vectors:
        _place_vector(memory, vector, chip, split(vector.width, parts, lanes)[position])
    for site in layer.sites:
        here = site.audience in ("layer", "peer") or (site.audience == "owner" and is_owner)
        if here and layer.matrix_of(site.name) is None:
            _place_input(memory, site, chip, parts, position)
    for stage in layer.stages:
        if stage.place == "all" or is_owner:
            for name in stage.emits:
                part = sent_slices(graph.site_at[name][1], parts, lanes)[position]
                _place_output(memory, name, chip, part)
                if graph.site_at[name][1].kind == "events":
                    memory.place(f"threshold:{name}", 1, tensor=f"threshold:{name}")
    _place_norm(memory, split(graph.width, parts, lanes), lanes, position, is_owner)
    for matrix, part in slices.items():
        if shared:
            _place_weights(memory, matrix, part, shared=True)
    return memory


def fullest_bits(
    graph: LayerGraph, layer: Layer, chip: Chip, parts: int, *, shared: bool = False
) -> int:
    """Bits on the fullest of `parts` cores; only cores with different slices are laid out."""
    sent = [graph.site_at[name][1] for stage in layer.stages for name in stage.emits]
    widths = {m.rows for m in layer.matrices} | {v.width for v in layer.vectors}
    widths |= {site.width for site in (*layer.sites, *sent)}
    slices = [split(width, parts, chip.core.npes) for width in widths]
    different: dict[tuple[int, ...], int] = {}
    for position in range(parts):
        sizes = (s[position][1] - s[position][0] for s in slices)
        different.setdefault((position == parts // 2, *sizes), position)
    cores = tuple(range(parts))
    return max(
        place_layer(graph, layer, chip, cores, position, shared=shared).used_bits
        for position in different.values()
    )


def _place_weights(
    memory: CoreMemory, matrix: Matrix, part: tuple[int, int], *, shared: bool
) -> None:
    low, high = part
    memory.place(
        f"weight:{matrix.site}", high - low, columns=matrix.columns,
        tensor=matrix.tensor, low=low, high=high, shared=shared,
    )  # fmt: skip


def _place_prefetch(memory: CoreMemory, chip: Chip, rows: list[int]) -> None:
    """Make room for the columns of `prefetch` groups of the largest slice, in whole bursts."""
    burst_words = chip.memory.burst_bits // WORD_BITS
    words = align(max(rows, default=0), max(1, burst_words))
    memory.place("prefetch", words, columns=chip.memory.prefetch * chip.core.group_size)


def _place_sums(memory: CoreMemory, matrix: Matrix, chip: Chip, part: tuple[int, int]) -> None:
    low, high = part
    memory.place(f"acc:{matrix.site}", high - low, copies=chip.core.window, low=low, high=high)
    memory.place(
        f"group:{matrix.site}", chip.core.group_size, word_bits=EVENT_BITS, copies=chip.core.window
    )


def _place_vector(memory: CoreMemory, vector: Vector, chip: Chip, part: tuple[int, int]) -> None:
    low, high = part
    copies = chip.core.window if vector.per_token else 1
    memory.place(
        vector.name, high - low, columns=vector.words, copies=copies,
        tensor=vector.tensor, low=low, high=high,
    )  # fmt: skip


def _place_input(
    memory: CoreMemory, site: GraphSite, chip: Chip, parts: int, position: int
) -> None:
    """Make room for a site that the controller stores instead of applying weights."""
    low, high = 0, site.per_core * parts or site.width
    if site.audience == "peer":
        low, high = split(site.width, parts, chip.core.npes)[position]
    columns = site.per_core or 1  # a core's values go to columns of their own: one core per lane
    memory.place(
        f"in:{site.name}", (high - low) // columns, columns=columns,
        copies=chip.core.window, low=low, high=high,
    )  # fmt: skip


def _place_norm(
    memory: CoreMemory, slices: Slices, lanes: int, position: int, is_owner: bool
) -> None:
    """What ln_stats and ln_combine need beside their inputs: lane partials and constants."""
    sizes = [high - low for low, high in slices]
    memory.place("scratch", lanes)
    memory.place("pad", lanes, tensor=f"padding:{sizes[position]}")
    memory.place("inv_n", 1, tensor=f"inverse:{sizes[position]}")
    if is_owner:
        memory.place("share", len(sizes), tensor="shares:" + ",".join(map(str, sizes)))
        memory.place("inv_total", 1, tensor=f"inverse:{sum(sizes)}")


def _place_output(memory: CoreMemory, name: str, chip: Chip, part: tuple[int, int]) -> None:
    low, high = part
    memory.place(
        f"out:{name}", high - low, word_bits=EVENT_BITS, copies=chip.core.window, low=low, high=high
    )


def sent_slices(site: GraphSite, parts: int, lanes: int) -> Slices:
    """Channels that each of a layer's cores sends of a site."""
    if site.per_core:
        return tuple((i * site.per_core, (i + 1) * site.per_core) for i in range(parts))
    if site.sender == "owner":
        return tuple((0, site.width) for _ in range(parts))
    return split(site.width, parts, lanes)
