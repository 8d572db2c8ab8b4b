"""Counting: every action is booked once, under its item, its token and its window of time (S16)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.ops import OP_INDEX, OPS


class Tally:
    """Books actions; `kinds` are the distinct vectors of counts that a task can add."""

    def __init__(self, items: int, tokens: int, window_cycles: int) -> None:
        self.items, self.tokens, self.window_cycles = items, tokens, window_cycles
        self._singles: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self._tasks: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self._kinds: dict[tuple[int, ...], int] = {}

    def kind(self, counts: tuple[int, ...]) -> int:
        """Index of a vector of counts over OPS."""
        return self._kinds.setdefault(counts, len(self._kinds))

    def add(self, item: int, token: int, cycle: int, op: int, amount: int) -> None:
        """Book `amount` actions of one op."""
        if amount:
            self._singles[item, token, cycle // self.window_cycles, op] += amount

    def task(self, item: int, token: int, cycle: int, kind: int) -> None:
        """Book one run of a task of this kind."""
        self._tasks[item, token, cycle // self.window_cycles, kind] += 1

    def marginals(self, cycles: int) -> tuple[NDArray[np.int64], ...]:
        """Counts by item, by token and by window."""
        windows = max(1, -(-cycles // self.window_cycles))
        last = max((key[2] for key in (*self._singles, *self._tasks)), default=0)
        shapes = (self.items, self.tokens, max(windows, last + 1))
        tables = tuple(np.zeros((n, len(OPS)), np.int64) for n in shapes)
        if self._singles:
            keys, amounts = _arrays(self._singles)
            for axis, table in enumerate(tables):
                np.add.at(table, (keys[:, axis], keys[:, 3]), amounts)
        if self._tasks:
            keys, amounts = _arrays(self._tasks)
            vectors = np.array(list(self._kinds), np.int64)[keys[:, 3]] * amounts[:, None]
            for axis, table in enumerate(tables):
                np.add.at(table, keys[:, axis], vectors)
        return tables


def _arrays(
    book: dict[tuple[int, int, int, int], int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array(list(book), np.int64), np.array(list(book.values()), np.int64)


INSTRUCTION = OP_INDEX["ctrl.instruction"]
CONTROLLER_MEMORY = OP_INDEX["ctrl.memory"]
EVENT = OP_INDEX["evg.event"]
WRITE_WORD = OP_INDEX["dm.write_word"]
READ_WORD = OP_INDEX["dm.read_word"]
FLIT_HOP = OP_INDEX["noc.flit_hop"]
BOUNDARY_BIT = OP_INDEX["noc.boundary_bit"]
