"""What waits in the task FIFO: a group of events of a consumer, or a stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Task:
    """A group of `events`, or a stage (`stage` >= 0).

    `fetch_bits` of weights come from off-core memory; until then it is not `ready`.
    """

    item: int
    token: int
    cycles: int
    kind: int
    stage: int = -1
    fetch_bits: int = 0
    ready: bool = True
    events: int = 0
    pushed: int = -1  # cycle
