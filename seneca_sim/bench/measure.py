"""Runs works and times them; figures are of the fastest run, by the processor's time.

One thread does everything, so on a quiet machine that is the time on the clock, which stands beside
it; and neighbours do not spoil it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from seneca_sim.bench.hand import CONNECTED_EVENTS, INPUTS
from seneca_sim.bench.work import Work
from seneca_sim.engine import compiled, reference
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.bound import nearest_bound
from seneca_sim.engine.compiled.floors import bare_heap, bare_wheel
from seneca_sim.functional.kernels import apply_events

Row = dict[str, Any]
SPREAD = 2.0
"""Nanoseconds a packet-hop in a sweep, largest by smallest: at most this."""
SMALL = 20_000
"""Deliveries a token up to which the closed-form bound, which is plain Python, is worked out."""
FLOOR_EVENTS, FLOOR_AT_ONCE = 5_000_000, 1024


def measure(work: Work, repeats: int) -> Row:
    """Counters of a run, seconds of both engines, what follows from them, and targets."""
    effort = compiled.effort(work.chip, work.program, work.stream, work.mode)
    first, _, activity = timed(work, compiled.simulate)
    again = [timed(work, compiled.simulate)[:2] for _ in range(repeats)]
    seconds = min(pair[0] for pair in again)
    tokens, hops = work.stream.tokens, activity.packet_hops
    row: Row = {
        "name": work.name,
        "sweep": work.sweep,
        "cores": work.chip.cores,
        "tokens": tokens,
        "cycles": activity.cycles,
        "deliveries_per_token": activity.deliveries / tokens,
        "packets_per_token": effort["packets"] / tokens,
        "packet_hops": hops,
        "packet_hops_per_token": hops / tokens,
        "wakeups_per_token": activity.wakeups / tokens,
        "wakeups_per_packet_hop": round(activity.wakeups / hops, 3),
        "turns_per_packet_hop": round(effort["turns"] / hops, 3),
        "first_seconds": first,
        "seconds": seconds,
        "clock_seconds": min(pair[1] for pair in again),
        "seconds_per_token": seconds / tokens,
        "tokens_per_second": tokens / seconds,
        "nanoseconds_per_packet_hop": 1e9 * seconds / hops,
        "packet_hops_per_second": hops / seconds,
        "deliveries_per_second": activity.deliveries / seconds,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    if activity.deliveries <= SMALL * tokens:
        bound = nearest_bound(work.chip, work.program, work.stream, activity)
        row |= {"nearest_bound": bound.name, "times_the_bound": bound.times}
    if work.by_reference:
        row |= _beside_the_reference(work, seconds, activity)
    if work.peer_events:
        row |= _beside_the_peer(work, seconds)
    row["targets"] = [
        {"figure": t.figure, "limit": t.limit, "at_least": t.at_least, "met": t.met(row)}
        for t in work.targets
    ]
    return row


def timed(work: Work, simulate: Callable[..., Activity]) -> tuple[float, float, Activity]:
    """Seconds of the processor and of the clock, and what came out."""
    clock, start = time.perf_counter(), time.process_time()
    activity = simulate(work.chip, work.program, work.stream, mode=work.mode)
    return time.process_time() - start, time.perf_counter() - clock, activity


def _beside_the_reference(work: Work, seconds: float, activity: Activity) -> Row:
    spent, _, known = timed(work, reference.simulate)
    return {
        "reference_seconds": spent,
        "reference_packet_hops_per_second": known.packet_hops / spent,
        "times_the_reference": spent / seconds,
        "differences": activity.differences(known),
    }


def _beside_the_peer(work: Work, seconds: float) -> Row:
    """Events that cores have handled in a second, their values carried as well."""
    values = min(_values(work) for _ in range(3))
    handled = CONNECTED_EVENTS * work.chip.cores / (seconds + values)
    return {
        "values_seconds": values,
        "events_handled_per_second": handled,
        "peer_events_per_second": work.peer_events,
        "times_the_peer": handled / work.peer_events,
    }


def _values(work: Work) -> float:
    """Seconds for all products of the fully connected layer, core by core, event by event."""
    rows = INPUTS // work.chip.cores
    words = np.ones(rows * (INPUTS + 1), np.float32)
    channels, values = np.arange(CONNECTED_EVENTS), np.ones(CONNECTED_EVENTS, np.float32)
    start = time.process_time()
    for _ in range(work.chip.cores):
        apply_events(words, 0, rows, rows, rows, channels, values)
    return time.process_time() - start


def sweeps(rows: Iterable[Row]) -> list[Row]:
    """For each sweep the nanoseconds a packet-hop of its rows, and how far they lie apart."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["sweep"]:
            found.setdefault(row["sweep"], []).append(row)
    return [_spread(name, some) for name, some in found.items()]


def _spread(name: str, rows: list[Row]) -> Row:
    spent = [row["nanoseconds_per_packet_hop"] for row in rows]
    ratio = max(spent) / min(spent)
    return {
        "sweep": name,
        "nanoseconds_per_packet_hop": {
            row["name"]: row["nanoseconds_per_packet_hop"] for row in rows
        },
        "max_by_min": ratio,
        "limit": SPREAD,
        "met": ratio <= SPREAD,
    }


def floors() -> Row:
    """Nanoseconds an event of a bare wheel and a bare heap, 1,024 events under way."""
    return {
        name: 1e9 * min(_floor(queue) for _ in range(3)) / FLOOR_EVENTS
        for name, queue in (("wheel", bare_wheel), ("heap", bare_heap))
    }


def _floor(queue: Callable[[int, int], int]) -> float:
    queue(1, 1)
    start = time.process_time()
    queue(FLOOR_EVENTS, FLOOR_AT_ONCE)
    return time.process_time() - start
