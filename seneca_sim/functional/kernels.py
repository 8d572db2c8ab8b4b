"""The loops that values at fp32 spend their time in, compiled by Numba.

No fastmath and no reordering: a product is rounded, then added, event after event, so a result is
the same to the last bit however many events are taken at once.
"""

import numpy as np
from numpy.typing import NDArray

from seneca_sim.functional.compiler import kernel, kernel_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_APPLY = "void(float32[::1], int64, int64, int64, int64, int64[::1], float32[::1])"
_FIRE = "int64(float32[:], float32, int64, int64[::1], float32[::1])"


@kernel_of(_APPLY)
def apply_events(
    words: Floats, target: int, weights: int, stride: int, rows: int, channels: Ints, values: Floats
) -> None:
    """Event-driven matrix-vector product in one core's memory: acc += x * column, per event.

    Four events share one pass over the accumulators, which saves loads and stores (up to 1.6
    times as fast), and the compiler turns the loop over rows into vector instructions.

    Args:
        words: the core's memory; nothing is checked against its length here.
        target: index of the first accumulator.
        weights: index of the slice's first column.
        stride: words from one column to the next.
        rows: accumulators, and words used of a column.
        channels: the events' columns, in the order in which they are to be added.
        values: the events' values.
    """
    acc = words[target : target + rows]
    count = channels.size
    fours = count - count % 4
    for i in range(0, fours, 4):
        a, b = weights + channels[i] * stride, weights + channels[i + 1] * stride
        c, d = weights + channels[i + 2] * stride, weights + channels[i + 3] * stride
        wa, wb = words[a : a + rows], words[b : b + rows]
        wc, wd = words[c : c + rows], words[d : d + rows]
        xa, xb, xc, xd = values[i], values[i + 1], values[i + 2], values[i + 3]
        for r in range(rows):
            acc[r] = acc[r] + xa * wa[r] + xb * wb[r] + xc * wc[r] + xd * wd[r]
    for i in range(fours, count):
        a = weights + channels[i] * stride
        wa, xa = words[a : a + rows], values[i]
        for r in range(rows):
            acc[r] += xa * wa[r]


@kernel
def apply_packed(
    words: Floats, target: int, weights: int, stride: int, rows: int, lanes: int, bits: int,
    channels: Ints, values: Floats, factor: np.float32,
) -> None:  # fmt: skip
    """The same for INT8 and INT4 weights, packed as event_int8 and event_int4 read them.

    An element of `words` holds a word of weights as its low 16 bits, not as a number.

    Args:
        words: the core's memory.
        target: index of the first accumulator; there are rows x lanes x 16 / bits of them.
        weights: index of the slice's first column.
        stride: elements from one column to the next.
        rows: rows of words; each serves 16 / bits rows of lanes.
        lanes: NPEs.
        bits: of a weight, 8 or 4.
        channels: the events' columns, in the order in which they are to be added.
        values: the events' values.
        factor: what weights come out times.
    """
    raw, width = words.view(np.uint32), 16 // bits
    for i in range(channels.size):
        start, x = weights + channels[i] * stride, values[i]
        for row in range(rows):
            for part in range(width):
                up, first = 32 - bits * (part + 1), target + (row * width + part) * lanes
                for lane in range(lanes):
                    word = raw[start + row * lanes + lane]
                    weight = np.int32(np.uint32(word << up)) >> (32 - bits)
                    words[first + lane] += x * (np.float32(weight) * factor)


@kernel_of(_FIRE)
def _fire(x: Floats, threshold: np.float32, low: int, channels: Ints, values: Floats) -> int:
    count = 0
    for i in range(x.size):
        if not abs(x[i]) <= threshold:
            channels[count] = low + i
            values[count] = x[i]
            count += 1
    return count


def fire(x: Floats, threshold: float, low: int = 0) -> tuple[Ints, Floats]:
    """Return the events of a vector, channels ascending: those with |x| > T.

    T is rounded to fp32 first, as PyTorch does. NaN fires: a broken value must not pass for a
    silent one.

    Args:
        x: values of channels `low` and following.
        threshold: T.
        low: the first channel's number.
    """
    channels, values = np.empty(x.size, np.int64), np.empty(x.size, np.float32)
    count = _fire(x, np.float32(threshold), low, channels, values)
    return channels[:count], values[:count]
