"""What waits in the task FIFO: a group of events of a consumer, or a stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Task:
    """`fetch_bits` of weights come from off-core memory; until then it is not `ready`."""

    item: int
    token: int
    cycles: int
    kind: int
    stage: int = -1
    fetch_bits: int = 0
    ready: bool = True
