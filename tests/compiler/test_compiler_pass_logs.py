"""Logs of a program in passes: those of each pass by itself, at their cycles, and the loads."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from test_compiler_passes import TOKENS, alone, passes

from seneca_sim.chip.mesh import links
from seneca_sim.engine import compiled, reference
from seneca_sim.engine.activity import (
    BLOCKED_SLICE,
    CAPTURE_SLICE,
    LINK_SLICE,
    LOAD_SLICE,
    PACKET_FIELDS,
    SLICE_FIELDS,
    TASK_SLICE,
    Activity,
    Ints,
    LogWindow,
)
from seneca_sim.engine.passes import simulate_passes
from seneca_sim.errors import CapacityError
from seneca_sim.program import EventStream
from seneca_sim.program.passes import load_of, parts_of

AT = {name: index for index, name in enumerate(SLICE_FIELDS)}
P = {name: index for index, name in enumerate(PACKET_FIELDS)}
BATCH = 2
BOTH: dict[str, Any] = {"log_packets": True, "log_slices": True}


def run(simulate: Any, *, ahead: bool = False, **options: Any) -> Activity:
    how = BOTH | {"mode": "generation", "window_cycles": 777} | options
    return simulate_passes(simulate, *passes(BATCH, ahead=ahead), **how)


@cache
def logged(*, ahead: bool = False) -> tuple[Activity, Ints, Ints]:
    """A run with its packets and slices."""
    found = run(compiled.simulate, ahead=ahead)
    assert found.packets is not None
    assert found.slices is not None
    return found, found.packets, found.slices


def begins(*, ahead: bool = False) -> list[tuple[int, int]]:
    """Closed form, by turn and pass: the cycles in which its load and its run begin."""
    found, now, loaded = [], 0, 0
    since = 0
    for number, (load, took) in enumerate(
        step for turn in alone(BATCH, "generation", ahead=ahead) for step in turn
    ):
        if not ahead or not number:
            since = now
        loaded = since + load
        found.append((since, max(now, loaded)))
        since = max(now, loaded)
        now = since + took
    return found


@pytest.mark.parametrize("ahead", [False, True])
def test_rows_are_those_of_each_pass_by_itself(ahead: bool) -> None:
    """Each pass on an empty chip, by the other engine; numbers and cycles moved by hand."""
    chip, program, stream = passes(BATCH, ahead=ahead)
    _, packets, slices = logged(ahead=ahead)
    starts = iter(begins(ahead=ahead))
    expected: dict[str, list[Ints]] = {"packets": [], "slices": []}
    for low in range(0, TOKENS, BATCH):
        route = consumer = stage = 0
        for part in parts_of(program):
            counts = stream.counts[route : route + len(part.routes), low : low + BATCH]
            events = EventStream(np.ascontiguousarray(counts))
            one = reference.simulate(chip, part, events, mode="pipelined", **BOTH)
            _, start = next(starts)
            assert one.packets is not None
            assert one.slices is not None
            rows = one.packets
            rows[:, P["token"]] += low
            rows[:, P["route"]] += route
            for name in ("created", "injected", "arrived", "started", "done"):
                rows[:, P[name]] += start
            expected["packets"].append(rows)
            for row in one.slices:
                row[AT["token"]] += low
                row[[AT["since"], AT["start"], AT["end"]]] += start
                if row[0] in (LINK_SLICE, CAPTURE_SLICE):
                    row[AT["item"]] += route
                elif row[AT["item"]] < len(part.consumers):
                    row[AT["item"]] += consumer
                else:
                    row[AT["item"]] += len(program.consumers) + stage - len(part.consumers)
            expected["slices"].append(one.slices)
            route, consumer = route + len(part.routes), consumer + len(part.consumers)
            stage += len(part.stages)
    assert sorted(np.concatenate(expected["packets"]).tolist()) == packets.tolist()
    mine = slices[slices[:, 0] != LOAD_SLICE]
    assert sorted(np.concatenate(expected["slices"]).tolist()) == mine.tolist()


@pytest.mark.parametrize("ahead", [False, True])
def test_loads_are_slices_of_their_channel(ahead: bool) -> None:
    """Closed form: bits over 32 a cycle, from when the load begins; latency is not busy."""
    chip, program, _ = passes(BATCH, ahead=ahead)
    found, _, slices = logged(ahead=ahead)
    parts = parts_of(program)
    expected = []
    for number, (since, _) in enumerate(begins(ahead=ahead)):
        turn, which = divmod(number, len(parts))
        bits = load_of(parts[which], chip).bits
        end = since + -(-bits // 32)
        expected.append([LOAD_SLICE, 0, since, since, end, BATCH * turn, which, bits])
    mine = slices[slices[:, 0] == LOAD_SLICE]
    assert sorted(mine.tolist()) == sorted(expected)
    assert (mine[:, AT["end"]] - mine[:, AT["start"]]).sum() == found.channel_busy.sum()
    assert mine[:, AT["amount"]].sum() == found.channel_bits.sum()


@pytest.mark.parametrize("ahead", [False, True])
def test_slices_add_up_to_the_totals(ahead: bool) -> None:
    chip, _, _ = passes(BATCH, ahead=ahead)
    found, packets, slices = logged(ahead=ahead)
    assert len(packets) == found.deliveries
    for unit, totals in (
        (TASK_SLICE, found.npe_busy),
        (BLOCKED_SLICE, found.controller_blocked),
        (CAPTURE_SLICE, found.generator_busy),
        (LINK_SLICE, found.link_busy),
    ):
        rows = slices[slices[:, 0] == unit]
        sums = np.zeros(max(chip.cores, len(links(chip))), np.int64)
        np.add.at(sums, rows[:, AT["place"]], rows[:, AT["end"]] - rows[:, AT["start"]])
        assert sums[: len(totals)].tolist() == totals.tolist()
    tasks = slices[slices[:, 0] == TASK_SLICE]
    cycles = np.zeros_like(found.item_npe_cycles)
    np.add.at(cycles, tasks[:, AT["item"]], tasks[:, AT["end"]] - tasks[:, AT["start"]])
    assert cycles.tolist() == found.item_npe_cycles.tolist()


def test_both_engines_log_the_same_and_no_cycle_moves() -> None:
    found, _, _ = logged()
    assert found == run(reference.simulate)
    plain = run(compiled.simulate, log_packets=False, log_slices=False)
    assert plain.packets is None
    assert plain.slices is None
    assert plain.differences(found) == ["packets", "slices"]


def test_a_window_keeps_what_touches_it() -> None:
    found, packets, slices = logged()
    first, end = found.cycles // 3, 2 * found.cycles // 3
    part = run(compiled.simulate, log_window=LogWindow(first, end))
    for mine, rows, since, until in (
        (part.packets, packets, P["created"], P["done"]),
        (part.slices, slices, AT["since"], AT["end"]),
    ):
        assert mine is not None
        touching = (rows[:, since] < end) & (rows[:, until] >= first)
        assert 0 < touching.sum() < len(rows)
        assert mine.tolist() == rows[touching].tolist()


def test_most_rows_are_those_of_the_whole_run() -> None:
    _, packets, _ = logged()
    limit = LogWindow(limit=len(packets))
    assert run(compiled.simulate, log_slices=False, log_window=limit).packets is not None
    with pytest.raises(CapacityError, match=rf"more than {len(packets) - 1:,} rows; choose fewer"):
        run(compiled.simulate, log_slices=False, log_window=LogWindow(limit=len(packets) - 1))
