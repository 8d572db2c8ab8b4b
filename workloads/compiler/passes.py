"""Reuse: a chip smaller than the model runs it in passes, a few layers at a time.

Before a pass begins, the weights of its layers are loaded from off-core memory into the data
memories; what they overwrite is loaded again for the next token or batch of tokens. States stay
where they are, so every pass leaves room for those of all others. Each pass is a program of its
own; the host keeps the residual stream between passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Activity
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import Program
from workloads.compiler.choose import MapSettings, smallest_cores
from workloads.compiler.graph import GraphSite, LayerGraph
from workloads.compiler.lower import lower

FIXED = ("padding", "inverse", "inverse_root", "lowest", "shares", "threshold")
"""Contents of regions that the controller writes itself."""


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

    def load_counts(self, chip: Chip) -> dict[str, int]:
        """Ops of one loading: bits of the memory, and words written to data memory."""
        kind = chip.memory.kind.replace("-", "_")
        return {f"mem.{kind}_bit": self.load_bits, "dm.write_word": self.load_bits // 16}


def in_passes(graph: LayerGraph, chip: Chip, settings: MapSettings) -> tuple[Pass, ...]:
    """Cut a graph into the fewest passes that fit a chip, of about as many layers each.

    Raises:
        InputError: the chip has no off-core memory, or a layer hands on more than its entry.
        CapacityError: not even a single layer fits beside the states of the others.
    """
    if chip.memory.kind == "none":
        raise InputError(
            f"mapping: layers in passes, but chip {chip.name} has no off-core memory to load "
            "weights from; set memory.kind to hbm, stt-mram or lpddr"
        )
    _check_chain(graph)
    layers, kept = len(graph.layers), 0
    for count in range(1, layers + 1):
        bounds = [layers * i // count for i in range(count + 1)]
        parts = [part_of(graph, a, b) for a, b in pairwise(bounds)]
        programs = _compiled(parts, chip, (count - 1) * kept, settings)
        if not programs:
            continue
        most = max(map(_state_bits, programs, parts))
        if count > 1 and most > kept:
            kept = most  # now that it is known, leave room for it
            programs = _compiled(parts, chip, (count - 1) * kept, settings)
        if programs:
            return tuple(
                Pass(a, b - 1, program, *_load(program, chip))
                for (a, b), program in zip(pairwise(bounds), programs, strict=True)
            )
    raise CapacityError(
        f"{graph.name} does not fit chip {chip.name} ({chip.cores} cores) even one layer at a "
        "time; raise core.data_memory_bits or the number of cores"
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
    parts: Sequence[LayerGraph], chip: Chip, kept: int, settings: MapSettings
) -> list[Program]:
    """Programs of all parts where `kept` bits of every data memory are taken; none if one fails."""
    left = chip.core.data_memory_bits - kept
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


def _load(program: Program, chip: Chip) -> tuple[int, int]:
    """Bits, and cycles of the channel that has most to bring."""
    channels: dict[int, int] = {}
    for region in program.regions:
        if region.tensor and region.tensor.partition(":")[0] not in FIXED:
            channel = chip.channel(region.core)
            channels[channel] = channels.get(channel, 0) + region.bits
    most = max(channels.values(), default=0)
    cycles = -(-most // chip.memory.channel_bits) + chip.memory_latency_cycles
    return sum(channels.values()), cycles
