"""From a layer graph and a chip to a verified program."""

from __future__ import annotations

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError
from seneca_sim.program import Program
from seneca_sim.program.verify import verify
from workloads.compiler.choose import MapSettings, choose
from workloads.compiler.graph import LayerGraph
from workloads.compiler.lowering import Lowering
from workloads.compiler.placement import by_hand, placed
from workloads.compiler.plan import Plan


def lower(
    graph: LayerGraph,
    chip: Chip,
    cores_per_layer: int = 0,
    *,
    weights: str = "core",
    settings: MapSettings | None = None,
) -> Program:
    """Compile a layer graph for a chip and verify the result.

    Args:
        graph: what to compute.
        chip: the hardware; lanes, lines, group size and window shape the memory map.
        cores_per_layer: 0 lets the mapping choose.
        weights: where they lie: ``core`` (data memory) or ``shared`` (off-core memory).
        settings: all of it, in place of the two arguments before.

    Raises:
        CapacityError: the chip is too small; the message says for which layer and by how much.
        InputError: no such place, or the chip has no off-core memory.
    """
    if settings is None:
        settings = MapSettings(cores_per_layer=cores_per_layer, weights=weights)
    return compile_plan(mapped(graph, chip, settings))


def mapped(graph: LayerGraph, chip: Chip, settings: MapSettings) -> Plan:
    """Choose a mapping and put its cores down.

    Raises:
        CapacityError: the chip is too small.
        InputError: settings that do not go with graph or chip.
    """
    plan = choose(graph, chip, settings)
    if plan.cores > chip.cores:
        raise CapacityError(
            f"{graph.name} takes {plan.cores:,} cores at the fewest, but chip {chip.name} has "
            f"{chip.cores:,}; make the chip larger, or let mapping.fit=smallest choose its size"
        )
    if settings.place:
        return by_hand(plan, settings.place, "mapping.place")
    name = settings.placement
    if name == "auto":
        name = "row-major" if plan.mapping.strategy == "output-split" else "regions"
        name = "interleaved" if settings.weights == "shared" else name
    if settings.strategy == "layer-regions":
        name = "search" if name == "search" else "regions"
    return placed(
        plan, name, densities=settings.densities, seed=settings.seed, steps=settings.steps
    )


def compile_plan(plan: Plan) -> Program:
    """Lower a plan, placed or not, and verify the program."""
    program = Lowering(plan.graph, plan.mapping, plan.options).run()
    verify(program, plan.options.chip)
    return program
