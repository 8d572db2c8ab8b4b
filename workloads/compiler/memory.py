"""The memory map: places every slice, accumulator, state and buffer in a core's data memory."""

from __future__ import annotations

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
    """Regions of one core, one after another, each at the start of a line."""

    core: int
    line_bits: int
    regions: list[Region] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    used_bits: int = 0

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
    ) -> None:
        """Append a region of `columns` x `rows` words."""
        stride = align(rows * word_bits, self.line_bits)
        region = Region(
            self.core, name, self.used_bits, rows, columns, word_bits, stride,
            copies, tensor, low, high,
        )  # fmt: skip
        self.names[name] = len(self.regions)
        self.regions.append(region)
        self.used_bits += region.bits


def place_layer(
    graph: LayerGraph, layer: Layer, chip: Chip, cores: tuple[int, ...], position: int
) -> CoreMemory:
    """Lay out the memory of the core at `position` of a layer's region.

    Everything is accounted for: weights padded to whole lines, one accumulator, group buffer and
    stored vector for each token in flight, parameters, states and output buffers.
    """
    memory = CoreMemory(cores[position], chip.core.line_bits)
    parts, lanes = len(cores), chip.core.npes
    is_owner = position == parts // 2
    for matrix in layer.matrices:
        _place_matrix(memory, matrix, chip, split(matrix.rows, parts, lanes)[position])
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
    # Lane partials of reductions, and what ln_stats and ln_combine need beside their inputs.
    memory.place("scratch", lanes, columns=3)
    if is_owner:
        memory.place("share", align(parts, lanes))
    return memory


def fullest_bits(graph: LayerGraph, layer: Layer, chip: Chip, parts: int) -> int:
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
        place_layer(graph, layer, chip, cores, position).used_bits
        for position in different.values()
    )


def _place_matrix(memory: CoreMemory, matrix: Matrix, chip: Chip, part: tuple[int, int]) -> None:
    low, high = part
    rows = high - low
    memory.place(
        f"weight:{matrix.site}", rows, columns=matrix.columns,
        tensor=matrix.tensor, low=low, high=high,
    )  # fmt: skip
    memory.place(f"acc:{matrix.site}", rows, copies=chip.core.window, low=low, high=high)
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
    memory.place(f"in:{site.name}", high - low, copies=chip.core.window, low=low, high=high)


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
