"""Binding: a stage's micro-kernels with the places in memory that they work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    kernel = STEPS[step.kernel]
    views = {name: image.view(program.regions[region], token) for name, region in step.regions}
    if "sizes" in kernel.operands:
        views["sizes"] = slice_sizes(program, wiring, stage)
    for name in kernel.operands:
        if name not in views:
            have = ", ".join(views)
            raise _error(program, stage, f"{step.kernel} needs operand {name!r}; it has {have}")
    _check_rows(program, stage, step.kernel, views)
    return kernel.function, tuple(views[name] for name in kernel.operands)


def _check_rows(program: Program, stage: int, name: str, views: Mapping[str, Floats]) -> None:
    """Operands of the slice's length have one length; the others have their own."""
    kernel = STEPS[name]
    length = next(
        (len(views[o]) for o, n in zip(kernel.operands, kernel.rows, strict=True) if not n), 0
    )
    for operand, rows in zip(kernel.operands, kernel.rows, strict=True):
        if rows >= 0 and len(views[operand]) != (rows or length):
            what = f"{name} takes {rows or length} rows of {operand!r}, not {len(views[operand])}"
            raise _error(program, stage, what)


def _error(program: Program, stage: int, what: str) -> InputError:
    at = program.stages[stage]
    return InputError(f"program {program.name}: stage {at.name} on core {at.core}: {what}")
