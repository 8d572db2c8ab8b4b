"""Program + trace -> EventStream: counting, route by route, what a trace sends."""

from __future__ import annotations

import numpy as np

from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from workloads.traces import ActivationTrace


def event_stream(program: Program, trace: ActivationTrace) -> EventStream:
    """Count the events of every route and token.

    Sparse sites follow the trace's masks, dense sites send every channel, credits none.

    Raises:
        InputError: the trace is of another model shape, or a sparse site is missing.
    """
    check_shape(program, trace)
    tokens = len(trace.tokens)
    counts = np.zeros((len(program.routes), tokens), np.int64)
    for index, route in enumerate(program.routes):
        site = program.sites[route.site]
        if site.kind == "events":
            mask = trace.sites[site.name].mask
            counts[index] = np.count_nonzero(mask[:, route.low : route.high], axis=1)
        else:
            counts[index] = route.high - route.low
    return EventStream(counts)


def check_shape(program: Program, trace: ActivationTrace) -> None:
    """Raise InputError unless the trace was recorded on a model of the program's shape."""
    for key, value in program.shape:
        if trace.shape.get(key) != value:
            raise InputError(
                f"trace of {trace.model}: {key} is {trace.shape.get(key)}, but program "
                f"{program.name} has {value}; record the trace on this model"
            )
    for site in program.sites:
        if site.kind == "events" and site.name not in trace.sites:
            raise InputError(f"trace of {trace.model}: site {site.name} is missing")
