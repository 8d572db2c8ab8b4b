"""Public workloads and an idle chip, built by hand."""

from __future__ import annotations

import numpy as np

from seneca_sim.bench.work import Target, Work
from seneca_sim.chip import Chip
from seneca_sim.conformance.build import Builder, make_chip, stream_of
from seneca_sim.program import HOST_STAGE, EventStream, Program

INPUTS = 1024
CONNECTED_EVENTS = 1000
PEER_EVENTS = {16: 26_600, 64: 30_800}
"""Events a second of SENSIM for 1000 events into 1024 neurons, by cores: measured, Python 3.11."""
FASTER = 100


def d1024(
    cores: int,
    multicast: str,
    tokens: int = 100,
    *,
    sweep: str = "",
    targets: tuple[Target, ...] = (),
) -> Work:
    """The public workload D1024: 1024 inputs dense to 1024 outputs, a tenth of them firing.

    Input i fires at step t if (97 i + 61 t) mod 1000 < 100; each firing is a packet of its own to
    every core. The host starts each step when all cores have ended the last one.
    """
    chip = _chip(cores, multicast)
    program, site = _connected(chip)
    inputs, step = np.arange(INPUTS)[:, None], np.arange(tokens)
    stream = _firings(program, site, (97 * inputs + 61 * step) % 1000 < 100)
    return Work(
        f"D1024, {cores} cores, {multicast}", chip, program, stream, sweep=sweep, targets=targets
    )


def fully_connected(cores: int) -> Work:
    """1000 events into 1024 neurons, each event a packet of its own, all in one step."""
    chip = _chip(cores, "tree")
    program, site = _connected(chip)
    stream = _firings(program, site, np.arange(INPUTS)[:, None] < CONNECTED_EVENTS)
    target = Target("times_the_peer", FASTER)
    return Work(
        f"fully connected, {cores} cores", chip, program, stream, targets=(target,),
        peer_events=PEER_EVENTS[cores],
    )  # fmt: skip


def _chip(cores: int, multicast: str) -> Chip:
    side = 2 ** ((cores.bit_length() - 1) // 2)
    memory = max(2**21, 2**24 // cores * 2)  # weights of few cores need more than a core has
    return make_chip(
        cores // side, side, packet_events=1, multicast=multicast, data_memory_bits=memory
    )


def _connected(chip: Chip) -> tuple[Program, int]:
    """1024 inputs, shared out over all cores, dense to 1024 outputs; and the inputs' site."""
    b, everyone, share = (
        Builder(chip, "event_bf16", "send_acc"),
        list(range(chip.cores)),
        INPUTS // chip.cores,
    )
    go, x, answer = b.site("go", 1), b.site("x", INPUTS), b.site("answer", 1)
    way_in = b.route(go, HOST_STAGE, everyone, window=True)
    fire = [b.stage(core, [b.stored(core, go)], ("send_dense", 1)) for core in everyone]
    for core in everyone:
        b.route(x, fire[core], everyone, share * core, share * (core + 1))
    rows = -(-share // chip.core.npes)
    last = [b.stage(core, [b.weighted(core, x, share)], ("send_acc", rows)) for core in everyone]
    b.stored(b.host, answer)
    b.route(answer, last[0], [b.host])
    b.credits(way_in, last)
    return b.build(), x


def _firings(program: Program, site: int, fired: np.ndarray) -> EventStream:
    """How many inputs of each route fire in each step; one event on the ways in and out."""
    counts = np.zeros((len(program.routes), fired.shape[1]), np.int64)
    for number, route in enumerate(program.routes):
        if route.site == site:
            counts[number] = fired[route.low : route.high].sum(axis=0)
        else:
            counts[number] = route.high - route.low
    return EventStream(counts)


def idle(events: int = 100, apart: int = 100_000) -> Work:
    """Events that come one by one, with nothing to do between them."""
    chip = make_chip(2, 1, task_setup_cycles=apart)
    b = Builder(chip)
    entry, answer = b.site("entry", 1), b.site("answer", 1)
    b.stored(b.host, answer)
    way_in = b.route(entry, HOST_STAGE, [1], window=True)
    stage = b.stage(1, [b.stored(1, entry)])
    b.route(answer, stage, [b.host])
    b.credits(way_in, [stage])
    stream = stream_of(*([1] * events, [1] * events, [0] * events))
    return Work(
        f"{events} events, {apart:,} cycles apart", chip, b.build(), stream,
        targets=(Target("seconds", 0.05, at_least=False),),
    )  # fmt: skip
