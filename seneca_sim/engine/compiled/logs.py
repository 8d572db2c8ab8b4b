"""The logs of a run: taken from the loop piece by piece, and made tables of at the end (S17)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import (
    LINK_SLICE,
    PACKET_FIELDS,
    SLICE_FIELDS,
    WHOLE_RUN,
    LogWindow,
)
from seneca_sim.engine.checks import too_many_rows
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.program import Program

Ints = NDArray[np.int64]


class Logs:
    """What has been logged so far: packets and slices, each None if it is not wanted."""

    def __init__(
        self, packets: bool = False, slices: bool = False, window: LogWindow = WHOLE_RUN
    ) -> None:
        self.packets: list[Ints] | None = [] if packets else None
        self.slices: list[Ints] | None = [] if slices else None
        self.window = window
        self._rows = {"packets": 0, "slices": 0}

    def take(self, machine: Machine) -> None:
        """Empty the loop's logs.

        Raises:
            CapacityError: more rows than the window allows.
        """
        for name, kept, log, width, count in (
            ("packets", self.packets, machine.log, at.LOG_FIELDS, at.Z_LOG),
            ("slices", self.slices, machine.slices, at.SLICE, at.Z_SLICES),
        ):
            rows = int(machine.z[count])
            if kept is not None and rows:
                kept.append(log.reshape(-1, width)[:rows].copy())
                machine.z[count] = 0
                self._rows[name] += rows
                if self._rows[name] > self.window.limit:
                    raise too_many_rows(self.window.limit)

    def packet_table(self, chip: Chip, program: Program) -> Ints | None:
        """The log of packets with the hops of each row, sorted by all columns."""
        if self.packets is None:
            return None
        rows = _joined(self.packets, at.LOG_FIELDS)
        sources = np.array([route.source for route in program.routes], np.int64)[rows[:, 0]]
        whole = np.empty((len(rows), len(PACKET_FIELDS)), np.int64)
        whole[:, :6], whole[:, 7:] = rows[:, :6], rows[:, 6:]
        whole[:, 6] = _distances(chip, sources, rows[:, 3])
        return _sorted(whole)

    def slice_table(self, links: Ints) -> Ints | None:
        """The log of slices, sorted by all columns; `links` are the ports that lead somewhere."""
        if self.slices is None:
            return None
        rows = _joined(self.slices, at.SLICE)
        unit, place = SLICE_FIELDS.index("unit"), SLICE_FIELDS.index("place")
        sent = rows[:, unit] == LINK_SLICE
        rows[sent, place] = np.searchsorted(links, rows[sent, place])
        return _sorted(rows)


def _joined(pieces: list[Ints], width: int) -> Ints:
    return np.concatenate(pieces) if pieces else np.zeros((0, width), np.int64)


def _sorted(rows: Ints) -> Ints:
    return rows[np.lexsort(rows.T[::-1])]


def _distances(chip: Chip, sources: Ints, targets: Ints) -> Ints:
    """Router outputs crossed, the one into the core or the host included (S7)."""
    ends = [np.where(e == chip.cores, chip.host_node, e) for e in (sources, targets)]
    steps = np.ones(len(sources), np.int64)
    for size, places in (
        (chip.columns, [e % chip.columns for e in ends]),
        (chip.rows, [e // chip.columns for e in ends]),
    ):
        apart = np.abs(places[0] - places[1])
        steps += np.minimum(apart, size - apart) if chip.noc.topology == "torus" else apart
    return steps
