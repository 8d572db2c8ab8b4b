"""What an engine is timed on, and what the time is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Mode
from seneca_sim.program import EventStream, Program


@dataclass(frozen=True)
class Target:
    """A figure of a row that must be `at_least` or else at most `limit`."""

    figure: str
    limit: float
    at_least: bool = True

    def met(self, figures: dict[str, float]) -> bool:
        """Whether a row keeps it."""
        value = figures[self.figure]
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Work:
    """A run, by name.

    Attributes:
        by_reference: the reference is fast enough to be timed on it, too.
        sweep: rows of one name here are compared with each other by nanoseconds a packet-hop.
        targets: what the row must keep.
        peer_events: events a second of the other public simulator of SENECA on the same workload.

    """

    name: str
    chip: Chip
    program: Program
    stream: EventStream
    mode: Mode = "generation"
    by_reference: bool = False
    sweep: str = ""
    targets: tuple[Target, ...] = field(default=())
    peer_events: int = 0
