"""What computes: the functions of a precision, behind one face for the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional import kernels, steps, steps_wkv7
from seneca_sim.functional.formats import EVENT_FORMATS, words_of
from seneca_sim.functional.precision import Words

Ints = NDArray[np.int64]
Apply = Callable[[Words, int, int, int, Ints, Words], None]
"""(memory, index of the first accumulator, of the first column, stride, channels, values)."""


@dataclass(frozen=True)
class Arithmetic:
    """Functions of one precision.

    Attributes:
        steps: kernel -> function on the operands of a stage's step.
        events: (event kernel, neurons of a slice) -> what applies a vector's events to it.
        fire: (values, threshold, low): channels and values of the events of a vector.
        padded: they work on whole rows of lanes.
    """

    steps: Mapping[str, Callable[..., None]]
    events: Callable[[str, int], Apply]
    fire: Callable[[Words, float, int], tuple[Ints, Words]]
    padded: bool


def arithmetic(dtype: np.dtype[Any], lanes: int, *, interpret: bool = False) -> Arithmetic:
    """The functions for words of `dtype`.

    Args:
        dtype: float32 for fp32, uint16 for bf16.
        lanes: NPEs of a core.
        interpret: micro-kernels by the interpreter.

    Raises:
        InputError: the interpreter at fp32.
    """
    if dtype == np.float32:
        if interpret:
            raise InputError("the interpreter runs micro-kernels at bf16 only; load the image so")
        found = {**steps.STEPS, **steps_wkv7.STEPS}
        return Arithmetic(found, _events_at_fp32(lanes), kernels.fire, padded=False)
    return _interpreted(lanes) if interpret else _compiled(lanes)


def _compiled(lanes: int) -> Arithmetic:
    from seneca_sim.functional import bf16_steps, bf16_steps_heads  # Numba compiles for seconds

    found = {**bf16_steps.STEPS, **bf16_steps_heads.STEPS}
    return Arithmetic(found, _events_at_bf16(lanes), _fire, padded=True)


def _events_at_fp32(lanes: int) -> Callable[[str, int], Apply]:
    def events(kernel: str, neurons: int) -> Apply:
        kind, rows = EVENT_FORMATS[kernel], words_of(kernel, neurons, lanes) // lanes

        def apply(
            words: Words, target: int, weights: int, stride: int, channels: Ints, values: Words
        ) -> None:
            given = np.ones_like(values) if kind.binary else values
            place = words, target, weights, stride
            if kind.width == 1:
                kernels.apply_events(*place, neurons, channels, given)
            else:
                factor = np.float32(kind.factor)
                kernels.apply_packed(*place, rows, lanes, kind.bits, channels, given, factor)

        return apply

    return events


def _events_at_bf16(lanes: int) -> Callable[[str, int], Apply]:
    from seneca_sim.functional.bf16_events import BINARY, PACKED, apply_events_bf16

    def events(kernel: str, neurons: int) -> Apply:
        kind, count = EVENT_FORMATS[kernel], words_of(kernel, neurons, lanes)

        def apply(
            words: Words, target: int, weights: int, stride: int, channels: Ints, values: Words
        ) -> None:
            given = np.full_like(values, BINARY) if kind.binary else values
            place = words, target, weights, stride
            if kind.width == 1:
                apply_events_bf16(*place, count, channels, given)
            else:
                packed, factor = PACKED[kind.bits], np.float32(kind.factor)
                packed(*place, count // lanes, lanes, channels, given, factor)

        return apply

    return events


def _interpreted(lanes: int) -> Arithmetic:
    from seneca_sim.functional import bf16_steps_heads
    from seneca_sim.functional.interpreted import interpreted_events, interpreted_step

    def events(kernel: str, neurons: int) -> Apply:
        rows = words_of(kernel, neurons, lanes) // lanes

        def apply(
            words: Words, target: int, weights: int, stride: int, channels: Ints, values: Words
        ) -> None:
            place = words, target, weights, stride, rows
            interpreted_events(*place, channels, values, lanes=lanes, kernel=kernel)

        return apply

    # What the controller addresses, a token's place in the cache, is not in the kernel's text.
    found = {"attention_append": bf16_steps_heads.attention_append}
    names = [name for name in (*steps.STEPS, *steps_wkv7.STEPS) if name not in found]
    found |= {name: interpreted_step(name, lanes) for name in names}
    return Arithmetic(found, events, _fire, padded=True)


def _fire(values: Words, threshold: float, low: int) -> tuple[Ints, Words]:
    from seneca_sim.functional.bf16_events import fire_bf16

    return fire_bf16(values, np.float32(threshold), low)
