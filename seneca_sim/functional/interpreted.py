"""Steps and groups of events run by the interpreter of micro-kernels, on the words of an image.

Slow, and the specification: the compiled functions of `bf16_steps` and `bf16_events` give the same
bits. Operands come as `bf16_steps` takes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.interpreter import CapturedRow, run_kernel
from seneca_sim.cost.kernel import Kernel, load_kernel

Words = NDArray[np.uint16]
Ints = NDArray[np.int64]


def interpreted_step(name: str, lanes: int) -> Callable[..., None]:
    """A function like that of `bf16_steps.STEPS`, for any kernel without a group of events."""
    kernel = load_kernel(name, lanes)

    def run(*operands: Words) -> None:
        places = dict(zip([name for name, _ in kernel.memory], operands, strict=False))
        rows = _rows(kernel, places)
        memory = {n: _laid_out(kernel, n, place, rows) for n, place in places.items()}
        done = run_kernel(kernel, memory, rows)
        for stored in kernel.stores:
            _laid_out(kernel, stored, places[stored], rows)[...] = done.memory[stored]
        if kernel.captures:
            captured(kernel, done.events, operands[-1])

    return run


def captured(kernel: Kernel, events: list[CapturedRow], out: Words) -> None:
    """Put the values of events into an output buffer, lanes past its end left out.

    What a row captures fills lanes; what is captured once a task is one event, of lane 0.
    """
    words = [event.words for event in events]
    once = any(section.kind != "row" and section.captures for section in kernel.sections)
    found = np.array([w[0] for w in words]) if once else np.concatenate([*words, out[:0]])
    out[:] = found[: out.size]


def _rows(kernel: Kernel, places: dict[str, Words]) -> int:
    long = next(places[name] for name, axes in kernel.memory if "row" in axes)
    return int(long.shape[-1]) // kernel.npes


def _laid_out(kernel: Kernel, name: str, place: Words, rows: int) -> Words:
    """A view of an operand with the axes that the kernel declares."""
    axes = dict(kernel.memory)[name]
    if "row" not in axes:
        return place if axes else place.reshape(())
    planes = place.reshape(*place.shape[:-1], rows, kernel.npes)
    return planes if len(axes) == 1 else planes.transpose(1, 0, 2)


def interpreted_events(
    words: Words, target: int, weights: int, stride: int, count: int,
    channels: Ints, values: Words, *, lanes: int, group: int = 16,
) -> None:  # fmt: skip
    """As `apply_events_bf16` over `count` accumulators, whole rows of lanes, group after group."""
    kernel, rows = load_kernel("event_bf16", lanes), count // lanes
    acc = words[target : target + count].reshape(rows, lanes)
    for first in range(0, channels.size, group):
        part = slice(first, first + group)
        starts = weights + channels[part] * stride
        columns = np.array([words[s : s + count] for s in starts], np.uint16)
        weights_of = columns.reshape(len(starts), rows, lanes)
        memory = {"acc": acc, "value": values[part], "weight": weights_of}
        acc[:] = run_kernel(kernel, memory, rows, len(starts)).memory["acc"]
