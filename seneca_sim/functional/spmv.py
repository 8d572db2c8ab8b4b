"""Event-driven matrix-vector products at the speed of the machine that runs the simulator.

A matrix lies column after column, one for each input, so an event reads one contiguous piece of
memory: acc += value * column. Weights are fp32, BF16, INT8, or INT4, two in a byte; sums are fp32
in each case. (What the chip answers, with sums of BF16, is `bf16_events`.)

Order: four events share a pass over the accumulators, which saves loads and stores, but each
product is rounded and added before the next, ((acc + a) + b) + …, in the order in which the events
are given. So the bits are those of one event at a time, with and without Numba, on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from seneca_sim.cost.bf16 import from_bits, to_bits
from seneca_sim.errors import InputError
from seneca_sim.functional.compiler import kernel
from seneca_sim.functional.quantise import quantise

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Format = Literal["fp32", "bf16", "int8", "int4"]

FORMATS: Final = ("fp32", "bf16", "int8", "int4")
_LINE: Final = 64  # bytes of a cache line, and of the widest vector register
_BF16_SHIFT, _TOP, _LOW = np.uint32(16), np.int32(28), np.uint32(28)


@register_jitable
def _as_it_is(weight: np.float32) -> np.float32:
    return weight


@register_jitable
def _of_bf16(weight: np.uint16) -> np.float32:
    return np.uint32(np.uint32(weight) << _BF16_SHIFT).view(np.float32)


@register_jitable
def _of_int8(weight: np.int8) -> np.float32:
    return np.float32(weight)


@register_jitable
def _of_low_nibble(weight: np.uint8) -> np.float32:
    return np.float32(np.int32(np.uint32(weight << _LOW)) >> _TOP)


@register_jitable
def _of_high_nibble(weight: np.uint8) -> np.float32:
    return np.float32(np.int32(np.int8(weight)) >> np.int32(4))


def _accumulator(number: Callable[[Any], np.float32]) -> Callable[..., None]:
    """The loop for weights that `number` reads; LLVM makes vector instructions of both rows."""

    def accumulate(acc: Floats, columns: NDArray[Any], channels: Ints, values: Floats) -> None:
        rows, count = acc.size, channels.size
        fours = count - count % 4
        for i in range(0, fours, 4):
            wa, wb = columns[channels[i]], columns[channels[i + 1]]
            wc, wd = columns[channels[i + 2]], columns[channels[i + 3]]
            xa, xb, xc, xd = values[i], values[i + 1], values[i + 2], values[i + 3]
            for r in range(rows):
                two = acc[r] + xa * number(wa[r]) + xb * number(wb[r])
                acc[r] = two + xc * number(wc[r]) + xd * number(wd[r])
        for i in range(fours, count):
            wa, xa = columns[channels[i]], values[i]
            for r in range(rows):
                acc[r] += xa * number(wa[r])

    accumulate.__qualname__ = f"accumulate{number.__name__}"  # a symbol of its own
    return kernel(accumulate)


_FP32, _BF16, _INT8 = (_accumulator(number) for number in (_as_it_is, _of_bf16, _of_int8))
_LOW_HALF, _HIGH_HALF = _accumulator(_of_low_nibble), _accumulator(_of_high_nibble)
_WHOLE: Final = {"fp32": _FP32, "bf16": _BF16, "int8": _INT8}


@kernel
def _outside(channels: Ints, inputs: int) -> int:
    """Place of the first channel that is none, or -1."""
    for i in range(channels.size):
        if channels[i] < 0 or channels[i] >= inputs:
            return i
    return -1


@dataclass(frozen=True, eq=False)
class EventMatrix:
    """A matrix laid out for events; make one with `EventMatrix.of`.

    Attributes:
        format: of a weight.
        outputs: rows of the matrix.
        columns: [inputs, outputs and padding]; of INT4, byte r of a column holds the weight of
            output r in its low nibble and that of output r + half in its high one.
        scales: of each output for INT8 and INT4, BF16 numbers; else None.
    """

    format: Format
    outputs: int
    columns: NDArray[Any]
    scales: Floats | None = None

    @classmethod
    def of(cls, matrix: NDArray[np.floating], format: Format = "bf16") -> EventMatrix:
        """Lay out a matrix, outputs x inputs, rounded or quantised to `format`.

        Raises:
            InputError: no such format, not a matrix, or weights that cannot be quantised.
        """
        if format not in FORMATS:
            raise InputError(f"no weight format '{format}'; expected one of {', '.join(FORMATS)}")
        if np.ndim(matrix) != 2:
            raise InputError(f"weights: {np.ndim(matrix)} axes; expected outputs x inputs")
        outputs = len(matrix)
        if format == "fp32":
            return cls(format, outputs, _laid_out(np.asarray(matrix, np.float32)))
        if format == "bf16":
            return cls(format, outputs, _laid_out(to_bits(matrix)))
        weights, scales = quantise(matrix, 8 if format == "int8" else 4)
        packed = _nibbles(weights) if format == "int4" else weights
        return cls(format, outputs, _laid_out(packed), scales)

    @property
    def inputs(self) -> int:
        """Columns of the matrix."""
        return len(self.columns)

    def accumulate(self, acc: Floats, channels: Ints, values: Floats) -> None:
        """Add events to accumulators, in the order given; scales are not applied.

        Args:
            acc: float32 [outputs], changed in place.
            channels: int64, each an input.
            values: float32, one for each channel.

        Raises:
            InputError: sizes that do not fit, or a channel that is no input.
        """
        if acc.shape != (self.outputs,) or channels.shape != values.shape:
            raise InputError(
                f"events: {acc.size} accumulators, {channels.size} channels and {values.size} "
                f"values; expected {self.outputs} accumulators and a value for each channel"
            )
        wrong = _outside(channels, self.inputs)
        if wrong >= 0:
            raise InputError(f"events: channel {channels[wrong]}; expected 0 to {self.inputs - 1}")
        if self.format != "int4":
            _WHOLE[self.format](acc, self.columns, channels, values)
            return
        half = -(-self.outputs // 2)
        _LOW_HALF(acc[:half], self.columns, channels, values)
        _HIGH_HALF(acc[half:], self.columns, channels, values)

    def product(self, channels: Ints, values: Floats) -> Floats:
        """The matrix times the vector that has these values and else zeros: float32 [outputs]."""
        acc = aligned((self.outputs,), np.float32)
        self.accumulate(acc, channels, values)
        if self.scales is not None:
            acc *= self.scales
        return acc

    def dense(self) -> Floats:
        """The numbers that the matrix stands for, outputs x inputs."""
        held = self.columns.T
        if self.format == "fp32":
            return np.array(held[: self.outputs])
        if self.format == "bf16":
            return from_bits(held[: self.outputs])
        if self.format == "int4":
            used = held[: -(-self.outputs // 2)]
            held = np.concatenate([used << 4, used & 0xF0]).view(np.int8) >> 4
        numbers: Floats = held[: self.outputs].astype(np.float32)
        if self.scales is not None:
            numbers *= self.scales[:, None]
        return numbers


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Zeros that start at a cache line: unaligned columns cost fp32 a fifth of its speed."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    whole: NDArray[Any] = raw[start : start + size].view(dtype)
    return whole.reshape(shape)


def _laid_out(matrix: NDArray[Any]) -> NDArray[Any]:
    """Columns one after another, each from a cache line on."""
    rows, inputs = matrix.shape
    step = _LINE // matrix.dtype.itemsize
    columns = aligned((inputs, -(-rows // step) * step), matrix.dtype)
    columns[:, :rows] = matrix.T
    return columns


def _nibbles(weights: NDArray[np.int8]) -> NDArray[np.uint8]:
    half = -(-len(weights) // 2)
    halves = np.zeros((2 * half, weights.shape[1]), np.uint8)
    halves[: len(weights)] = weights.view(np.uint8)
    low, high = halves[:half] & np.uint8(0xF), halves[half:] << np.uint8(4)
    packed: NDArray[np.uint8] = np.bitwise_or(low, high)
    return packed
