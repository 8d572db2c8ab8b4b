"""A program on two cores, small enough to count by hand, and a small RWKV-4."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from seneca_sim.chip.load import LoadedChip, load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.reference import simulate
from seneca_sim.program import HOST_STAGE, Consumer, EventStream, Program, Route, Site, Stage, Step
from seneca_sim.results import RunResult, price_run

TABLE = load_energy()
LOADED = load_chip("seneca-8x8", {"columns": "2", "rows": "1"})
SITES = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")


def tiny_program() -> Program:
    """The host sends 8 values to core 0, which sends events to core 1, which answers."""
    return Program(
        name="tiny",
        cores=2,
        sites=(
            Site("in", 0, 8, "dense"),
            Site("blocks.1.x", 1, 8, "events"),
            Site("out", 1, 8, "dense"),
        ),
        core_sets=((0,), (1,), (2,)),
        routes=(
            Route(0, 2, 0, 0, 8, HOST_STAGE),
            Route(1, 0, 1, 0, 8, 0),
            Route(2, 1, 2, 0, 8, 1),
        ),
        consumers=(
            Consumer(0, 0, "", 0, 0),
            Consumer(1, 1, "event_bf16", 1, 8),
            Consumer(2, 2, "", 0, 0),
        ),
        stages=(
            Stage(0, 0, "send", (0,), (Step("send_dense", 1),), (1,)),
            Stage(1, 1, "answer", (1,), (Step("send_acc", 1),), (2,)),
        ),
        regions=(),
    )


TINY_STREAM = EventStream(np.array([[8, 8], [3, 0], [8, 8]], np.int64))
"""Two tokens: 3 of 8 events, then none."""


@cache
def tiny_activity(window_cycles: int = 5000) -> Activity:
    return simulate(LOADED.chip, tiny_program(), TINY_STREAM, window_cycles=window_cycles)


def tiny(
    loaded: LoadedChip = LOADED, activity: Activity | None = None, label: str = "dense"
) -> RunResult:
    activity = activity or tiny_activity()
    return price_run(
        loaded, TABLE, tiny_program(), TINY_STREAM, activity, label=label, mode="generation"
    )


def broken(**fields: object) -> Activity:
    return replace(tiny_activity(), **fields)  # type: ignore[arg-type]


@cache
def rwkv(
    mode: str = "generation",
    density: float = 0.5,
    label: str = "natural",
    packets: bool = False,
    window: int = 0,
) -> RunResult:
    """One block of width 32 and a head on 16 cores, three tokens."""
    from workloads.compiler.choose import MapSettings
    from workloads.compiler.lower import lower
    from workloads.compiler.rwkv4 import rwkv4_graph
    from workloads.compiler.stream import event_stream
    from workloads.traces.synthesise import synthesise

    shape = {"layers": 1, "width": 32, "ffn": 128, "vocab": 40}
    loaded = load_chip("seneca-4x4", {"core.window": str(window)} if window else {})
    settings = MapSettings(strategy="output-split")  # on all cores, whatever the choice would be
    program = lower(rwkv4_graph("small", shape), loaded.chip, settings=settings)
    densities = dict.fromkeys(SITES, density)
    trace = synthesise({"family": "rwkv4", **shape}, densities, tokens=3, seed=1)  # type: ignore[typeddict-item]
    stream = event_stream(program, trace)
    activity = simulate(loaded.chip, program, stream, mode=mode, log_packets=packets)  # type: ignore[arg-type]
    return price_run(loaded, TABLE, program, stream, activity, label=label, mode=mode)  # type: ignore[arg-type]
