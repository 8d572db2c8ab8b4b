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
BLOCK = 8
"""Keys, channels or tokens that a row of a kernel over a head's matrix takes at once."""


def interpreted_step(name: str, lanes: int) -> Callable[..., None]:
    """A function like that of `bf16_steps.STEPS`, for any kernel without a group of events.

    A kernel that takes eight columns of an operand runs once for each eight of them.
    """
    kernel = load_kernel(name, lanes)

    def once(*operands: Words) -> None:
        places = dict(zip([name for name, _ in kernel.memory], operands, strict=False))
        rows = _rows(kernel, places)
        memory = {n: _laid_out(kernel, n, place, rows) for n, place in places.items()}
        done = run_kernel(kernel, memory, rows)
        for stored in kernel.stores:
            _laid_out(kernel, stored, places[stored], rows)[...] = done.memory[stored]
        if kernel.captures:
            captured(kernel, done.events, operands[-1])

    def run(*operands: Words) -> None:
        for first in range(0, len(operands[_long(kernel)]), BLOCK):
            parts = (
                place[first : first + BLOCK] if str(BLOCK) in axes else place
                for (_, axes), place in zip(kernel.memory, operands, strict=True)
            )
            once(*parts)

    return run if _long(kernel) >= 0 else once


def _long(kernel: Kernel) -> int:
    """Number of the operand whose columns are taken eight by eight, or -1."""
    axes = [axes for _, axes in kernel.memory]
    return axes.index(("row", str(BLOCK))) if ("row", str(BLOCK)) in axes else -1


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
    words: Words, target: int, weights: int, stride: int, rows: int,
    channels: Ints, values: Words, *, lanes: int, kernel: str = "event_bf16", group: int = 16,
) -> None:  # fmt: skip
    """An event kernel over `rows` rows of words, group after group; as `bf16_events`."""
    program, words_in_row = load_kernel(kernel, lanes), rows * lanes
    sums = words[target : target + words_in_row * program.width]
    shape = (rows, lanes) if program.width == 1 else (rows, program.width, lanes)
    valued = "value" in dict(program.memory)
    for first in range(0, channels.size, group):
        part = slice(first, first + group)
        starts = weights + channels[part] * stride
        columns = np.array([words[s : s + words_in_row] for s in starts], np.uint16)
        memory = {"acc": sums.reshape(shape), "weight": columns.reshape(len(starts), rows, lanes)}
        if valued:
            memory["value"] = values[part]
        sums[:] = run_kernel(program, memory, rows, len(starts)).memory["acc"].reshape(-1)
