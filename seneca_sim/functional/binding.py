"""Binding: a stage's micro-kernels with the places in memory that they work on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.image import MemoryImage
from seneca_sim.functional.steps import STEPS
from seneca_sim.functional.wiring import Wiring, slice_sizes
from seneca_sim.program import Program, Step

Floats = NDArray[np.float32]


Call = tuple[Callable[..., None], tuple[Floats, ...]]
"""A step's function and the views that it is called with."""


def bind_stage(
    program: Program, image: MemoryImage, wiring: Wiring, stage: int, token: int
) -> tuple[Call, ...]:
    """Bind every step of a stage to the copies that a token has of its operands.

    Raises:
        InputError: a kernel has no values, or lacks an operand.
    """
    return tuple(
        _bind_step(program, image, wiring, stage, step, token)
        for step in program.stages[stage].steps
    )


def _bind_step(
    program: Program, image: MemoryImage, wiring: Wiring, stage: int, step: Step, token: int
) -> Call:
    if step.kernel not in STEPS:
        raise _error(program, stage, f"no values for kernel {step.kernel!r}")
    operands, function = STEPS[step.kernel]
    views = {name: image.view(program.regions[region], token) for name, region in step.regions}
    if "sizes" in operands:
        views["sizes"] = slice_sizes(program, wiring, stage)
    for name in operands:
        if name not in views:
            have = ", ".join(views)
            raise _error(program, stage, f"{step.kernel} needs operand {name!r}; it has {have}")
    return function, tuple(views[name] for name in operands)


def _error(program: Program, stage: int, what: str) -> InputError:
    at = program.stages[stage]
    return InputError(f"program {program.name}: stage {at.name} on core {at.core}: {what}")
