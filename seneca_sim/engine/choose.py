"""Which engine runs: both give the same integers, so the choice is a matter of time only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from seneca_sim.engine.activity import Activity
from seneca_sim.engine.passes import simulate_passes
from seneca_sim.program import EventStream, Program

Engine = Literal["auto", "reference", "compiled"]
ENGINES: tuple[Engine, ...] = ("auto", "reference", "compiled")
SMALL = 20_000
"""Packets of a stream (roughly) up to which SimPy is done before Numba is loaded (0.5 s)."""


def chosen(engine: Engine, program: Program, stream: EventStream) -> Engine:
    """Resolve ``auto``: the reference for small streams, the compiled engine above."""
    if engine != "auto":
        return engine
    return "reference" if packets(program, stream) <= SMALL else "compiled"


def packets(program: Program, stream: EventStream) -> int:
    """Packets of a stream, roughly: one for each 16 events and destination, one for each vector."""
    reach = [len(program.destinations(index)) for index in range(len(program.routes))]
    return sum(
        targets * (stream.tokens + int(events) // 16)
        for targets, events in zip(reach, stream.counts.sum(axis=1), strict=True)
    )


def simulator(engine: Engine) -> Callable[..., Activity]:
    """The `simulate` of an engine, programs in passes included.

    Loads SimPy or Numba only when asked for.
    """
    if engine == "compiled":
        from seneca_sim.engine.compiled import simulate as compiled

        return partial(simulate_passes, compiled)
    from seneca_sim.engine.reference import simulate as reference

    return partial(simulate_passes, reference)
