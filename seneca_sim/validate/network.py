"""The simulated network against closed forms: one packet (docs/semantics.md, S5), and traffic."""

from __future__ import annotations

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import PACKET_FIELDS
from seneca_sim.engine.reference.traffic import Load, run_load
from seneca_sim.validate.bench import Bench, one_core
from seneca_sim.validate.rows import Measured

SIDE = 8
CORES = (0, 7, 27, 56, 63)
EVENTS = (0, 1, 16)


def zero_load(bench: Bench) -> Measured:
    """Cycles of a full packet from the host to the far corner of an 8 x 8 mesh.

    All other pairs and sizes must agree too: a packet that does not counts as the far corner's.
    """
    bench = bench.sized(SIDE, SIDE)
    cases = [case for core in CORES for case in _cases(bench, core)]
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


def _cases(bench: Bench, core: int) -> list[tuple[int, int]]:
    """(simulated, closed form) of packets to one core and of its answers; tokens never meet."""
    counts = list(EVENTS)
    packets = bench.run(one_core(bench.chip, core=core), counts, counts, log=True).packets
    assert packets is not None
    cases = []
    for row in packets.tolist():
        packet = dict(zip(PACKET_FIELDS, row, strict=True))
        took = packet["arrived"] - packet["injected"]
        cases.append((took, closed_form(bench.chip, core, packet["events"])))
    return cases


def closed_form(chip: Chip, core: int, events: int) -> int:
    """Cycles between the host at node (0, 0) and a core, nobody else on the way.

    Head: one hop for each mesh link between and one into the endpoint; tail: the flits behind it.
    """
    hops = core % SIDE + core // SIDE + 1
    flits = chip.noc.header_flits + events * chip.noc.event_flits
    cycles = -(-flits * chip.noc.flit_bits // chip.noc.link_bits)
    return hops * chip.noc.hop_cycles + cycles - 1
