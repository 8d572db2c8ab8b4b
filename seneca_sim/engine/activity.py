"""Activity: what an engine returns. Integer counts and cycles, never an energy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from seneca_sim.program import Program

Ints = NDArray[np.int64]
Mode = Literal["generation", "pipelined"]
"""How tokens enter: each waits for the last answer of its sequence, or for room in the first stage.
"""


def one_by_one(mode: str, program: Program) -> bool:
    """Whether no two tokens are ever under way at once: generation of a single sequence (S15)."""
    return mode == "generation" and program.sequences == 1


POWER_WINDOW_CYCLES = 5_000
"""Default window of `Activity.window_ops`: 10 us at 500 MHz, a stated choice for peak power."""

PACKET_FIELDS = (
    "route",
    "token",
    "sequence",
    "destination",
    "events",
    "flits",
    "hops",
    "created",
    "injected",
    "arrived",
    "started",
    "done",
    "stalled",
)
"""Columns of `Activity.packets`, one row per (packet, destination); times in cycles."""

SLICE_FIELDS = ("unit", "place", "since", "start", "end", "token", "item", "amount")
"""Columns of `Activity.slices`, one row for each stretch in which a unit works or waits.

`since` is when a task was pushed into the FIFO, else the start. What the others are says the unit.
"""

BLOCKED_SLICE, TASK_SLICE, STARVED_SLICE, CAPTURE_SLICE, LINK_SLICE, FETCH_SLICE, LOAD_SLICE = (
    range(7)
)
"""`unit` of a slice: what it is, its `place`, `item` and `amount`.

- BLOCKED: a controller waits for the task FIFO; core, item of the task, 0.
- TASK: NPEs run a task; core, item, events of the group (0 for a stage).
- STARVED: NPEs wait for a task's weights; core, item, 0.
- CAPTURE: an event generator writes a packet; core, route, events.
- LINK: a router output sends a packet; index in `chip.mesh.links`, route, flits.
- FETCH: a memory channel sends weights; channel, item, bits.
- LOAD: a memory channel brings the weights of a pass; channel, pass, bits. Its token is the first
  of the turn.
"""


@dataclass(frozen=True)
class LogWindow:
    """Which rows a log keeps: those that touch the cycles from `first` to before `end`.

    Attributes:
        first: cycle.
        end: cycle; the default is never.
        limit: most rows of a log; a run that would have more is refused.
    """

    first: int = 0
    end: int = 2**62
    limit: int = 2**62


WHOLE_RUN = LogWindow()


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts and cycles of one run, all int64.

    An *item* is a consumer or a stage of the program (consumers first, then stages, last the
    host); `item_ops`, `token_ops` and `window_ops` are three marginals of one table of counts
    over `cost.ops.OPS`, so their column sums are equal. A count is booked in the window of
    `window_cycles` in which its action starts. Leakage is no count of actions: it follows from
    `cycles`.
    """

    engine: str  # its name
    cycles: int  # from 0 to the end of the last action
    wakeups: int  # of the engine's own processes; no property of the machine
    packet_hops: int  # router outputs that packets crossed
    deliveries: int  # packets that endpoints took, once for each destination
    window_cycles: int  # width of a window of `window_ops`
    token_start: Ints  # [tokens] the host begins to offer the token
    token_done: Ints  # [tokens] the host has the token's last packet
    stage_done: Ints  # [stages, tokens]
    item_ops: Ints  # [items, ops]
    token_ops: Ints  # [tokens, ops]
    window_ops: Ints  # [windows, ops]
    item_events_in: Ints  # [items] events taken by the controller
    item_events_out: Ints  # [items] events sent
    item_npe_cycles: Ints  # [items]
    controller_busy: Ints  # [cores]
    controller_blocked: Ints  # [cores] task FIFO full
    npe_busy: Ints  # [cores]
    generator_busy: Ints  # [cores]
    npe_starved: Ints  # [cores] cycles in which the next task's weights are on their way
    core_active: Ints  # [cores] cycles in which controller, NPEs or event generator work
    channel_busy: Ints  # [channels] of off-core memory
    channel_bits: Ints  # [channels]
    output_blocked: Ints  # [cores] a packet waits for room in the output queue or for credit
    input_peak: Ints  # [cores] flits
    output_peak: Ints  # [cores] flits
    fifo_peak: Ints  # [cores] tasks
    link_flits: Ints  # [links], in the order of chip.mesh.links
    link_packets: Ints  # [links]
    link_busy: Ints  # [links] cycles
    link_blocked: Ints  # [links] cycles: a packet waits, the link is free, the next buffer is full
    loading: int = 0  # cycles in which the chip waits for the weights of a pass
    item_load_bits: Ints | None = None  # [items] of a program in passes
    packets: Ints | None = None  # [rows, len(PACKET_FIELDS)] on request
    slices: Ints | None = None  # [rows, len(SLICE_FIELDS)] on request

    def differences(self, other: Activity) -> list[str]:
        """Names of the fields that differ, the engine's name and its wake-ups aside."""
        found = []
        for field in fields(self):
            if field.name in ("engine", "wakeups"):
                continue
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if not np.array_equal(mine, theirs):
                found.append(field.name)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Activity) and not self.differences(other)
