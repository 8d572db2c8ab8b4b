"""Cycles and counts of every task that a run may need, read off the micro-kernels beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import linear_cost, load_kernel
from seneca_sim.cost.timing import task_cycles
from seneca_sim.program import EventStream, Program

Ints = NDArray[np.int64]
Counts = tuple[tuple[int, ...], tuple[int, ...]]


class Tasks:
    """Tables of tasks.

    Attributes:
        kinds: distinct pairs of counts over OPS, of a task and of each of its events.
        cycles: for each distinct (kernel, rows of lanes) those of every group size, then those of
            each distinct stage.
        first_of, kind_of: for every consumer, where its groups start in `cycles`, and its kind.
        stage_at, stage_kinds: for every stage.
    """

    def __init__(self, chip: Chip, program: Program) -> None:
        self.chip, self.program = chip, program
        self.kinds: list[Counts] = []
        self._known: dict[Counts, int] = {}
        self._rows: dict[tuple[str, int], tuple[int, int]] = {}
        self._cycles: list[int] = []
        made = [self._consumer(c.kernel, c.rows) for c in program.consumers]
        self.first_of = [first for first, _ in made]
        self.kind_of = [kind for _, kind in made]
        stages = self._stages()
        self.stage_at = [place for place, _ in stages]
        self.stage_kinds = [kind for _, kind in stages]
        self.cycles = np.array(self._cycles or [0], np.int64)

    def check_groups(self, stream: EventStream) -> None:
        """Let a kernel say so where a group will not fit its registers."""
        program, size = self.program, self.chip.core.group_size
        names = {c.kernel for c in program.consumers if c.kernel}
        limits = [load_kernel(name, self.chip.core.npes).max_group for name in names]
        if all(limit is None or limit >= size for limit in limits):
            return
        arriving = np.zeros((len(program.consumers), stream.tokens), np.int64)
        for number, route in enumerate(program.routes):
            for core in program.destinations(number):
                consumer = program.consumer_at.get((route.site, core))
                if consumer is not None and program.consumers[consumer].kernel:
                    arriving[consumer] += stream.counts[number]
        largest: dict[tuple[str, int], int] = {}
        for taker, most in zip(program.consumers, arriving.max(axis=1, initial=0), strict=True):
            if most:
                key = taker.kernel, taker.rows
                largest[key] = max(largest.get(key, 0), min(size, int(most)))
        for (kernel, rows), group in largest.items():
            load_kernel(kernel, self.chip.core.npes).cost(rows, group)

    def _consumer(self, kernel: str, rows: int) -> tuple[int, int]:
        if not kernel:
            return 0, 0
        key = kernel, rows
        if key not in self._rows:
            self._rows[key] = len(self._cycles), self._groups(kernel, rows)
        return self._rows[key]

    def _groups(self, kernel: str, rows: int) -> int:
        """Append the cycles of all group sizes; returns the kind."""
        loaded = load_kernel(kernel, self.chip.core.npes)
        setup = self.chip.core.task_setup_cycles
        self._cycles += [
            task_cycles(setup, linear_cost(*loaded.cycles, rows, g), 0, 0)
            for g in range(self.chip.core.group_size + 1)
        ]
        none, one = (np.array([linear_cost(*c, rows, g) for c in loaded.counts]) for g in (0, 1))
        return self._kind((tuple(none.tolist()), tuple((one - none).tolist())))

    def _kind(self, counts: Counts) -> int:
        if counts not in self._known:
            self._known[counts] = len(self.kinds)
            self.kinds.append(counts)
        return self._known[counts]

    def _stages(self) -> list[tuple[int, int]]:
        known: dict[tuple[tuple[str, int], ...], tuple[int, int]] = {}
        found = []
        for stage in self.program.stages:
            steps = tuple([(step.kernel, step.rows) for step in stage.steps])
            if steps not in known:
                known[steps] = self._stage(steps)
            found.append(known[steps])
        return found

    def _stage(self, steps: tuple[tuple[str, int], ...]) -> tuple[int, int]:
        core = self.chip.core
        costs = [load_kernel(kernel, core.npes).cost(rows, 0) for kernel, rows in steps]
        setup = core.task_setup_cycles * len(steps)
        self._cycles.append(task_cycles(setup, sum(cost.cycles for cost in costs), 0, 0))
        counts = tuple(sum(column) for column in zip(*(c.counts for c in costs), strict=True))
        return len(self._cycles) - 1, self._kind((counts, (0,) * len(counts)))

    def consumer_counts(self) -> tuple[Ints, Ints]:
        """Counts over OPS of each item's task and of each of its events; [items, ops]."""
        kinds = np.array(self.kinds or [((0,), (0,))], np.int64)
        chosen = kinds[np.array([*self.kind_of, *self.stage_kinds], np.int64)]
        return chosen[:, 0], chosen[:, 1]
