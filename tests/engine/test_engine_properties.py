"""What holds on every run: random chips, programs, events and both modes."""

from dataclasses import fields, replace
from random import Random

import numpy as np
import pytest
from builders import times_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import Case, random_case

from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.bound import Counts, counts, lower_bounds, token_paths
from seneca_sim.engine.reference import simulate

cases = st.randoms(use_true_random=False).map(random_case)
often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def run(case: Case, **options: object) -> Activity:
    return simulate(case.chip, case.program, case.stream, mode=case.mode, **options)  # type: ignore[arg-type]


def assert_counts(known: Counts, activity: Activity) -> None:
    for field in fields(Counts):
        mine, found = getattr(known, field.name), getattr(activity, field.name)
        np.testing.assert_array_equal(found, mine, err_msg=field.name)


@often
@given(cases)
def test_counts_are_the_closed_form(case: Case) -> None:
    """S4, S7, S10, S16: nothing is lost, made or counted twice, whatever waits for what."""
    assert_counts(counts(case.chip, case.program, case.stream), run(case))


@often
@given(cases)
def test_no_run_beats_its_bounds(case: Case) -> None:
    """S3, S5, S8-S13: cycles of every unit, and of every token, against bound.py."""
    activity = run(case)
    for name, cycles in lower_bounds(*case).items():
        assert activity.cycles >= cycles, name
    paths = token_paths(case.chip, case.program, case.stream)
    assert np.all(activity.token_done - activity.token_start >= paths)


@often
@given(cases)
def test_events_arrive_where_they_are_sent(case: Case) -> None:
    """S4, S7, S9: events sent x destinations = events taken; one end flag for each vector."""
    activity = run(case, log_packets=True)
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


@often
@given(cases)
def test_marginals_and_capacities(case: Case) -> None:
    """S5, S8, S16: the three marginals agree; units are not busier than time, queues not fuller."""
    activity = run(case, window_cycles=97)
    totals = activity.item_ops.sum(axis=0)
    assert totals.tolist() == activity.token_ops.sum(axis=0).tolist()
    assert totals.tolist() == activity.window_ops.sum(axis=0).tolist()
    assert totals[OP_INDEX["noc.flit_hop"]] == activity.link_flits.sum()
    for busy in (
        activity.controller_busy + activity.controller_blocked,
        activity.npe_busy,
        activity.generator_busy,
        activity.output_blocked,
        activity.link_busy + activity.link_blocked,
    ):
        assert busy.max() <= activity.cycles
    assert activity.input_peak.max() <= case.chip.core.input_queue_flits
    assert activity.output_peak.max() <= case.chip.core.output_queue_flits
    assert activity.fifo_peak.max() <= case.chip.core.task_fifo


@often
@given(cases)
def test_times_are_in_order(case: Case) -> None:
    """S1, S3, S5: created, injected, arrived, started, done; and never faster than an empty net."""
    activity = run(case, log_packets=True)
    at = times_of(activity)
    serial = -(-at["flits"] * case.chip.noc.flit_bits // case.chip.noc.link_bits)
    free = at["hops"] * case.chip.noc.hop_cycles + serial - 1
    to_host = at["destination"] == case.program.host
    assert np.all(at["created"] <= at["injected"])
    assert np.all(at["arrived"] - at["injected"] >= free)
    assert np.all(at["started"] >= at["arrived"])
    assert np.all((at["done"] > at["started"]) | to_host)
    assert np.all(at["done"] <= activity.cycles)
    assert np.all(activity.stage_done >= 0)


@often
@given(cases)
def test_slower_hops_change_no_count(case: Case) -> None:
    """S4, S10: time moves, work does not."""
    noc = replace(case.chip.noc, hop_cycles=2 * case.chip.noc.hop_cycles)
    slower = case._replace(chip=replace(case.chip, noc=noc))
    assert_counts(counts(case.chip, case.program, case.stream), run(slower))


@pytest.mark.parametrize("seed", range(12))
def test_the_order_of_processes_does_not_matter(seed: int) -> None:
    """S2: ten shuffles of random programs, every field, and the packet log."""
    case = random_case(Random(seed))
    first = run(case, log_packets=True)
    assert first == run(case, log_packets=True)
    for shuffle in range(10):
        assert first.differences(run(case, log_packets=True, shuffle=shuffle)) == []
