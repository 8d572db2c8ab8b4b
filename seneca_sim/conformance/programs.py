"""The chips and programs that scenarios share; every number that counts is written out here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.conformance.build import FIRE, Builder, make_chip
from seneca_sim.program import HOST_STAGE, Program


def chip(columns: int = 1, rows: int = 1, **values: Any) -> Chip:
    """A chip whose numbers do not follow the package's defaults.

    A hop takes 2 cycles, a flit 1. The controller takes 20 cycles for a packet in or out, 10 for an
    event in, none for one out, 6 for a task. A task is set up in 4. Groups have 16 events, a packet
    16 events and 17 flits, the task FIFO 4 places, the queues 64 flits, a router buffer 18.
    """
    fixed = {
        "npes": 8, "line_bits": 128, "group_size": 16, "task_fifo": 4, "task_setup_cycles": 4,
        "events_per_cycle": 1, "input_queue_flits": 64, "output_queue_flits": 64, "window": 2,
        "packet_in_instructions": 20, "event_in_instructions": 10, "task_instructions": 6,
        "packet_out_instructions": 20, "event_out_instructions": 0, "event_in_memory_accesses": 1,
        "cycles_per_instruction": 1, "link_bits": 32, "flit_bits": 32, "hop_cycles": 2,
        "buffer_flits": 18, "header_flits": 1, "event_flits": 1, "packet_events": 16,
        "queue_flits": 64, "clock_hz": 500_000_000,
    }  # fmt: skip
    return make_chip(columns, rows, **{**fixed, **values})


def single(chip: Chip, neurons: int = 8, *, shared: bool = False) -> Program:
    """Route 0: host -> weights of core 0; 1: answer -> host; 2: credit of route 0 -> host.

    Items: 0 the weights, 1 the host's consumer, 2 the stage, 3 the host. `neurons` / 8 rows: a
    group of g takes 4 + g x rows cycles, the stage 4 + 2.
    """
    b = Builder(chip)
    x, y = b.site("x", 32), b.site("y", 32)
    stage = b.stage(0, [b.weighted(0, x, neurons, shared=shared)])
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    b.route(y, stage, [b.host])
    b.credits(entry, [stage])
    return b.build()


def parts(chip: Chip, *cuts: int) -> Program:
    """Routes 0, 1, …: a vector of the host for core 0's weights in parts; then the answer."""
    b = Builder(chip)
    x, y = b.site("x", cuts[-1]), b.site("y")
    stage = b.stage(0, [b.weighted(0, x)])
    b.stored(b.host, y)
    for low, high in zip((0, *cuts), cuts, strict=False):
        b.route(x, HOST_STAGE, [0], low, high)
    b.route(y, stage, [b.host])
    return b.build()


def stored(chip: Chip, core: int = 0, *steps: int) -> Program:
    """Route 0: host -> a vector stored on `core`; 1: its answer. Steps: rows of firing kernels."""
    b = Builder(chip)
    x, y = b.site("x", 64), b.site("y", 64)
    stage = b.stage(core, [b.stored(core, x)], *((FIRE, rows) for rows in steps))
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [core])
    b.route(y, stage, [b.host])
    return b.build()


def senders(
    chip: Chip, sources: Sequence[int], target: int, rows: Sequence[int] | None = None
) -> Program:
    """Route 0: host -> all `sources`, stored there; 1, 2, …: theirs -> `target`; then the answer.

    Each source's stage has `rows` rows, 1 if not said otherwise: 4 + 2 cycles.
    """
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid", 64 * len(sources)), b.site("y")
    stages = [
        b.stage(core, [b.stored(core, x)], (FIRE, n))
        for core, n in zip(sources, rows or [1] * len(sources), strict=True)
    ]
    last = b.stage(target, [b.weighted(target, mid)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, sources)
    for i, stage in enumerate(stages):
        b.route(mid, stage, [target], 64 * i, 64 * i + 64)
    b.route(y, last, [b.host])
    return b.build()


def spread(chip: Chip, source: int, targets: Sequence[int]) -> Program:
    """Route 0: host -> `source`, stored; 1: its vector -> `targets`, stored; 2: the answer.

    The first of the targets answers.
    """
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid", 64), b.site("y")
    first = b.stage(source, [b.stored(source, x)])
    last = [b.stage(core, [b.stored(core, mid)]) for core in targets]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [source])
    b.route(mid, first, targets)
    b.route(y, last[0], [b.host])
    return b.build()


def windowed_chain(chip: Chip) -> Program:
    """Routes 0: host -> core 0, 1: -> core 1, 2: -> host; 3 and 4: credits of 0 and of 1.

    Items: 0 to 2 the consumers, 3 and 4 the stages, 5 the host. Core 1 has weights.
    """
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)])
    second = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    way = b.route(mid, first, [1], window=True)
    b.route(y, second, [b.host])
    b.credits(entry, [first])
    b.credits(way, [second])
    return b.build()
