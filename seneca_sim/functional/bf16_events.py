"""Event-driven matrix-vector products at BF16: every product and every sum is rounded.

Events are added one after another in the order given (ascending channels), so results are those of
the grouped micro-kernels, whatever the size of the groups. Accumulators wait in a float32 array
while a slice's events run, and the loop over neurons becomes vector instructions.

A weight column of packed integers is laid out as the micro-kernels read it: a word serves one
lane, and its parts stand for rows of lanes, `width` of them.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.bf16 import number, rounded_or_nan, word_of_sum
from seneca_sim.functional.compiler import helper, kernel

Words = NDArray[np.uint16]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@helper
def _read(words: Words, start: int, count: int) -> Floats:
    numbers = np.empty(count, np.float32)
    for i in range(count):
        numbers[i] = number(words[start + i])
    return numbers


@helper
def _write(words: Words, start: int, numbers: Floats) -> None:
    for i in range(numbers.size):
        words[start + i] = word_of_sum(numbers[i])


@kernel
def apply_events_bf16(
    words: Words, target: int, weights: int, stride: int, rows: int, channels: Ints, values: Words
) -> None:
    """BF16 weights: acc += x * column, per event, as event_bf16.

    Args:
        words: the core's memory; nothing is checked against its length here.
        target: index of the first accumulator.
        weights: index of the slice's first column.
        stride: words from one column to the next.
        rows: accumulators, and words used of a column.
        channels: the events' columns, in the order in which they are to be added.
        values: the events' values.
    """
    if not channels.size:
        return  # what was there stays as it is, whichever NaN
    acc = _read(words, target, rows)
    for i in range(channels.size):
        start, x = weights + channels[i] * stride, number(values[i])
        column = words[start : start + rows]
        for r in range(rows):
            acc[r] = rounded_or_nan(acc[r] + rounded_or_nan(number(column[r]) * x))
    _write(words, target, acc)


@helper
def _parts(words: Words, target: int, rows: int, lanes: int, width: int, part: int) -> Floats:
    """Accumulators of every `width`-th row of lanes, from row `part` on."""
    acc = np.empty(rows * lanes, np.float32)
    for r in range(rows * lanes):
        acc[r] = number(words[target + (r // lanes * width + part) * lanes + r % lanes])
    return acc


@helper
def _put_parts(words: Words, target: int, lanes: int, width: int, part: int, acc: Floats) -> None:
    for r in range(acc.size):
        words[target + (r // lanes * width + part) * lanes + r % lanes] = word_of_sum(acc[r])


def _part(bits: int, part: int) -> Callable[..., None]:
    """The loop over one part of the words; shifts are constants, or LLVM widens them to 64 bits."""
    left, right, width = 32 - bits * (part + 1), 32 - bits, 16 // bits

    def apply(
        words: Words, target: int, weights: int, stride: int, rows: int, lanes: int,
        channels: Ints, values: Words, factor: np.float32,
    ) -> None:  # fmt: skip
        acc = _parts(words, target, rows, lanes, width, part)
        for i in range(channels.size):
            start, x = weights + channels[i] * stride, number(values[i])
            column = words[start : start + rows * lanes]
            for r in range(rows * lanes):
                weight = np.int32(np.uint32(np.uint32(column[r]) << left)) >> right
                product = rounded_or_nan(np.float32(weight) * factor * x)
                acc[r] = rounded_or_nan(acc[r] + product)
        _put_parts(words, target, lanes, width, part, acc)

    apply.__qualname__ = f"apply_part_{part}_of_{width}"  # a symbol of its own
    return helper(apply)


_LOW_BYTE, _HIGH_BYTE = _part(8, 0), _part(8, 1)
_NIBBLE_0, _NIBBLE_1, _NIBBLE_2, _NIBBLE_3 = (_part(4, part) for part in range(4))


@kernel
def apply_int8_bf16(
    words: Words, target: int, weights: int, stride: int, rows: int, lanes: int,
    channels: Ints, values: Words, factor: np.float32,
) -> None:  # fmt: skip
    """INT8 weights times `factor`; as `apply_packed_events`, which checks."""
    if channels.size:
        place = target, weights, stride, rows, lanes
        _LOW_BYTE(words, *place, channels, values, factor)
        _HIGH_BYTE(words, *place, channels, values, factor)


@kernel
def apply_int4_bf16(
    words: Words, target: int, weights: int, stride: int, rows: int, lanes: int,
    channels: Ints, values: Words, factor: np.float32,
) -> None:  # fmt: skip
    """INT4 weights times `factor`; as `apply_packed_events`, which checks."""
    if channels.size:
        place = target, weights, stride, rows, lanes
        _NIBBLE_0(words, *place, channels, values, factor)
        _NIBBLE_1(words, *place, channels, values, factor)
        _NIBBLE_2(words, *place, channels, values, factor)
        _NIBBLE_3(words, *place, channels, values, factor)


PACKED: Final = {8: apply_int8_bf16, 4: apply_int4_bf16}
"""Bits of a weight -> the compiled loop."""
BINARY: Final = np.uint16(0x3F80)
"""1: times 1 changes no bit, so a one-bit event is an event of value 1."""


def unpack_factor(bits: int, *, explicit: bool = False, binary: bool = False) -> np.float32:
    """What an event kernel multiplies packed weights by.

    SHL leaves those of explicit kernels times 256 or 4096, but for one-bit events with INT4
    weights, which are read as numbers.
    """
    return np.float32(2.0 ** (16 - bits) if explicit and not (binary and bits == 4) else 1)


def apply_packed_events(
    words: Words,
    target: int,
    weights: int,
    stride: int,
    rows: int,
    lanes: int,
    channels: Ints,
    values: Words | None,
    *,
    bits: int,
    explicit: bool = False,
) -> None:
    """INT8 or INT4 weights, as event_int8, event_int4 and their binary and explicit forms.

    Args:
        words: the core's memory.
        target: index of the first accumulator; there are rows x lanes x 16 / bits of them.
        weights: index of the slice's first column.
        stride: words from one column to the next, at least rows x lanes.
        rows: rows of words; each serves 16 / bits rows of lanes.
        lanes: NPEs.
        channels: the events' columns, in the order in which they are to be added.
        values: the events' values; None for one-bit events.
        bits: of a weight, 8 or 4.
        explicit: weights come out times 256 or 4096, as SHL leaves them, but for one-bit events
            with INT4 weights, which are read as numbers.

    Raises:
        InputError: other bits, or memory too short.
    """
    if bits not in (8, 4):
        raise InputError(f"packed weights have 8 or 4 bits, not {bits}")
    last = weights + stride * int(channels.max(initial=0)) + rows * lanes
    if max(last, target + rows * lanes * (16 // bits)) > words.size:
        raise InputError(f"a slice of {rows} x {lanes} words does not lie in the memory")
    given = np.full(channels.size, BINARY) if values is None else values
    factor = unpack_factor(bits, explicit=explicit, binary=values is None)
    PACKED[bits](words, target, weights, stride, rows, lanes, channels, given, factor)


@kernel
def _fire(x: Words, threshold: np.float32, low: int, channels: Ints, values: Words) -> int:
    count = 0
    for i in range(x.size):
        if abs(number(x[i])) > threshold:
            channels[count] = low + i
            values[count] = x[i]
            count += 1
    return count


def fire_bf16(x: Words, threshold: np.float32, low: int = 0) -> tuple[Ints, Words]:
    """The events of a vector, channels ascending: those with |x| > T, as GTH decides.

    A NaN is greater than nothing and stays silent, as on the chip.

    Args:
        x: words of channels `low` and following.
        threshold: T, a BF16 number.
        low: the first channel's number.
    """
    channels, values = np.empty(x.size, np.int64), np.empty(x.size, np.uint16)
    count = _fire(x, threshold, low, channels, values)
    return channels[:count], values[:count]
