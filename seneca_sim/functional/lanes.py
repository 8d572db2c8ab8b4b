"""How many lanes a program was compiled for, which it does not say: its tables do."""

from __future__ import annotations

from typing import Final

from seneca_sim.cost.kernel import kernel_names, load_kernel
from seneca_sim.program import Program

DEFAULT_LANES: Final = 8
_CHOICES: Final = (DEFAULT_LANES, 16, 4, 32, 2, 64, 1)


def lanes_of(program: Program) -> int:
    """The lanes that a program was compiled for.

    Operands with one word a lane have them; else what rows and neurons of all slices agree with.
    Where both leave it open, the program computes the same for any number that agrees.
    """
    names = set(kernel_names())
    for stage in program.stages:
        for step in stage.steps:
            regions = dict(step.regions)
            for name, axes in load_kernel(step.kernel).memory if step.kernel in names else ():
                if axes == ("lane",) and name in regions:
                    return program.regions[regions[name]].rows
    return next((lanes for lanes in _CHOICES if _agrees(program, lanes)), DEFAULT_LANES)


def _agrees(program: Program, lanes: int) -> bool:
    """Whether every consumer's rows are those that so many lanes need for its neurons."""
    names = set(kernel_names())
    return all(
        load_kernel(taker.kernel, lanes).rows_for(taker.neurons) == taker.rows
        for taker in program.consumers
        if taker.kernel in names
    )
