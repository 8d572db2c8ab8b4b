"""Binding: a stage's micro-kernels with the places in memory that they work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seneca_sim.cost.kernel import Kernel, load_kernel
from seneca_sim.errors import InputError
from seneca_sim.functional.image import MemoryImage
from seneca_sim.functional.precision import Words
from seneca_sim.program import Program, Region, Step

Call = tuple[Callable[..., None], tuple[Words, ...]]
"""A step's function and the views that it is called with."""
OUT = "out"
"""Operand of a kernel that captures events: the output buffer of their values."""


@dataclass(frozen=True)
class Binder:
    """Binds the steps of a program to the functions of a precision.

    Attributes:
        program: whose steps.
        image: the memory they work on.
        steps: kernel -> function, taking its operands as the kernel declares them, then `out`.
        lanes: of the machine that the program was compiled for.
        padded: operands reach over whole rows of lanes, as they do on the chip.
    """

    program: Program
    image: MemoryImage
    steps: Mapping[str, Callable[..., None]]
    lanes: int
    padded: bool

    def stage(self, index: int, token: int) -> tuple[Call, ...]:
        """Bind every step of a stage to the copies that a token has of its operands.

        Raises:
            InputError: a kernel has no values, or lacks an operand.
        """
        return tuple(self._step(index, step, token) for step in self.program.stages[index].steps)

    def _step(self, stage: int, step: Step, token: int) -> Call:
        if step.kernel not in self.steps:
            raise _error(self.program, stage, f"no values for kernel {step.kernel!r}")
        kernel = load_kernel(step.kernel, self.lanes)
        regions = {name: self.program.regions[region] for name, region in step.regions}
        for name in operands(kernel):
            if name not in regions:
                have = ", ".join(regions)
                what = f"{step.kernel} needs operand {name!r}; it has {have}"
                raise _error(self.program, stage, what)
        length = self._check_sizes(stage, kernel, regions)
        words = -(-length // self.lanes) * self.lanes if self.padded else 0
        views = [self._view(axes, regions[name], token, words) for name, axes in kernel.memory]
        if kernel.captures:
            views.append(self.image.view(regions[OUT], token))
        return self.steps[step.kernel], tuple(views)

    def _view(self, axes: tuple[str, ...], region: Region, token: int, words: int) -> Words:
        table = self.image.table(region, token, words if _by_row(axes) else 0)
        return table if len(axes) > 1 else table[0]

    def _check_sizes(self, stage: int, kernel: Kernel, regions: Mapping[str, Region]) -> int:
        """Operands of the slice's length have one length, returned; the others have their own."""
        length = next((regions[n].rows for n, axes in kernel.memory if _by_row(axes)), 0)
        wanted = {name: self._size(axes, length) for name, axes in kernel.memory}
        if kernel.captures:
            once = any(s.kind != "row" and s.captures for s in kernel.sections)
            wanted[OUT] = kernel.captures if once else length
        some = {name for name, axes in kernel.memory if axes and not _by_row(axes)}
        for name, rows in wanted.items():
            # Where an operand is a line or a few words of a longer one, the kernel goes over it.
            have = regions[name].rows
            if have != rows and (name not in some or not have or have % rows):
                what = f"{kernel.name} takes {rows} rows of {name!r}, not {regions[name].rows}"
                raise _error(self.program, stage, what)
        for name, axes in kernel.memory:
            columns = next((int(a) for a in axes if a.isdigit() and "row" in axes), 1)
            if regions[name].columns < columns:
                have = regions[name].columns
                what = f"{kernel.name} takes {columns} columns of {name!r}, not {have}"
                raise _error(self.program, stage, what)
        return length

    def _size(self, axes: tuple[str, ...], length: int) -> int:
        if _by_row(axes):
            return length
        one_each = {"lane", "lanes"} & set(axes)
        return self.lanes if one_each else int(axes[0]) if axes else 1


def _by_row(axes: tuple[str, ...]) -> bool:
    """Whether an operand is as long as the slice; one with `lanes` has a line for each of it."""
    return "row" in axes and "lanes" not in axes


def operands(kernel: Kernel) -> tuple[str, ...]:
    """Operands that a step needs: what the kernel declares, and `out` if it captures events."""
    return tuple(name for name, _ in kernel.memory) + ((OUT,) if kernel.captures else ())


def _error(program: Program, stage: int, what: str) -> InputError:
    at = program.stages[stage]
    return InputError(f"program {program.name}: stage {at.name} on core {at.core}: {what}")
