"""Program + trace -> EventStream: counting, route by route, what a trace sends."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from workloads.traces import ActivationTrace

Masks = Mapping[str, NDArray[np.bool_]]


def event_stream(program: Program, trace: ActivationTrace) -> EventStream:
    """Count the events of every route and token.

    Sparse sites follow the trace's masks, dense sites send every channel, credits none.

    Raises:
        InputError: the trace is of another model shape, or a sparse site is missing.
    """
    check_shape(program, trace)
    check_context(program, trace)
    masks = {s.name: trace.sites[s.name].mask for s in program.sites if s.kind == "events"}
    return mask_stream(program, masks, len(trace.tokens))


def mask_stream(program: Program, masks: Masks, tokens: int) -> EventStream:
    """Count the events of every route and token from masks.

    Args:
        program: any.
        masks: bool [tokens, width] for every site that skips zeros.
        tokens: how many.

    Raises:
        InputError: a mask is missing or of another size.
    """
    table = np.array([(r.site, r.low, r.high) for r in program.routes], np.int64).reshape(-1, 3)
    counts = np.repeat((table[:, 2] - table[:, 1])[:, None], tokens, axis=1)
    order = np.argsort(table[:, 0], kind="stable")
    bounds = np.searchsorted(table[order, 0], np.arange(len(program.sites) + 1))
    for number, site in enumerate(program.sites):
        if site.kind == "events":
            mask = masks.get(site.name)
            if mask is None or mask.shape != (tokens, site.width):
                have = "no mask" if mask is None else f"a mask of {mask.shape}"
                raise InputError(
                    f"events of {program.name}: site {site.name} has {have}; expected bool "
                    f"[{tokens}, {site.width}]"
                )
            before = np.zeros((site.width + 1, tokens), np.int64)
            np.cumsum(mask.T, axis=0, out=before[1:])
            mine = order[bounds[number] : bounds[number + 1]]
            counts[mine] = before[table[mine, 2]] - before[table[mine, 1]]
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


def check_context(program: Program, trace: ActivationTrace) -> None:
    """Raise InputError if the trace's tokens would not fit the cache that the program has.

    Attention is paid for as if the cache were full, so every token that fits costs the same.
    """
    room = dict(program.mapping).get("context")
    if room is None or trace.context is None:
        return
    end = trace.context + len(trace.tokens) // program.sequences
    if end > int(room):
        raise InputError(
            f"trace of {trace.model[:16]}: its tokens reach to {end} of their sequence, but the "
            f"cache has room for {room} (mapping.context); raise that, or lower workload.context "
            "or workload.tokens"
        )
