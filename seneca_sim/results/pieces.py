"""Counts cut into pieces that each have one item, one kind of work and one micro-kernel.

An engine books by item. A consumer's counts are its NPEs' (applying weights) and its controller's
(taking events); a stage's are those of each micro-kernel it runs, once a token, and those of
sending. The pieces of an item add up to what was booked, which is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.config import Mark
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import NPE_OPS, OP_INDEX
from seneca_sim.engine.activity import Activity
from seneca_sim.errors import InternalError
from seneca_sim.program import Program
from seneca_sim.results.kinds import (
    HOST,
    RELOADING,
    kernel_kind,
    sending_kind,
    site_kinds,
    weighted_kind,
)

Ints = NDArray[np.int64]
HOST_LAYER = -1
"""`Piece.layer` of what the host sends."""
_COMPUTING = tuple(range(len(NPE_OPS)))
# Weights that are fetched, and written to the core's own memory, belong to applying them.
_FETCHING = ("mem.hbm_bit", "mem.stt_mram_bit", "mem.lpddr_bit", "dm.write_word")
_WEIGHTS = (*_COMPUTING, *(OP_INDEX[op] for op in _FETCHING))


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Counts over `cost.ops.OPS` with all that is known of what they were for.

    `core` is the program's host id for the host. `mark` is the micro-kernel's; without one, the
    strongest. `npe_cycles` are cycles of the core's NPEs.
    """

    item: int
    core: int
    layer: int
    kind: str
    mark: Mark
    counts: Ints
    npe_cycles: int = 0


def pieces_of(chip: Chip, program: Program, activity: Activity) -> tuple[Piece, ...]:
    """Cut a run's counts into pieces.

    Raises:
        InternalError: the pieces of an item do not add up to its counts.
    """
    loads = _loads(chip, activity)
    used = activity if loads is None else replace(activity, item_ops=activity.item_ops - loads)
    pieces = (
        *_consumers(chip, program, used),
        *_stages(chip, program, used),
        *_host(program, used),
        *(() if loads is None else _loading(program, loads)),
    )
    _check(pieces, program, activity)
    return pieces


def _loads(chip: Chip, activity: Activity) -> Ints | None:
    """Counts of loading the weights of passes, by item; None for a program without passes."""
    bits = activity.item_load_bits
    if bits is None:
        return None
    loads = np.zeros_like(activity.item_ops)
    loads[:, OP_INDEX[f"mem.{chip.memory.kind.replace('-', '_')}_bit"]] = bits
    loads[:, OP_INDEX["dm.write_word"]] = bits // 16
    return loads


def _loading(program: Program, loads: Ints) -> Iterator[Piece]:
    places = [(c.core, program.sites[c.site].layer) for c in program.consumers]
    places += [(s.core, s.layer) for s in program.stages]
    for item in np.flatnonzero(loads.any(axis=1)).tolist():
        yield Piece(item, *places[item], RELOADING, Mark.PUBLISHED, loads[item])


def _consumers(chip: Chip, program: Program, activity: Activity) -> Iterator[Piece]:
    of_site = site_kinds(program)
    for item, consumer in enumerate(program.consumers):
        layer = program.sites[consumer.site].layer
        computing, taking = _split(activity.item_ops[item], _WEIGHTS)
        if consumer.kernel:
            mark = Mark(load_kernel(consumer.kernel, chip.core.npes).mark)
            cycles = int(activity.item_npe_cycles[item])
            kind = weighted_kind(program, item)
            yield Piece(item, consumer.core, layer, kind, mark, computing, cycles)
        yield Piece(item, consumer.core, layer, of_site[consumer.site], Mark.PUBLISHED, taking)


def _stages(chip: Chip, program: Program, activity: Activity) -> Iterator[Piece]:
    of_site = site_kinds(program)
    tokens = activity.token_ops.shape[0]
    setup = chip.core.task_setup_cycles
    for index, stage in enumerate(program.stages):
        item = len(program.consumers) + index
        kind = sending_kind(program, index, of_site)
        for step in stage.steps:
            kernel = load_kernel(step.kernel, chip.core.npes)
            cost = kernel.cost(step.rows)
            counts = np.array(cost.counts, np.int64) * tokens
            cycles = (cost.cycles + setup) * tokens
            doing = kernel_kind(step.kernel, kind)
            yield Piece(item, stage.core, stage.layer, doing, Mark(kernel.mark), counts, cycles)
        sending = _split(activity.item_ops[item])[1]
        yield Piece(item, stage.core, stage.layer, kind, Mark.PUBLISHED, sending)


def _host(program: Program, activity: Activity) -> Iterator[Piece]:
    item = len(program.consumers) + len(program.stages)
    yield Piece(item, program.host, HOST_LAYER, HOST, Mark.PUBLISHED, activity.item_ops[item])


def _split(counts: Ints, computing: tuple[int, ...] = _COMPUTING) -> tuple[Ints, Ints]:
    """Counts of computing (NPE instructions), and all others."""
    mine, rest = np.zeros_like(counts), counts.copy()
    mine[list(computing)] = counts[list(computing)]
    rest[list(computing)] = 0
    return mine, rest


def _check(pieces: tuple[Piece, ...], program: Program, activity: Activity) -> None:
    total = np.zeros_like(activity.item_ops)
    for piece in pieces:
        total[piece.item] += piece.counts
    wrong = np.flatnonzero((total != activity.item_ops).any(axis=1))
    if wrong.size:
        raise InternalError(
            f"program {program.name}: the kernels of item {wrong[0]} do not add up to its counts"
        )
