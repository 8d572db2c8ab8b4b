"""Reuse: a chip smaller than the model runs it in passes, a few layers at a time.

Before a pass begins, the weights of its layers are loaded from off-core memory into the data
memories; what they overwrite is loaded again for the next turn: the next token, or one of each
sequence. States stay where they are, so every pass leaves room for those of all others. Each pass
is a program of its own; the host keeps the residual stream between passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Activity
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import Program
from seneca_sim.program.passes import joined, load_of
from workloads.compiler.choose import MapSettings, smallest_cores
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
    """Cut a graph into passes that fit a chip, of about as many layers each.

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
    layers, kept = len(graph.layers), 0
    if chip.memory.kind == "none":
        raise InputError(
            f"mapping: layers in passes, but chip {chip.name} has no off-core memory to load "
            "weights from; set memory.kind to hbm, stt-mram or lpddr"
        )
    _check_chain(graph)
    if count > layers:
        raise InputError(f"mapping.passes is {count}; {graph.name} has {layers} layers to share")
    for tried in [count] if count else range(1, layers + 1):
        bounds = [layers * i // tried for i in range(tried + 1)]
        parts = [part_of(graph, a, b) for a, b in pairwise(bounds)]
        share = 2 if ahead and tried > 1 else 1
        programs = _compiled(parts, chip, (tried - 1) * kept, settings, share)
        if not programs:
            continue
        most = max(map(_state_bits, programs, parts))
        if tried > 1 and most > kept:
            kept = most  # now that it is known, leave room for it
            programs = _compiled(parts, chip, (tried - 1) * kept, settings, share)
        if programs:
            return tuple(
                _pass(a, b - 1, program, chip)
                for (a, b), program in zip(pairwise(bounds), programs, strict=True)
            )
    raise _too_small(graph, chip, settings, count)


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


def _check_chain(graph: LayerGraph) -> None:
    """The host keeps what goes from pass to pass: one vector."""
    for index, layer in enumerate(graph.layers):
        for stage in layer.stages:
            for name in stage.emits:
                at, site = graph.site_at[name]
                if at != index and site.name != graph.layers[at].entry:
                    raise InputError(
                        f"mapping: layers of {graph.name} in passes, but {layer.name} also sends "
                        f"{name}; the host keeps the residual stream alone"
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


def _compiled(
    parts: Sequence[LayerGraph], chip: Chip, kept: int, settings: MapSettings, share: int
) -> list[Program]:
    """Programs of all parts in one of `share` shares of what `kept` bits of each memory leave.

    None if one part does not fit.
    """
    left = (chip.core.data_memory_bits - kept) // share
    if left <= 0:
        return []
    small = replace(chip, core=replace(chip.core, data_memory_bits=left))
    if not all(0 < smallest_cores(part, small, settings) <= chip.cores for part in parts):
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
