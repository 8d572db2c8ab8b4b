"""What every engine checks before it runs."""

from __future__ import annotations

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import EventStream, Program


def check_inputs(
    chip: Chip, program: Program, stream: EventStream, mode: str, window_cycles: int
) -> None:
    """Raise InputError where chip, program and stream do not fit each other."""
    if program.passes:
        raise InputError(
            f"program {program.name}: runs in {len(program.passes)} passes, and an engine runs one "
            "at a time; use seneca_sim.engine.passes.simulate_passes"
        )
    if program.cores != chip.cores:
        raise InputError(
            f"program {program.name}: placed on {program.cores} cores, but chip {chip.name} has "
            f"{chip.cores}; compile it for this chip"
        )
    if stream.counts.shape[0] != len(program.routes):
        raise InputError(
            f"event stream: {stream.counts.shape[0]} routes, but program {program.name} has "
            f"{len(program.routes)}; make the stream from this program"
        )
    most = stream.counts.max(axis=1, initial=0)
    over = np.flatnonzero(most > [route.high - route.low for route in program.routes])
    if over.size:
        route = program.routes[over[0]]
        raise InputError(
            f"event stream: {most[over[0]]} events on route {over[0]} of "
            f"{program.sites[route.site].name}, which has {route.high - route.low} channels; "
            f"make the stream from this program"
        )
    if not stream.tokens:
        raise InputError("event stream: no token to run")
    if mode not in ("generation", "pipelined"):
        raise InputError(f"unknown token mode {mode!r}: expected generation or pipelined")
    if window_cycles < 1:
        raise InputError(f"power window of {window_cycles} cycles: expected at least 1")


def too_many_rows(limit: int) -> CapacityError:
    """What an engine raises where a log would have more rows than it may."""
    return CapacityError(
        f"a log has more than {limit:,} rows; choose fewer cycles, or a higher limit"
    )
