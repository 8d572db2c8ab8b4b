"""The verifier's rules about memory: what lies where, and whether it fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.program.ir import NO_REGION, Ints, Program


def memory_fits(program: Program, chip: Chip) -> Iterator[str]:
    """No two regions of a core overlap, and the last one ends inside the data memory."""
    by_core: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for region in program.regions:
        by_core[region.core].append((region.address_bits, region.bits, region.name))
    for core, regions in by_core.items():
        end, before = 0, ""
        for address, bits, name in sorted(regions):
            if address < end:
                yield f"core {core}: {name} overlaps {before}"
            end, before = address + bits, name
    have = chip.core.data_memory_bits
    for core, bits in program.memory_bits.items():
        if bits > have:
            yield f"core {core} needs {bits:,} bits of data memory and has {have:,}"


def code_fits(program: Program, chip: Chip) -> Iterator[str]:
    """The controller's program and the micro-kernels of a core fit its instruction memory."""
    have = chip.core.instruction_memory_bits
    for core, need in code_bits(program, chip).items():
        if need > have:
            yield f"core {core} needs {need:,} bits of instruction memory and has {have:,}"


def code_bits(program: Program, chip: Chip) -> dict[int, int]:
    """Core -> bits of instruction memory: the controller's program and its micro-kernels."""
    found: dict[int, set[str]] = defaultdict(set)
    for consumer in program.consumers:
        if consumer.kernel:
            found[consumer.core].add(consumer.kernel)
    for stage in program.stages:
        found[stage.core] |= {step.kernel for step in stage.steps}
    own, npes = chip.core.controller.code_bits, chip.core.npes
    return {
        core: own + sum(load_kernel(name, npes).code_bits for name in names)
        for core, names in found.items()
    }


def fetches_have_a_channel(program: Program, chip: Chip) -> Iterator[str]:
    """Shared regions need an off-core memory."""
    shared = next((r for r in program.regions if r.shared), None)
    if shared is not None and chip.memory.kind == "none":
        yield f"{shared.name} lies in shared memory, but chip {chip.name} has none (memory.kind)"


def slices_match_rows(program: Program, chip: Chip) -> Iterator[str]:
    """A weight slice has columns of its site only, and rows enough for its neurons."""
    for consumer in program.consumers:
        if not consumer.kernel:
            continue
        need = load_kernel(consumer.kernel, chip.core.npes).rows_for(consumer.neurons)
        if consumer.rows < need:
            site = program.sites[consumer.site].name
            yield (
                f"{site} on core {consumer.core} runs over {consumer.rows} rows; "
                f"{consumer.neurons} neurons need {need}"
            )
        region = program.regions[consumer.weights]
        width = program.sites[consumer.site].width
        most = width - region.column_low
        if not 0 < region.columns <= most or region.rows != consumer.neurons:
            yield (
                f"weights {region.name} on core {consumer.core} are {region.rows} x "
                f"{region.columns}; expected {consumer.neurons} x {most}"
            )


def regions_are_local(program: Program, chip: Chip) -> Iterator[str]:
    """Weights, accumulators, buffers and operands lie on the core that uses them."""
    cores, regions = _uses(program)
    homes = np.array([region.core for region in program.regions] or [0], np.int64)
    if np.array_equal(homes[regions], cores):
        return
    for core, number, who in uses_of_regions(program):
        if program.regions[number].core != core:
            yield f"{who} on core {core} lies on core {program.regions[number].core}"


def places_exist(program: Program) -> Iterator[str]:
    """Every use of the memory map names a region of it."""
    _, regions = _uses(program)
    if not regions.size or (regions.min() >= 0 and regions.max() < len(program.regions)):
        return
    for _, region, who in uses_of_regions(program):
        if region not in range(len(program.regions)):
            yield f"{who} has no place in the memory map"


def _uses(program: Program) -> tuple[Ints, Ints]:
    """(core, region) of every use of the memory map, without saying by whom."""
    pairs = [(c.core, c.weights) for c in program.consumers if c.kernel]
    pairs += [(c.core, c.target) for c in program.consumers if c.target != NO_REGION]
    pairs += [(r.source, r.buffer) for r in program.routes if r.buffer != NO_REGION]
    for stage in program.stages:
        core = stage.core
        for step in stage.steps:
            pairs += [(core, region) for _, region in step.regions]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def uses_of_regions(program: Program) -> Iterator[tuple[int, int, str]]:
    """(core, region, by whom) of every use of the memory map."""
    for i, consumer in enumerate(program.consumers):
        if consumer.kernel:
            yield consumer.core, consumer.weights, f"weights of consumer {i}"
        if consumer.target != NO_REGION:
            yield consumer.core, consumer.target, f"target of consumer {i}"
    for i, route in enumerate(program.routes):
        if route.buffer != NO_REGION:
            yield route.source, route.buffer, f"buffer of route {i}"
    for stage in program.stages:
        for step in stage.steps:
            for name, region in step.regions:
                yield stage.core, region, f"{name} of {step.kernel} in stage {stage.name}"
