"""What holds on every run: random chips with all options, programs, events and both modes."""

from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
from builders import times_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import Case, random_case, random_flood

from seneca_sim.chip import Chip
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.bound import Counts, counts, lower_bounds, token_paths, zero_load
from seneca_sim.engine.reference import simulate
from seneca_sim.engine.reference.network import OutputPort
from seneca_sim.errors import DeadlockError

cases = st.randoms(use_true_random=False).map(random_case)
often = settings(
    max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def run(case: Case, **options: object) -> Activity:
    return simulate(case.chip, case.program, case.stream, mode=case.mode, **options)  # type: ignore[arg-type]


def assert_counts(known: Counts, activity: Activity) -> None:
    for field in fields(Counts):
        mine, found = getattr(known, field.name), getattr(activity, field.name)
        np.testing.assert_array_equal(found, mine, err_msg=field.name)


def assert_bounds(case: Case, activity: Activity) -> None:
    for name, cycles in lower_bounds(*case).items():
        assert activity.cycles >= cycles, name
    paths = token_paths(case.chip, case.program, case.stream)
    assert np.all(activity.token_done - activity.token_start >= paths)


@often
@given(cases)
def test_counts_and_bounds(case: Case) -> None:
    """S3-S16, S18: nothing is lost, made or counted twice, whatever waits for what (counts.py).

    And no run is faster than its busiest unit or its tokens' own ways (bound.py).
    """
    activity = run(case)
    assert_counts(counts(case.chip, case.program, case.stream), activity)
    assert_bounds(case, activity)


@often
@given(cases)
def test_events_times_and_capacities(case: Case) -> None:
    """S1-S17, S20: each of the checks below, on one run with a log of its packets."""
    activity = run(case, log_packets=True, window_cycles=97)
    _events_arrive_where_they_are_sent(case, activity)
    _times_are_in_order(case, activity)
    _marginals_agree(activity)
    _nothing_is_over_full(case.chip, activity)


def _events_arrive_where_they_are_sent(case: Case, activity: Activity) -> None:
    """S4, S7, S9: events sent x destinations = events taken."""
    program, sent = case.program, case.stream.counts.sum(axis=1)
    to_cores = [
        sum(core != program.host for core in program.destinations(i))
        for i in range(len(program.routes))
    ]
    assert activity.item_events_in.sum() == (sent * to_cores).sum()
    assert activity.item_events_out.sum() == sent.sum()
    table = activity.packets
    assert table is not None
    assert len(table) == activity.deliveries
    for route in range(len(program.routes)):
        mine = table[table[:, 0] == route]
        for core in program.destinations(route):
            there = mine[mine[:, 3] == core]
            by_token = np.bincount(there[:, 1], there[:, 4], case.stream.tokens)
            assert by_token.tolist() == case.stream.counts[route].tolist()


def _times_are_in_order(case: Case, activity: Activity) -> None:
    """S1, S3, S5: created, injected, arrived, started, done; and never faster than an empty net."""
    at = times_of(activity)
    sources = [route.source for route in case.program.routes]
    free = [
        zero_load(case.chip, sources[route], to, flits)
        for route, to, flits in zip(
            *(at[n].tolist() for n in ("route", "destination", "flits")), strict=True
        )
    ]
    to_host = at["destination"] == case.program.host
    assert np.all(at["created"] <= at["injected"])
    assert np.all(at["arrived"] - at["injected"] >= free)
    assert np.all(at["started"] >= at["arrived"])
    assert np.all((at["done"] > at["started"]) | to_host)
    assert np.all(at["done"] <= activity.cycles)
    assert np.all(activity.stage_done >= 0)


def _marginals_agree(activity: Activity) -> None:
    """S16: by item, by token and by window."""
    totals = activity.item_ops.sum(axis=0)
    assert totals.tolist() == activity.token_ops.sum(axis=0).tolist()
    assert totals.tolist() == activity.window_ops.sum(axis=0).tolist()
    assert totals[OP_INDEX["noc.flit_hop"]] == activity.link_flits.sum()


def _nothing_is_over_full(chip: Chip, activity: Activity) -> None:
    """S5, S8, S9, S20: units are not busier than time, queues not fuller than they are large."""
    units = (activity.controller_busy, activity.npe_busy, activity.generator_busy)
    assert np.all(activity.core_active >= np.max(units, axis=0))
    assert np.all(activity.core_active <= np.sum(units, axis=0))
    for busy in (
        activity.core_active,
        activity.controller_busy + activity.controller_blocked,
        activity.npe_busy + activity.npe_starved,
        activity.output_blocked,
        activity.link_busy + activity.link_blocked,
        activity.channel_busy,
    ):
        assert busy.max(initial=0) <= activity.cycles
    assert activity.input_peak.max() <= chip.core.input_queue_flits
    assert activity.output_peak.max() <= chip.core.output_queue_flits
    assert activity.fifo_peak.max() <= chip.core.task_fifo


@settings(often, max_examples=30)
@given(cases)
def test_slower_hops_change_no_count(case: Case) -> None:
    """S4, S10: time moves, work does not."""
    noc = replace(case.chip.noc, hop_cycles=2 * case.chip.noc.hop_cycles)
    slower = case._replace(chip=replace(case.chip, noc=noc))
    assert_counts(counts(case.chip, case.program, case.stream), run(slower))


@settings(often, max_examples=15)
@given(cases)
def test_gating_changes_no_cycle(case: Case) -> None:
    """S20: what idle cores spend is for the bill, not for the clock."""
    first = run(case)
    for gating in ("none", "clock", "power"):
        core = replace(case.chip.core, gating=gating)
        assert first == run(case._replace(chip=replace(case.chip, core=core)))


@pytest.mark.parametrize("seed", range(15))
def test_the_order_of_processes_does_not_matter(seed: int) -> None:
    """S2: shuffles of random programs, every field, and the packet log."""
    case = random_case(Random(seed))
    first = run(case, log_packets=True)
    assert first == run(case, log_packets=True)
    for shuffle in range(3):
        assert first.differences(run(case, log_packets=True, shuffle=shuffle)) == []


@pytest.mark.parametrize("seed", range(12))
def test_floods_of_a_torus(seed: int) -> None:
    """S19: everybody multicasts to many, in pipelined tokens and buffers for two packets."""
    case = random_flood(Random(seed))
    activity = run(case)
    assert_counts(counts(case.chip, case.program, case.stream), activity)
    assert_bounds(case, activity)
    assert activity.link_blocked.sum() > 0


def test_floods_lock_up_without_the_bubble(monkeypatch: pytest.MonkeyPatch) -> None:
    """S19: the test above would see a ring that closes: some floods need the second place."""

    def enters_like_any_other(self: OutputPort, index: int) -> bool:
        return self.sink.used + self.kind.slot <= self.sink.capacity

    monkeypatch.setattr(OutputPort, "_fits", enters_like_any_other)
    locked = 0
    for seed in range(25):
        try:
            run(random_flood(Random(seed)))
        except DeadlockError:
            locked += 1
    assert locked >= 3


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_many_more_random_programs(seed: int) -> None:
    """S1-S20, as above, on 5,000 more programs; every fifth in another order of processes, too."""
    for number in range(250):
        case = random_case(Random(f"{seed}.{number}"))
        activity = run(case, log_packets=True)
        assert_counts(counts(case.chip, case.program, case.stream), activity)
        assert_bounds(case, activity)
        _events_arrive_where_they_are_sent(case, activity)
        _times_are_in_order(case, activity)
        _marginals_agree(activity)
        _nothing_is_over_full(case.chip, activity)
        if number % 5 == 0:
            assert activity.differences(run(case, log_packets=True, shuffle=number)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_many_more_floods(seed: int) -> None:
    """S19: 2,000 floods; none locks up."""
    for number in range(100):
        case = random_flood(Random(f"{seed}.{number}"))
        assert_counts(counts(case.chip, case.program, case.stream), run(case))
