"""Tables for a closer look: where the energy is, when each core worked, what bounds it.

All three are worked out after the run, from what was booked and from closed forms, so that they
are the same whatever the engine, and cost it nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import Ints, one_by_one
from seneca_sim.engine.counts import task_cost
from seneca_sim.errors import InternalError
from seneca_sim.program import NO_ROUTE, EventStream, Program
from seneca_sim.results.book import Entry
from seneca_sim.results.kinds import LEAKAGE
from seneca_sim.results.pieces import HOST_LAYER
from seneca_sim.results.run import RunResult
from seneca_sim.results.spans import layer_spans

if TYPE_CHECKING:
    import pandas as pd

    from seneca_sim.chip import Chip

BREAKDOWN_COLUMNS: Final = (
    "layer", "site", "part", "kind", "component", "op", "mark", "energy_fj",
)  # fmt: skip
PHASE_COLUMNS: Final = (
    "token", "layer", "start_cycles", "end_cycles", "core", "npe_busy_cycles",
)  # fmt: skip
BOUND_COLUMNS: Final = (
    "layer", "core", "sops", "active_cycles", "npe_cycles", "controller_cycles",
    "memory_cycles", "link_cycles",
)  # fmt: skip
_INSTRUCTION: Final = OP_INDEX["ctrl.instruction"]
_ACCESSES: Final = (OP_INDEX["npe.mld"], OP_INDEX["npe.mst"])


def breakdown_table(result: RunResult) -> pd.DataFrame:
    """All energy, leakage included, in whole fJ: one row for each place, kind, term and mark.

    `site` and `part` are those of the table `layers`; `mark` is that of the weakest number.
    """
    names = tuple(_item_names(result.program))

    def key(entry: Entry) -> tuple[Any, ...]:
        place: tuple[Any, ...] = (None, LEAKAGE, LEAKAGE)
        if entry.piece:
            layer = None if entry.piece.layer == HOST_LAYER else entry.piece.layer
            place = (layer, *names[entry.piece.item])
        return (*place, entry.kind, entry.term.component, entry.term.op, str(entry.mark))

    rows = [(*where, energy) for where, energy in result.book.total_by(key).items()]
    return _frame(rows, BREAKDOWN_COLUMNS).astype({"layer": "Int64"})


def _item_names(program: Program) -> Iterator[tuple[str, str]]:
    """(name, part) of each item."""
    for consumer in program.consumers:
        yield program.sites[consumer.site].name, "site"
    for stage in program.stages:
        yield stage.name, "stage"
    yield "host", "host"


def phases_table(result: RunResult) -> pd.DataFrame:
    """Busy NPE cycles of every core, for every token and layer, and when that layer was at work.

    A layer is at work on a token from the last stage of the layer before it to its own last stage.
    The busy cycles of a core add up to `npe_busy_cycles` of the table `cores`.
    """
    program, activity = result.program, result.activity
    work = npe_work(result.chip, program, result.stream)
    _check(work, activity.item_npe_cycles)
    layers = [program.sites[c.site].layer for c in program.consumers]
    layers += [stage.layer for stage in program.stages]
    cores = [c.core for c in program.consumers] + [s.core for s in program.stages]
    busy: dict[tuple[int, int], Ints] = defaultdict(lambda: np.zeros(work.shape[1], np.int64))
    for item, place in enumerate(zip(layers, cores, strict=True)):
        busy[place] += work[item]
    rows = []
    for layer, (start, end) in layer_spans(program, activity).items():
        here = sorted(core for place, core in busy if place == layer)
        for token in range(work.shape[1]):
            span = (token, layer, int(start[token]), int(end[token]))
            rows += [
                (*span, core, int(cycles)) for core in here if (cycles := busy[layer, core][token])
            ]
    rows.sort()
    return _frame(rows, PHASE_COLUMNS)


def npe_work(chip: Chip, program: Program, stream: EventStream) -> Ints:
    """NPE cycles of each consumer, then each stage, for each token: a closed form (S10)."""
    first, size = len(program.consumers), chip.core.group_size
    arriving = np.zeros((first, stream.tokens), np.int64)
    for number, route in enumerate(program.routes):
        if route.acknowledges == NO_ROUTE:
            for core in program.destinations(number):
                arriving[program.consumer_at[route.site, core]] += stream.counts[number]
    work = np.zeros((first + len(program.stages), stream.tokens), np.int64)
    for item, taker in enumerate(program.consumers):
        if taker.kernel:
            step = [(taker.kernel, taker.rows)]
            rests = np.unique(arriving[item] % size)
            cost = {int(g): task_cost(chip, step, int(g))[0] for g in rests if g}
            rest = np.array([cost.get(int(g), 0) for g in arriving[item] % size], np.int64)
            full = arriving[item] // size
            work[item] = rest + (full * task_cost(chip, step, size)[0] if full.any() else 0)
    for item, stage in enumerate(program.stages, first):
        work[item] = task_cost(chip, [(s.kernel, s.rows) for s in stage.steps], 0)[0]
    return work


def _check(work: Ints, booked: Ints) -> None:
    wrong = np.flatnonzero(work.sum(axis=1) != booked[: len(work)])
    if wrong.size:
        raise InternalError(f"item {wrong[0]}: NPE cycles by token do not add up to what it booked")


def bounds_table(result: RunResult) -> pd.DataFrame:
    """For every layer and core: its work, and the cycles that each unit needs at least for it.

    `active_cycles` is how long the layer was at work; where tokens overlap, the whole run.
    `memory_cycles`: accesses of the NPEs to their data memory, a line a cycle, or the time that the
    core's channel of off-core memory was busy, whichever is more. `link_cycles`: those of the
    busiest link into the layer.
    """
    busy: dict[tuple[int, int], Ints] = defaultdict(lambda: np.zeros(4, np.int64))
    program, chip, activity = result.program, result.chip, result.activity
    per_instruction = chip.core.controller.cycles_per_instruction
    for piece in result.book.pieces:
        if piece.core != program.host:
            accesses = sum(int(piece.counts[op]) for op in _ACCESSES)
            control = int(piece.counts[_INSTRUCTION]) * per_instruction
            busy[piece.layer, piece.core] += (0, piece.npe_cycles, control, accesses)
    for item, consumer in enumerate(program.consumers):
        if consumer.kernel:
            done = int(activity.item_events_in[item]) * consumer.neurons
            busy[program.sites[consumer.site].layer, consumer.core][0] += done
    stretches = {s.layer: s for s in result.bottleneck.stretches}
    alone = one_by_one(result.mode, program) and not program.passes
    whole = None if alone else result.bottleneck.stretches[0]
    rows = []
    for (layer, core), (sops, npe, control, accesses) in sorted(busy.items()):
        stretch = whole or stretches[layer]
        channels = activity.channel_busy
        fetching = int(channels[chip.channel(core)]) if channels.size else 0
        memory = max(int(accesses), fetching)
        row = (int(sops), stretch.active, int(npe), int(control), memory, stretch.link)
        rows.append((layer, core, *row))
    return _frame(rows, BOUND_COLUMNS)


def _frame(rows: list[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
