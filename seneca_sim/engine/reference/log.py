"""The logs of a run: rows of packets and of slices, within a window of cycles (S17)."""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.activity import Ints, LogWindow
from seneca_sim.engine.checks import too_many_rows


class Log:
    """Rows of integers; two of its columns say from when to when a row lasts."""

    def __init__(self, fields: tuple[str, ...], span: tuple[str, str], window: LogWindow) -> None:
        self.width, self.window = len(fields), window
        self._first, self._last = (fields.index(column) for column in span)
        self._rows: list[tuple[int, ...]] = []

    def add(self, *row: int) -> None:
        """Keep a row that touches the window.

        Raises:
            CapacityError: more rows than the window allows.
        """
        if row[self._first] < self.window.end and row[self._last] >= self.window.first:
            self._rows.append(row)
            if len(self._rows) > self.window.limit:
                raise too_many_rows(self.window.limit)

    def table(self) -> Ints:
        """All rows, sorted by all columns."""
        return np.array(sorted(self._rows), np.int64).reshape(-1, self.width)
