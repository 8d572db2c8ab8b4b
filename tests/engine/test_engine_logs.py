"""The logs say what the totals say: each cycle of a unit is in a slice, each packet in a row."""

from functools import cache

import numpy as np
from builders import times_of
from test_compiled_same import Case, outcome, seeded

from seneca_sim.chip.mesh import links
from seneca_sim.engine.activity import (
    BLOCKED_SLICE,
    CAPTURE_SLICE,
    FETCH_SLICE,
    LINK_SLICE,
    SLICE_FIELDS,
    STARVED_SLICE,
    TASK_SLICE,
    Activity,
    Ints,
)
from seneca_sim.engine.compiled import simulate
from seneca_sim.results.traffic import route_packets

CASES = 80
AT = {name: index for index, name in enumerate(SLICE_FIELDS)}


@cache
def runs() -> list[tuple[Case, Activity]]:
    """Random runs that end, with both logs (both engines log the same, see the other file)."""
    found = []
    for number in range(CASES):
        case, _ = seeded(f"logs.{number}")
        activity = outcome(simulate, case, log_packets=True, log_slices=True)
        if isinstance(activity, Activity):
            found.append((case, activity))
    return found


def by_place(activity: Activity, unit: int, size: int, column: str = "") -> list[int]:
    """Cycles of a unit's slices, or the sums of a column, place by place."""
    assert activity.slices is not None
    rows = activity.slices[activity.slices[:, 0] == unit]
    values = rows[:, AT[column]] if column else rows[:, AT["end"]] - rows[:, AT["start"]]
    sums = np.zeros(size, np.int64)
    np.add.at(sums, rows[:, AT["place"]], values)
    return sums.tolist()


def test_slices_add_up_to_the_totals() -> None:
    for case, a in runs():
        cores, edges, channels = case.chip.cores, len(links(case.chip)), len(a.channel_busy)
        assert by_place(a, TASK_SLICE, cores) == a.npe_busy.tolist()
        assert by_place(a, STARVED_SLICE, cores) == a.npe_starved.tolist()
        assert by_place(a, BLOCKED_SLICE, cores) == a.controller_blocked.tolist()
        assert by_place(a, CAPTURE_SLICE, cores) == a.generator_busy.tolist()
        assert by_place(a, LINK_SLICE, edges) == a.link_busy.tolist()
        assert by_place(a, LINK_SLICE, edges, "amount") == a.link_flits.tolist()
        assert by_place(a, FETCH_SLICE, channels) == a.channel_busy.tolist()
        assert by_place(a, FETCH_SLICE, channels, "amount") == a.channel_bits.tolist()


def test_slices_of_a_unit_do_not_overlap_and_tasks_wait_their_turn() -> None:
    for _, a in runs():
        assert a.slices is not None
        for rows in grouped(a.slices, (AT["unit"], AT["place"])):
            start, end = rows[:, AT["start"]], rows[:, AT["end"]]
            assert (end > start).all()
            assert (start[1:] >= end[:-1]).all()
            assert (rows[:, AT["since"]] <= start).all()


def test_the_task_fifo_read_off_the_slices_has_the_peak_that_was_counted() -> None:
    for case, a in runs():
        assert a.slices is not None
        peaks = [0] * case.chip.cores
        for rows in grouped(a.slices[a.slices[:, 0] == TASK_SLICE], (AT["place"],)):
            steps = [(since, 0, 1) for since in rows[:, AT["since"]]]  # ARRIVE comes first
            steps += [(start, 1, -1) for start in rows[:, AT["start"]]]
            depth = np.cumsum([step for *_, step in sorted(steps)])
            peaks[int(rows[0, AT["place"]])] = int(depth.max())
            assert depth[-1] == 0
            assert depth.min() >= 0
        assert peaks == a.fifo_peak.tolist()


def test_items_tokens_and_links_of_slices() -> None:
    """NPE cycles by item, and packets by link."""
    for case, a in runs():
        assert a.slices is not None
        tasks = a.slices[a.slices[:, 0] == TASK_SLICE]
        cycles = np.zeros_like(a.item_npe_cycles)
        np.add.at(cycles, tasks[:, AT["item"]], tasks[:, AT["end"]] - tasks[:, AT["start"]])
        assert cycles.tolist() == a.item_npe_cycles.tolist()
        sent = a.slices[a.slices[:, 0] == LINK_SLICE]
        packets = np.bincount(sent[:, AT["place"]], minlength=len(links(case.chip)))
        assert packets.tolist() == a.link_packets.tolist()
        assert len(sent) == a.packet_hops


def test_packets_add_up_to_the_controllers_cycles() -> None:
    """Taking and sending is all that a controller does; stalls are those of the task FIFO."""
    for case, a in runs():
        log, chip = times_of(a), case.chip
        if a.deliveries < sum(deliveries_due(case)):
            assert chip.core.unsafe_blocking_send  # packets are stuck at the end (S21)
            continue
        here = log["destination"] < chip.cores
        stalled, taking = (np.zeros(chip.cores, np.int64) for _ in range(2))
        np.add.at(stalled, log["destination"][here], log["stalled"][here])
        np.add.at(taking, log["destination"][here], (log["done"] - log["started"])[here])
        assert stalled.tolist() == a.controller_blocked.tolist()
        spec = chip.core.controller
        sending = np.zeros(chip.cores, np.int64)
        seen = set()
        names = ("route", "token", "sequence", "destination", "events")
        rows = zip(*(log[name].tolist() for name in names), strict=True)
        for route, token, sequence, destination, events in rows:
            copy = destination if chip.noc.multicast == "unicast" else -1
            source = case.program.routes[route].source
            if source < chip.cores and (route, token, sequence, copy) not in seen:
                seen.add((route, token, sequence, copy))
                instructions = spec.packet_out_instructions + events * spec.event_out_instructions
                sending[source] += instructions * spec.cycles_per_instruction
        assert (taking - stalled + sending).tolist() == a.controller_busy.tolist()
        assert len(here) == a.deliveries


def deliveries_due(case: Case) -> list[int]:
    """Packets of each route, over all tokens, times its destinations."""
    program, sizes = case.program, route_packets(case.chip, case.stream).sum(axis=1)
    return [int(n) * len(program.destinations(i)) for i, n in enumerate(sizes)]


def grouped(rows: Ints, columns: tuple[int, ...]) -> list[Ints]:
    """Rows by the values of some columns, each group in the order of its starts."""
    keys = {tuple(row) for row in rows[:, list(columns)].tolist()}
    found = [rows[(rows[:, list(columns)] == key).all(axis=1)] for key in sorted(keys)]
    return [group[np.argsort(group[:, AT["start"]], kind="stable")] for group in found]


def test_random_seeds_are_not_all_alike() -> None:
    """The runs above go through stalls, starved NPEs, channels, unicast and multicast."""
    found = runs()
    assert any(a.controller_blocked.any() for _, a in found)
    assert any(a.npe_starved.any() for _, a in found)
    assert any(a.channel_busy.any() for _, a in found)
    assert {case.chip.noc.multicast for case, _ in found} == {"tree", "unicast"}
