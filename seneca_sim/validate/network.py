"""The simulated network against closed forms: one packet (docs/semantics.md, S5), and traffic."""

from __future__ import annotations

from seneca_sim.engine import bound
from seneca_sim.engine.activity import PACKET_FIELDS
from seneca_sim.engine.reference.traffic import Load, run_load
from seneca_sim.validate.bench import Bench, one_core
from seneca_sim.validate.rows import Measured

SIDE = 8
CORES = (0, 7, 27, 56, 63)
EVENTS = (0, 1, 16)


def zero_load(bench: Bench) -> Measured:
    """Cycles of a full packet from the host to the far corner of an 8 x 8 network.

    All other pairs and sizes must agree too: a packet that does not counts as the far corner's.
    """
    bench = bench.sized(SIDE, SIDE)
    cases = [case for core in CORES for events in EVENTS for case in _cases(bench, core, events)]
    wrong = [case for case in cases if case[0] != case[1]]
    simulated, expected = (wrong or [max(cases)])[0]
    return Measured(float(simulated), float(expected))


def mean_latency(bench: Bench) -> Measured:
    """Mean latency of uniform one-flit traffic at a trickle, in cycles."""
    point = run_load(bench.sized(SIDE, SIDE).chip, Load("uniform", 1, 0.01, cycles=1000, seed=1))
    return Measured(point.mean_latency)


def accepted(bench: Bench) -> Measured:
    """What arrives of all the uniform one-flit traffic that nodes can create."""
    point = run_load(bench.sized(SIDE, SIDE).chip, Load("uniform", 1, 1.0, cycles=200, seed=1))
    return Measured(point.accepted)


def _cases(bench: Bench, core: int, events: int) -> list[tuple[int, int]]:
    """(simulated, closed form) of a vector's first packet to a core, and of its answer's.

    Later packets of a vector may wait for earlier ones, so they have no closed form.
    """
    chip = bench.chip
    packets = bench.run(one_core(chip, core=core), [events], [events], log=True).packets
    assert packets is not None
    cases = []
    for row in packets.tolist():
        packet = dict(zip(PACKET_FIELDS, row, strict=True))
        if packet["sequence"] == 0:
            target = packet["destination"]
            source = core if target == chip.cores else chip.cores
            flits = chip.noc.header_flits + packet["events"] * chip.noc.event_flits
            took = packet["arrived"] - packet["injected"]
            cases.append((took, bound.zero_load(chip, source, target, flits)))
    return cases
