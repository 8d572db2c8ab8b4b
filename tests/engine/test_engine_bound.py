"""The oracle itself, by hand; and that it is tight where a token meets nobody."""

from collections import Counter
from random import Random

import pytest
from builders import chain, log, make_chip, ops_of, single, stream_of
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import random_boundary, random_case

from seneca_sim.chip.spec import BoundarySpec, MemorySpec
from seneca_sim.conformance.programs import chip as suite_chip
from seneca_sim.conformance.programs import single as fetching
from seneca_sim.conformance.programs import stored
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.bound import (
    Bound,
    bounds_of,
    counts,
    lower_bounds,
    nearest_bound,
    token_paths,
    zero_load,
)
from seneca_sim.engine.counts import capture, occupation, packet_events
from seneca_sim.engine.reference import simulate


def test_packets() -> None:
    """S4: full packets first, one empty packet for nothing; whole cycles on a link."""
    chip = make_chip(packet_events=4, link_bits=48)
    assert packet_events(chip, 0) == [0]
    assert packet_events(chip, 4) == [4]
    assert packet_events(chip, 9) == [4, 4, 1]
    assert [occupation(chip, e) for e in (0, 1, 2, 4)] == [1, 2, 2, 4]  # 32, 64, 96, 160 bits
    announcing = make_chip(packet_events=4, completion="announce")
    assert [packet_events(announcing, e) for e in (0, 3, 5)] == [[0], [0, 3], [0, 4, 1]]
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
    units = {"npe": 36, "controller": 164, "generator": 6, "link": 8, "channel": 0}
    assert lower_bounds(chip, single(chip), stream, "generation") == {**units, "token": 166}
    assert lower_bounds(chip, single(chip), stream, "pipelined") == {**units, "token": 83}


@pytest.mark.parametrize("events", [(0, 0, 0), (1, 2, 0), (3, 8, 8), (8, 1, 7)])
def test_tight_on_a_chain(events: tuple[int, ...]) -> None:
    """One packet at a time and one group: the token meets nobody, not even itself."""
    chip = make_chip(3, 1, x=2, hop_cycles=3)
    activity = simulate(chip, chain(chip), stream_of(*events))
    assert token_paths(chip, chain(chip), stream_of(*events)).tolist() == [activity.token_done[0]]


def test_zero_load_by_hand() -> None:
    """S5, S7, S19: hops, the packet's length once, and once more for a boundary."""
    assert zero_load(make_chip(4, 4), 0, 15, 17) == 7 * 2 + 16
    assert zero_load(make_chip(4, 4, topology="torus", buffer_flits=34), 0, 15, 17) == 3 * 2 + 16
    tiles = BoundarySpec(tile_columns=2, tile_rows=0, link_bits=8, hop_cycles=20)
    # Core 1 -> 2 crosses: 20 + 4 x 3 - 1; then LOCAL 2 + 3 - 1.
    assert zero_load(make_chip(4, 1, boundary=tiles), 1, 2, 3) == 20 + 11 + 2 + 2
    assert zero_load(make_chip(4, 1, boundary=tiles), 0, 1, 3) == 2 + 2 + 2
    assert zero_load(make_chip(1, 1), 0, 1, 1) == 2


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_a_packet_alone_takes_zero_load(rnd: Random) -> None:
    """S5, S7, S19: one packet from the host to any core, on meshes, tori, over boundaries."""
    torus = rnd.random() < 0.5
    columns, rows = rnd.randint(1, 6), rnd.randint(1, 6)
    chip = make_chip(
        columns, rows, topology="torus" if torus else "mesh", buffer_flits=34,
        x=rnd.randrange(columns), y=rnd.randrange(rows), boundary=random_boundary(rnd),
        hop_cycles=rnd.randint(1, 3), link_bits=rnd.choice((16, 32, 48, 128)),
    )  # fmt: skip
    core, events = rnd.randrange(chip.cores), rnd.randint(0, 16)
    activity = simulate(chip, stored(chip, core, 1), stream_of(events, 0), log_packets=True)
    (there,), (back,) = log(activity, 0), log(activity, 1)
    assert there["arrived"] == zero_load(chip, chip.cores, core, 1 + events)
    assert back["arrived"] - back["injected"] == zero_load(chip, core, chip.cores, 1)


def test_bound_of_a_fetch() -> None:
    """S18: the channel's cycles are a bound, and so is a token that waits for its weights."""
    memory = MemorySpec(kind="hbm", channel_bits=2, burst_bits=128, latency_ps=20_000)
    chip = suite_chip(memory=memory)
    program, stream = fetching(chip, shared=True), stream_of(2, 0, 0)
    bounds = lower_bounds(chip, program, stream, "generation")
    # Pushed in 50, 256 bits in 128 cycles, 10 of latency, group 6, stage 6, capture 1, sent 20, 2.
    assert bounds["channel"] == 128
    assert bounds["token"] == 50 + 128 + 10 + 6 + 6 + 1 + 20 + 2
    assert simulate(chip, program, stream).token_done.tolist() == [bounds["token"]]


def test_random_programs_reach_every_corner() -> None:
    """The properties prove little if nothing ever waits or no option is ever drawn."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        case = random_case(Random(seed))
        activity = simulate(case.chip, case.program, case.stream, mode=case.mode)  # type: ignore[arg-type]
        for name in ("link_blocked", "controller_blocked", "output_blocked", "npe_starved"):
            seen[name] += bool(getattr(activity, name).sum())
        seen["boundary"] += bool(activity.item_ops[:, OP_INDEX["noc.boundary_bit"]].sum())
        seen["input queue full"] += activity.input_peak.max() == case.chip.core.input_queue_flits
        seen["output queue full"] += activity.output_peak.max() == case.chip.core.output_queue_flits
        seen["FIFO full"] += activity.fifo_peak.max() == case.chip.core.task_fifo
        for option in (case.chip.noc.topology, case.chip.noc.multicast, case.chip.noc.arbitration):
            seen[option] += activity.packet_hops > 20
        seen[case.chip.core.completion] += 1
        seen[case.mode] += 1
    assert len(seen) == 18
    assert min(seen.values()) >= 8, seen


def test_a_run_knows_its_nearest_bound() -> None:
    """One core that works without a pause but for the way in and out: its NPEs, then its path."""
    chip = make_chip(2, 1, task_setup_cycles=5000)
    stream = stream_of([32] * 3, [8] * 3, [0] * 3)
    activity = simulate(chip, single(chip), stream, mode="generation")
    bounds = {b.name: b for b in bounds_of(chip, single(chip), stream, activity)}
    known = lower_bounds(chip, single(chip), stream, "generation")
    for name in ("npe", "controller", "generator", "link"):
        assert bounds[name] == Bound(name, known[name], activity.cycles)
    assert bounds["critical path"].least == known["token"]
    assert all(b.times >= 1 for b in bounds.values())
    found = nearest_bound(chip, single(chip), stream, activity)
    assert found.times == min(b.times for b in bounds.values())
    assert found.name == "critical path"


@pytest.mark.parametrize("seed", range(30))
def test_no_run_beats_a_bound(seed: int) -> None:
    case = random_case(Random(seed))
    activity = simulate(case.chip, case.program, case.stream, mode=case.mode)
    for bound in bounds_of(case.chip, case.program, case.stream, activity):
        assert bound.times >= 1, bound
