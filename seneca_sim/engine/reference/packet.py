"""What travels: a packet, and its log."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Packet:
    """A packet of one route and token; `tree` maps a node to the output ports it leaves by."""

    route: int
    token: int
    sequence: int
    events: int
    flits: int
    last: bool  # ends its vector (S10), or announces it
    announced: int  # events that this packet announces
    item: int  # who is charged for its journey
    tree: dict[int, tuple[int, ...]]
    created: int
    injected: int = -1
    visits: dict[int, list[int]] = field(
        default_factory=dict
    )  # destination -> arrived, started, stalled
