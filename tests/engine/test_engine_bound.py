"""The oracle itself, by hand; and that it is tight where a token meets nobody."""

from random import Random

import pytest
from builders import chain, make_chip, ops_of, single, stream_of
from random_programs import random_case

from seneca_sim.engine.bound import counts, lower_bounds, token_paths
from seneca_sim.engine.counts import capture, occupation, packet_events
from seneca_sim.engine.reference import simulate


def test_packets() -> None:
    """S4: full packets first, one empty packet for nothing; whole cycles on a link."""
    chip = make_chip(packet_events=4, link_bits=48)
    assert packet_events(chip, 0) == [0]
    assert packet_events(chip, 4) == [4]
    assert packet_events(chip, 9) == [4, 4, 1]
    assert [occupation(chip, e) for e in (0, 1, 2, 4)] == [1, 2, 2, 4]  # 32, 64, 96, 160 bits
    assert [capture(make_chip(events_per_cycle=3), e) for e in (0, 1, 3, 4)] == [1, 1, 1, 2]


def test_counts_of_one_event() -> None:
    """The numbers of test_engine_single_core, once more."""
    chip = make_chip()
    known = counts(chip, single(chip), stream_of(1, 2, 0))
    assert ops_of(known.item_ops[0])["ctrl.instruction"] == 36
    assert ops_of(known.item_ops[3]) == {"noc.flit_hop": 2}
    assert (known.controller_busy.tolist(), known.npe_busy.tolist()) == ([82], [18])
    assert (known.generator_busy.tolist(), known.link_busy.tolist()) == ([3], [2, 4])
    assert (known.packet_hops, known.deliveries) == (3, 3)


def test_bounds_of_one_event() -> None:
    """Two tokens: the busy cycles twice; 83 cycles of way after each other, or at once."""
    chip, stream = make_chip(), stream_of([1, 1], [2, 2], [0, 0])
    units = {"npe": 36, "controller": 164, "generator": 6, "link": 8}
    assert lower_bounds(chip, single(chip), stream, "generation") == {**units, "token": 166}
    assert lower_bounds(chip, single(chip), stream, "pipelined") == {**units, "token": 83}


@pytest.mark.parametrize("events", [(0, 0, 0), (1, 2, 0), (3, 8, 8), (8, 1, 7)])
def test_tight_on_a_chain(events: tuple[int, ...]) -> None:
    """One packet at a time and one group: the token meets nobody, not even itself."""
    chip = make_chip(3, 1, x=2, hop_cycles=3)
    activity = simulate(chip, chain(chip), stream_of(*events))
    assert token_paths(chip, chain(chip), stream_of(*events)).tolist() == [activity.token_done[0]]


def test_random_programs_stall_everywhere() -> None:
    """The properties prove little if nothing ever waits."""
    stalls = {"link_blocked": 0, "controller_blocked": 0, "output_blocked": 0}
    for seed in range(40):
        case = random_case(Random(seed))
        activity = simulate(case.chip, case.program, case.stream, mode=case.mode)  # type: ignore[arg-type]
        for name in stalls:
            stalls[name] += bool(getattr(activity, name).sum())
    assert min(stalls.values()) >= 10
