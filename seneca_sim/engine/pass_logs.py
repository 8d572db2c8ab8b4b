"""Logs of a program in passes: rows of each run of a pass, at their place in the whole.

A pass counts its own routes, items and tokens from 0, and cycles from a boundary of windows. Here
they get the numbers of the whole program, and loads of weights join the slices.
"""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.activity import (
    CAPTURE_SLICE,
    LINK_SLICE,
    LOAD_SLICE,
    PACKET_FIELDS,
    SLICE_FIELDS,
    WHOLE_RUN,
    Activity,
    Ints,
    LogWindow,
)
from seneca_sim.engine.checks import too_many_rows
from seneca_sim.program.passes import Load

_PACKET_TIMES = [
    PACKET_FIELDS.index(f) for f in ("created", "injected", "arrived", "started", "done")
]
_SLICE_TIMES = [SLICE_FIELDS.index(f) for f in ("since", "start", "end")]


class PassLogs:
    """Both logs of a run, each None if it is not wanted.

    Args:
        packets: keep that of packets.
        slices: keep that of slices.
        window: cycles of the whole run, and most rows of each log.
    """

    def __init__(
        self, packets: bool = False, slices: bool = False, window: LogWindow = WHOLE_RUN
    ) -> None:
        self.window = window
        self._packets: list[Ints] | None = [] if packets else None
        self._slices: list[Ints] | None = [] if slices else None

    def options(self, base: int) -> dict[str, object]:
        """Options of the engine for a run whose cycle 0 is cycle `base`."""
        window = self.window
        shifted = LogWindow(max(0, window.first - base), max(0, window.end - base), window.limit)
        return {
            "log_packets": self._packets is not None,
            "log_slices": self._slices is not None,
            "log_window": shifted,
        }

    def add(self, found: Activity, base: int, route: int, token: int, items: Ints) -> None:
        """Take over the rows of a run.

        Args:
            found: with the logs of `options`.
            base: cycle of the whole in which its cycle 0 is.
            route: number in the whole of its first route.
            token: of its first token.
            items: item of the whole for each of its own.

        Raises:
            CapacityError: more rows than the window allows.
        """
        if self._packets is not None and found.packets is not None:
            rows = found.packets.copy()
            rows[:, PACKET_FIELDS.index("route")] += route
            rows[:, PACKET_FIELDS.index("token")] += token
            rows[:, _PACKET_TIMES] += base
            self._keep(self._packets, rows)
        if self._slices is not None and found.slices is not None:
            rows = found.slices.copy()
            unit, item = rows[:, 0], rows[:, SLICE_FIELDS.index("item")]
            routed = (unit == CAPTURE_SLICE) | (unit == LINK_SLICE)
            item[:] = np.where(routed, item + route, items[np.where(routed, 0, item)])
            rows[:, SLICE_FIELDS.index("token")] += token
            rows[:, _SLICE_TIMES] += base
            self._keep(self._slices, rows)

    def load(self, load: Load, number: int, token: int, since: int, channel_bits: int) -> None:
        """Channels bring the weights of pass `number`, for tokens from `token` on."""
        if self._slices is None:
            return
        window, rows = self.window, []
        for channel, bits in load.channels.items():
            end = since + -(-bits // channel_bits)
            if since < window.end and end >= window.first:
                rows.append((LOAD_SLICE, channel, since, since, end, token, number, bits))
        self._keep(self._slices, np.array(rows, np.int64).reshape(-1, len(SLICE_FIELDS)))

    def _keep(self, kept: list[Ints], rows: Ints) -> None:
        kept.append(rows)
        if sum(map(len, kept)) > self.window.limit:
            raise too_many_rows(self.window.limit)

    def tables(self) -> dict[str, Ints | None]:
        """Both logs as fields of an `Activity`, sorted by all columns as those of an engine."""
        return {
            "packets": _sorted(self._packets, len(PACKET_FIELDS)),
            "slices": _sorted(self._slices, len(SLICE_FIELDS)),
        }


def _sorted(pieces: list[Ints] | None, width: int) -> Ints | None:
    if pieces is None:
        return None
    rows = np.concatenate([np.zeros((0, width), np.int64), *pieces])
    ordered: Ints = rows[np.lexsort(rows.T[::-1])]
    return ordered
