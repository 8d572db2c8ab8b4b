"""Rows of the energy table, measured back: what a run costs more when it does more of one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seneca_sim.chip import BoundarySpec, CoreSpec
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import PACKET_FIELDS
from seneca_sim.validate.bench import Bench, one_core, probe
from seneca_sim.validate.rows import Measured

ROWS = (8, 24)
"""Two lengths of a probe; their difference is the instruction and nothing else."""


def instruction(bench: Bench, name: str, *classes: str) -> Measured:
    """One instruction in one NPE, in pJ: the difference of two runs, shared by rows and lanes."""
    bench = bench.sized()
    short, long = (
        bench.energy_fj(
            bench.run(one_core(bench.chip, step=(probe(name), rows)), [0], [0]), *classes
        )
        for rows in ROWS
    )
    lanes = bench.chip.core.npes * (ROWS[1] - ROWS[0])
    return Measured((long - short) / lanes / 1000)


def memory_bit(bench: Bench, name: str) -> Measured:
    """Data memory's part of a load or store, in fJ per bit."""
    return Measured(instruction(bench, name, "memory").value * 1000 / 16)


def event(bench: Bench) -> Measured:
    """One event more in the answer, in pJ; the event generator's part."""
    bench = bench.sized()
    program = one_core(bench.chip)
    few, many = (bench.energy_fj(bench.run(program, [0], [n]), "event_generator") for n in (8, 16))
    return Measured((many - few) / 8 / 1000)


def controller_instruction(bench: Bench) -> Measured:
    """One controller instruction more for the one packet that is taken, in pJ."""
    return _more_controller(bench, "packet_in_instructions", events=0, times=1)


def controller_access(bench: Bench) -> Measured:
    """One data-memory access more for each of 16 events that are taken, in pJ."""
    return _more_controller(bench, "event_in_memory_accesses", events=16, times=16)


def _more_controller(bench: Bench, field: str, events: int, times: int) -> Measured:
    bench = bench.sized()
    now = getattr(bench.chip.core.controller, field)
    more = bench.controlled(**{field: now + 1})
    before, after = (
        b.energy_fj(b.run(one_core(b.chip), [events], [0]), "controller") for b in (bench, more)
    )
    return Measured((after - before) / times / 1000)


def flit_hop(bench: Bench) -> Measured:
    """The same program one hop further from the host, within a reticle, in pJ per 32 bits."""
    bench = bench.sized(columns=2)
    bench = replace(bench, chip=replace(bench.chip, boundary=BoundarySpec()))
    runs = [bench.run(one_core(bench.chip, core=core), [16], [16]) for core in (0, 1)]
    near, far = (bench.op_fj(run, "noc.flit_hop") for run in runs)
    hops = int(runs[1].link_flits.sum() - runs[0].link_flits.sum())
    return Measured((far - near) / (hops * bench.chip.noc.flit_bits / 32) / 1000)


def off_core_bit(bench: Bench, kind: str) -> Measured:
    """Events whose weights lie in off-core memory against none, in fJ per bit that comes in."""
    bench = bench.sized()
    memory = replace(bench.chip.memory, kind=kind)
    bench = replace(bench, chip=replace(bench.chip, memory=memory))
    program = one_core(bench.chip, kernel="event_bf16", shared=True)
    idle, busy = (bench.run(program, [n], [0]) for n in (0, 16))
    energies = [bench.energy_fj(run, "off_core_memory") for run in (idle, busy)]
    return Measured((energies[1] - energies[0]) / int(busy.channel_bits.sum()))


def leakage_per_bit(bench: Bench, field: str, bits_each: Callable[[CoreSpec], int]) -> Measured:
    """The same run with twice as many bits of a memory, in pW per bit."""
    bench = bench.sized()
    now = getattr(bench.chip.core, field)
    more = bench.sized(**{field: 2 * now})
    # Long enough that rounding to a femtojoule does not show.
    program, counts = one_core(bench.chip, step=("send_acc", 40_000)), ([0], [0])
    activity = bench.run(program, *counts)
    before, after = (b.leakage_fj(b.run(program, *counts)) for b in (bench, more))
    seconds = activity.cycles / bench.chip.clock_hz
    bits = now * bits_each(bench.chip.core) * bench.chip.cores
    return Measured((after - before) / 1e15 / seconds / bits * 1e12)


def header_flits(bench: Bench) -> Measured:
    """Flits of the packet of an empty vector."""
    return Measured(_largest(bench, 0, "flits"))


def packet_events(bench: Bench) -> Measured:
    """Events in the fullest packet of a vector of 64."""
    return Measured(_largest(bench, 64, "events"))


def _largest(bench: Bench, events: int, column: str) -> float:
    """The largest entry of a column of the packet log, with so many events in."""
    bench = bench.sized()
    packets = bench.run(one_core(bench.chip), [events], [0], log=True).packets
    assert packets is not None
    return float(packets[:, PACKET_FIELDS.index(column)].max())


def instructions_per_event(bench: Bench) -> Measured:
    """Controller instructions for one event more in a packet."""
    bench = bench.sized()
    program, op = one_core(bench.chip), OP_INDEX["ctrl.instruction"]
    few, many = (int(bench.run(program, [n], [0]).item_ops[:, op].sum()) for n in (8, 9))
    return Measured(float(many - few))
