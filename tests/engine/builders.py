"""Hand-made programs with shipped kernels, and readers of what a run returns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links
from seneca_sim.conformance import build
from seneca_sim.conformance.build import make_chip, stream_of
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import PACKET_FIELDS, Activity
from seneca_sim.program import HOST_STAGE, Program

__all__ = ["Builder", "make_chip", "stream_of"]


class Builder(build.Builder):
    """With kernels that ship: groups of BF16 events, accumulators sent."""

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip, "event_bf16", "send_acc")


def single(chip: Chip, neurons: int = 8, width: int = 32, kernel: str = "send_acc") -> Program:
    """Route 0: host -> weights of core 0; route 1: its answer -> host; route 2: credit -> host."""
    b = Builder(chip)
    x, y = b.site("x", width), b.site("y", width)
    stage_rows = -(-neurons // chip.core.npes)
    stage = b.stage(0, [b.weighted(0, x, neurons)], (kernel, stage_rows))
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    b.route(y, stage, [b.host])
    b.credits(entry, [stage])
    return b.build()


def chain(chip: Chip) -> Program:
    """Host -> vector stored on core 0 -> weights of core 1 -> host; routes 0, 1 and 2."""
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)], ("send_dense", 1))
    second = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(mid, first, [1])
    b.route(y, second, [b.host])
    return b.build()


def two_senders(chip: Chip, width: int = 64) -> Program:
    """Host -> cores 0 and 2 (route 0), each with half a vector for core 1 (1, 2) -> host (3)."""
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid", width), b.site("y")
    senders = [b.stage(core, [b.stored(core, x)], ("send_dense", 1)) for core in (0, 2)]
    last = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 2])
    b.route(mid, senders[0], [1], 0, width // 2)
    b.route(mid, senders[1], [1], width // 2, width)
    b.route(y, last, [b.host])
    return b.build()


def log(activity: Activity, route: int, token: int = 0) -> list[dict[str, int]]:
    """Rows of the packet log of one route and token, by sequence and destination."""
    assert activity.packets is not None
    rows = [dict(zip(PACKET_FIELDS, map(int, row), strict=True)) for row in activity.packets]
    mine = [row for row in rows if row["route"] == route and row["token"] == token]
    return sorted(mine, key=lambda row: (row["sequence"], row["destination"]))


def times(row: dict[str, int]) -> tuple[int, ...]:
    """(created, injected, arrived, started, done) of a row of the packet log."""
    return tuple(row[name] for name in ("created", "injected", "arrived", "started", "done"))


def ops_of(row: Sequence[int] | np.ndarray) -> dict[str, int]:
    """A count vector as op -> count, zeros left out."""
    return {op: int(row[i]) for op, i in OP_INDEX.items() if row[i]}


def link_index(chip: Chip, node: int, port: int) -> int:
    """Position of a router output in an activity's link fields."""
    return links(chip).index((node, port))


def times_of(activity: Activity) -> dict[str, np.ndarray]:
    """Columns of the packet log by name."""
    assert activity.packets is not None
    return dict(zip(PACKET_FIELDS, activity.packets.T, strict=True))
