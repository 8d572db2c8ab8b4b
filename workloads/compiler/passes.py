"""Reuse: a chip smaller than the model runs it in passes, a few layers at a time.

Before a pass begins, the weights of its layers are loaded from off-core memory into the data
memories; what they overwrite is loaded again for the next turn: the next token, or one of each
sequence. States stay where they are, so every pass leaves room for those of all others. Each pass
is a program of its own; the host keeps the residual stream between passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Activity
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import Program
from seneca_sim.program.passes import joined, load_of
from workloads.compiler.choose import MapSettings, mesh_of, smallest_cores
from workloads.compiler.graph import GraphSite, LayerGraph
from workloads.compiler.lower import lower


@dataclass(frozen=True)
class Pass:
    """Layers `first` to `last`, their program, and what loading their weights takes.

    Attributes:
        first: index of the first layer.
        last: index of the last layer.
        program: host in, host out.
        load_bits: from off-core memory into data memory.
        load_cycles: of the slowest channel, its latency included.
    """

    first: int
    last: int
    program: Program
    load_bits: int
    load_cycles: int


def in_passes(
    graph: LayerGraph, chip: Chip, settings: MapSettings, count: int = 0, *, ahead: bool = False
) -> tuple[Pass, ...]:
    """Cut a graph into passes that fit a chip: of about as many layers each, else of like size.

    Args:
        graph: what to compute.
        chip: with off-core memory.
        settings: of the mapping, for every pass alike.
        count: how many passes; 0 for the fewest that fit.
        ahead: leave half of the memory to the weights of the next pass.

    Raises:
        InputError: the chip has no off-core memory, a layer hands on more than its entry, or there
            are fewer layers than passes.
        CapacityError: not so many passes, or not even a single layer, fit beside the states of the
            others.
    """
    _check(graph, chip, count)
    for tried in [count] if count else range(1, len(graph.layers) + 1):
        for bounds in cuts(graph, tried):
            programs = _fitted(graph, bounds, chip, settings, ahead=ahead)
            if programs:
                return tuple(
                    _pass(a, b - 1, program, chip)
                    for (a, b), program in zip(pairwise(bounds), programs, strict=True)
                )
    raise _too_small(graph, chip, settings, count)


def fewest_cores(
    graph: LayerGraph, chip: Chip, settings: MapSettings, count: int, *, ahead: bool = False
) -> int:
    """The smallest mesh of a chip's cores on which a graph runs in so many passes.

    Args:
        graph: what to compute.
        chip: its cores and off-core memory; its size does not matter.
        settings: of the mapping, which takes the fewest cores for each pass.
        count: how many passes, at least 1.
        ahead: leave half of the memory to the weights of the next pass.

    Returns:
        Cores, all of the mesh.

    Raises:
        InputError: as `in_passes`.
        CapacityError: no number of cores is enough.
    """
    _check(graph, chip, count)
    few = replace(settings, fewest=True)
    found = [_fitted(graph, b, chip, few, ahead=ahead, grow=True) for b in cuts(graph, count)]
    sizes = [programs[0].cores for programs in found if programs]
    if not sizes:
        raise CapacityError(
            f"{graph.name} does not fit any number of cores like those of {chip.name} in {count} "
            "passes: beside a pass, a core keeps the states of all others; take fewer passes, or "
            "raise core.data_memory_bits"
        )
    return min(sizes)


def compile_passes(
    graph: LayerGraph, chip: Chip, settings: MapSettings, count: int = 0, *, ahead: bool = False
) -> Program:
    """As `in_passes`, as one program; a graph that fits as a whole is compiled as ever."""
    if count < 2 and 0 < smallest_cores(graph, chip, settings) <= chip.cores:
        return lower(graph, chip, settings=settings)
    passes = in_passes(graph, chip, settings, count, ahead=ahead)
    program = joined([p.program for p in passes], ahead=ahead)
    told = ("passes", " ".join(f"{p.first}-{p.last}" for p in passes))
    reload = ("reload", "ahead" if ahead else "before")
    return replace(program, mapping=(*program.mapping, told, reload))


def _pass(first: int, last: int, program: Program, chip: Chip) -> Pass:
    load = load_of(program, chip)
    return Pass(first, last, program, load.bits, load.cycles)


def _too_small(graph: LayerGraph, chip: Chip, settings: MapSettings, count: int) -> CapacityError:
    """Which layer is the largest, and what it would take; or that more passes would do."""
    layers = len(graph.layers)
    alone = {i: smallest_cores(part_of(graph, i, i + 1), chip, settings) for i in range(layers)}
    worst = max(alone, key=lambda i: alone[i] or chip.cores**2)
    needs = f"{alone[worst]:,} cores" if alone[worst] else "more than any number of such cores"
    if count and alone[worst] and alone[worst] <= chip.cores:
        return CapacityError(
            f"{graph.name} does not fit chip {chip.name} ({chip.cores} cores) in {count} passes; "
            "raise mapping.passes, or let mapping.passes=auto find the fewest"
        )
    head = ", or leave the head out (mapping.head=out)" if worst == layers - 1 else ""
    return CapacityError(
        f"{graph.name} does not fit chip {chip.name} ({chip.cores} cores) even one layer at a "
        f"time: layer {worst} of {layers} alone takes {needs}, beside the states of the others; "
        f"raise core.data_memory_bits or the number of cores{head}"
    )


def _check(graph: LayerGraph, chip: Chip, count: int) -> None:
    """What `in_passes` refuses before it looks for room."""
    layers = len(graph.layers)
    if chip.memory.kind == "none":
        raise InputError(
            f"mapping: layers in passes, but chip {chip.name} has no off-core memory to load "
            "weights from; set memory.kind to hbm, stt-mram or lpddr"
        )
    _check_chain(graph)
    if count > layers:
        raise InputError(f"mapping.passes is {count}; {graph.name} has {layers} layers to share")


def _check_chain(graph: LayerGraph) -> None:
    """The host keeps what goes from pass to pass: one vector."""
    for index, layer in enumerate(graph.layers):
        for stage in layer.stages:
            for name in stage.emits:
                at, site = graph.site_at[name]
                if at != index and site.name != graph.layers[at].entry:
                    raise InputError(
                        f"mapping: {graph.name} cannot run in passes: between them the host keeps "
                        f"the residual stream alone, but {layer.name} also sends {name}; leave "
                        "mapping.passes out, and choose a chip that holds the model "
                        "(mapping.fit=smallest)"
                    )


def total_cycles(passes: Sequence[Pass], activities: Sequence[Activity]) -> int:
    """Cycles of all passes over the same tokens: each is loaded, then run."""
    return sum(p.load_cycles + a.cycles for p, a in zip(passes, activities, strict=True))


def part_of(graph: LayerGraph, first: int, stop: int) -> LayerGraph:
    """Layers first:stop as a graph; the host takes what goes on to the next layer."""
    layers = graph.layers[first:stop]
    if stop == len(graph.layers):
        return replace(graph, layers=layers)
    leaving = graph.layers[stop].entry
    site = graph.site_at[leaving][1]
    out = GraphSite(leaving, site.width, "dense", "host", layers[-1].groups[0].name)
    last = replace(layers[-1], sites=(*layers[-1].sites, out))
    return replace(graph, layers=(*layers[:-1], last), answer=leaving)


def cuts(graph: LayerGraph, count: int) -> list[tuple[int, ...]]:
    """Where to cut a graph, ends included: by number of layers, and by their weights if it differs.

    A head may weigh as much as several blocks, so that even numbers make one pass large.
    """
    layers = len(graph.layers)
    weights = [sum(m.rows * m.columns for m in layer.matrices) for layer in graph.layers]
    even = tuple(layers * i // count for i in range(count + 1))
    return list(dict.fromkeys((even, _level(weights, count))))


def _level(weights: Sequence[int], count: int) -> tuple[int, ...]:
    """Bounds of so many pieces, none empty, of which the heaviest is as light as can be."""
    sums = [0, *accumulate(weights)]
    best: dict[int, tuple[int, tuple[int, ...]]] = {
        i: (sums[i], (0, i)) for i in range(1, len(sums))
    }  # one piece up to i
    for _ in range(1, count):
        best = {
            i: min(
                (max(most, sums[i] - sums[j]), (*bounds, i))
                for j, (most, bounds) in best.items()
                if j < i
            )
            for i in best
            if i > min(best)
        }
    return best[len(weights)][1]


def _fitted(
    graph: LayerGraph,
    bounds: Sequence[int],
    chip: Chip,
    settings: MapSettings,
    *,
    ahead: bool,
    grow: bool = False,
) -> list[Program]:
    """Programs of all passes, each beside the states of the others; none if one does not fit.

    What states take is known only when there are programs, so the search begins without them.
    """
    parts = [part_of(graph, a, b) for a, b in pairwise(bounds)]
    share, kept = 2 if ahead and len(parts) > 1 else 1, 0
    while programs := _compiled(parts, chip, (len(parts) - 1) * kept, settings, share, grow):
        most = max(map(_state_bits, programs, parts))
        if most <= kept or len(parts) == 1:
            return programs
        kept = most
    return []


def _compiled(
    parts: Sequence[LayerGraph],
    chip: Chip,
    kept: int,
    settings: MapSettings,
    share: int,
    grow: bool,
) -> list[Program]:
    """Programs of all parts in one of `share` shares of what `kept` bits of each memory leave.

    None if one part does not fit; with `grow` on the smallest mesh that holds them all.
    """
    left = (chip.core.data_memory_bits - kept) // share
    if left <= 0:
        return []
    small = replace(chip, core=replace(chip.core, data_memory_bits=left))
    sizes = [smallest_cores(part, small, settings) for part in parts]
    if not all(sizes):
        return []
    if grow:
        columns, rows = mesh_of(max(sizes))
        small = replace(small, columns=columns, rows=rows)
    if max(sizes) > small.cores:
        return []
    return [lower(part, small, settings=settings) for part in parts]


def _state_bits(program: Program, graph: LayerGraph) -> int:
    """Bits of states on the core that holds most of them."""
    names = {vector.name for layer in graph.layers for vector in layer.vectors if vector.state}
    kept: dict[int, int] = {}
    for region in program.regions:
        if region.name in names:
            kept[region.core] = kept.get(region.core, 0) + region.bits
    return max(kept.values(), default=0)
