"""Counters of a timeline: how full queues are, and power."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import SLICE_FIELDS, TASK_SLICE, Ints
from seneca_sim.results.packets import Selection, packet_columns
from seneca_sim.results.run import RunResult
from seneca_sim.results.tokens import background_counts
from seneca_sim.timeline import tracks as on
from seneca_sim.timeline.events import View, logs_of
from seneca_sim.timeline.output_queue import leaving
from seneca_sim.timeline.tracks import Tracks, chosen_cores

MILLI = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Values of counters, each from its cycle on until the track's next one."""

    track: Ints
    cycle: Ints
    value: Ints | Floats


def depths_of(result: RunResult, view: View) -> list[Samples]:
    """Flits in queues, tasks in FIFOs, packets in output buffers, of the chosen cores.

    Output queues are told only where the log begins with the run. Packets and tasks of all tokens
    count, whatever tokens are shown. The input queue is told from the arrival of whole packets on,
    its peak in the report from the reservation of their room on.
    """
    log, slices = logs_of(result.activity)
    cores = view.selection.cores
    columns = packet_columns(result.chip, result.program, log, Selection(cores=cores))
    shown = chosen_cores(result.chip, cores)
    shown[result.chip.cores] = False
    here = shown[columns["destination"]]
    _, once = np.unique(columns["packet"], return_index=True)
    once = once[shown[columns["source"][once]]]
    tasks = dict(zip(SLICE_FIELDS, slices[slices[:, 0] == TASK_SLICE].T, strict=True))
    mine = shown[tasks["place"]]
    sending = columns["injected"] - columns["sending_cycles"]
    return [
        _depths(
            Tracks.of(columns["destination"][here], on.INPUT_QUEUE),
            columns["arrived"][here],
            columns["done"][here],
            columns["flits"][here],
        ),
        _depths(
            Tracks.of(tasks["place"][mine], on.TASK_FIFO),
            tasks["since"][mine],
            tasks["start"][mine],
            np.ones(int(mine.sum()), np.int64),
        ),
        _depths(
            Tracks.of(columns["source"][once], on.OUTPUT_BUFFER),
            columns["created"][once],
            sending[once],
            np.ones(len(once), np.int64),
        ),
        *(_output_queues(result, columns, shown) if view.cycles[0] == 0 else ()),
    ]


def _output_queues(
    result: RunResult, columns: Mapping[str, Ints], shown: NDArray[np.bool_]
) -> Iterable[Samples]:
    activity = result.activity
    here = shown[columns["source"]]
    mine = {name: values[here] for name, values in columns.items()}
    rows, until = leaving(result.chip, result.program, mine, logs_of(activity)[1], activity.cycles)
    since = mine["injected"][rows] - mine["sending_cycles"][rows]
    yield _depths(
        Tracks.of(mine["source"][rows], on.OUTPUT_QUEUE), since, until, mine["flits"][rows]
    )


def _depths(track: Ints, since: Ints, until: Ints, size: Ints) -> Samples:
    """What lies in each queue after each cycle in which that changes."""
    tracks = np.concatenate([track, track])
    cycles = np.concatenate([since, until])
    steps = np.concatenate([size, -size])
    order = np.lexsort((cycles, tracks))
    tracks, cycles, depth = tracks[order], cycles[order], np.cumsum(steps[order])
    # Each queue is empty at the end, so the sum over all of them is the present one's alone.
    last = np.ones(len(order), np.bool_)
    last[:-1] = (tracks[1:] != tracks[:-1]) | (cycles[1:] != cycles[:-1])
    tracks, cycles, depth = tracks[last], cycles[last], depth[last]
    changed = np.ones(len(tracks), np.bool_)
    changed[1:] = (tracks[1:] != tracks[:-1]) | (depth[1:] != depth[:-1])
    return Samples(tracks[changed], cycles[changed], depth[changed])


def power_of(result: RunResult) -> dict[str, Floats]:
    """Power in mW, window by window: total first, then class by class.

    Actions count in the window in which they start; what goes on all the time is spread evenly.
    The last window counts with the cycles that it has, so power times time is the run's energy.
    """
    activity = result.activity
    width, cycles = activity.window_cycles, max(1, activity.cycles)
    count = -(-cycles // width)
    spans = np.full(count, width, np.int64)
    spans[-1] = cycles - (count - 1) * width
    background = background_counts(result.chip, result.program, activity)
    energy: dict[str, Floats] = {}
    for term in result.book.terms:
        weights = spans.copy()
        if term.op not in background:
            weights = activity.window_ops[:count, OP_INDEX[term.op]].copy()
            weights[-1] += activity.window_ops[count:, OP_INDEX[term.op]].sum()  # the last cycle's
        share: Floats = weights.astype(np.float64) * (term.energy_fj / max(1, int(weights.sum())))
        energy[term.component] = energy.get(term.component, np.zeros(count)) + share
    to_mw = MILLI * result.chip.clock_hz / 1e15 / spans
    powers = {f"{name} power": fj * to_mw for name, fj in energy.items()}
    total: Floats = sum(powers.values(), np.zeros(count))
    return {"power": total} | powers


def power_samples(result: RunResult, view: View, powers: dict[str, Floats]) -> list[Samples]:
    """Power at the start of each window that is shown, and 0 at the end of the run."""
    whole = Tracks(result.chip).whole
    width, cycles = result.activity.window_cycles, result.activity.cycles
    found = []
    for index, values in enumerate(powers.values(), 1):
        cycle = np.append(np.arange(len(values)) * width, cycles)
        kept = (cycle + width > view.cycles[0]) & (cycle < view.cycles[1])
        track = np.full(int(kept.sum()), whole + index, np.int64)
        found.append(Samples(track, cycle[kept], np.append(values, 0.0)[kept]))
    return found
