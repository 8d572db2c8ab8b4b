"""What computes: the functions of a precision, behind one face for the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional import kernels, steps
from seneca_sim.functional.precision import Words

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Arithmetic:
    """Functions of one precision.

    Attributes:
        steps: kernel -> function on the operands of a stage's step.
        apply: (words, target, weights, stride, rows, channels, values): a vector's events.
        fire: (values, threshold, low): channels and values of the events of a vector.
        padded: they work on whole rows of lanes.
    """

    steps: Mapping[str, Callable[..., None]]
    apply: Callable[..., None]
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
        return Arithmetic(steps.STEPS, kernels.apply_events, kernels.fire, padded=False)
    return _interpreted(lanes) if interpret else _compiled()


def _compiled() -> Arithmetic:
    from seneca_sim.functional.bf16_events import apply_events_bf16  # Numba compiles for seconds
    from seneca_sim.functional.bf16_steps import STEPS

    return Arithmetic(STEPS, apply_events_bf16, _fire, padded=True)


def _interpreted(lanes: int) -> Arithmetic:
    from functools import partial

    from seneca_sim.functional.interpreted import interpreted_events, interpreted_step

    found = {name: interpreted_step(name, lanes) for name in steps.STEPS}
    apply = partial(interpreted_events, lanes=lanes)
    return Arithmetic(found, apply, _fire, padded=True)


def _fire(values: Words, threshold: float, low: int) -> tuple[Ints, Words]:
    from seneca_sim.functional.bf16_events import fire_bf16

    return fire_bf16(values, np.float32(threshold), low)
