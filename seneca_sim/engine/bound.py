"""The oracle for time: cycles that no engine can beat, in closed form.

Written from docs/semantics.md alone; rules are cited as S1, S2 … Each bound looks at one resource,
or at one token that meets nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import accumulate

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import crosses_boundary, xy_path
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.counts import (
    Counts,
    Ints,
    capture,
    copies,
    counts,
    fetch,
    packet_events,
    serial,
    task_cost,
)
from seneca_sim.program import HOST_STAGE, NO_ROUTE, EventStream, Program
from seneca_sim.program.passes import parts_of

__all__ = [
    "Bound", "Counts", "bounds_of", "counts", "lower_bounds", "nearest_bound", "standing",
    "token_paths", "zero_load",
]  # fmt: skip
PATHS = 4
"""Tokens whose ways are worked out for `bounds_of`: 40 ms each for 8 x 8 cores."""
WALKABLE = 20_000
"""Deliveries a token above which `standing` leaves its way out: it would take seconds."""


def zero_load(chip: Chip, source: int, destination: int, flits: int) -> int:
    """S5, S7: cycles from a packet's first grant to its arrival, whole, when it meets nobody.

    Each router output costs its hop; the packet's length is paid once at the end, and once more
    for each boundary, which hands over whole packets.
    """
    cycles = serial(chip, flits) - 1
    for hop in xy_path(chip, source, destination):
        between = crosses_boundary(chip, hop)
        cycles += chip.boundary.hop_cycles if between else chip.noc.hop_cycles
        cycles += (serial(chip, flits, between=True) - 1) if between else 0
    return cycles


def lower_bounds(chip: Chip, program: Program, stream: EventStream, mode: str) -> dict[str, int]:
    """Cycles that a run takes at least: the busiest unit of each kind, and the tokens' own ways.

    In ``generation`` mode the tokens of a sequence follow each other, otherwise all may overlap.
    """
    known, paths = counts(chip, program, stream), token_paths(chip, program, stream)
    step = program.sequences if mode == "generation" else stream.tokens
    return {
        "npe": int(known.npe_busy.max()),
        "controller": int(known.controller_busy.max()),
        "generator": int(known.generator_busy.max()),
        "link": int(known.link_busy.max()),
        "channel": int(known.channel_busy.max(initial=0)),
        "token": max(int(paths[i::step].sum()) for i in range(min(step, paths.size))),
    }


@dataclass(frozen=True)
class Bound:
    """Cycles that something must take at least, and those that it took.

    Attributes:
        name: what bounds the run.
        least: cycles that it needs at least.
        cycles: that the run took.
    """

    name: str
    least: int
    cycles: int

    @property
    def times(self) -> float:
        """How far the run is from the bound: 1 if it keeps to it."""
        return self.cycles / max(1, self.least)


def bounds_of(
    chip: Chip, program: Program, stream: EventStream, activity: Activity, *, paths: int = PATHS
) -> tuple[Bound, ...]:
    """Where a run stands: the busiest unit of each kind, and the critical path of its tokens.

    Busy cycles are counts and do not depend on time, so those of the run are the bounds. The ways
    of the first `paths` tokens are compared with the time that these tokens took.
    """
    busy = {
        "npe": activity.npe_busy,
        "controller": activity.controller_busy,
        "generator": activity.generator_busy,
        "link": activity.link_busy,
        "channel": activity.channel_busy,
    }
    units = [Bound(n, int(b.max()), activity.cycles) for n, b in busy.items() if b.any()]
    if not paths:
        return tuple(units)
    ways = token_paths(chip, program, stream, paths)
    spent = (activity.token_done - activity.token_start)[: len(ways)]
    return (*units, Bound("critical path", int(ways.sum()), int(spent.sum())))


def nearest_bound(chip: Chip, program: Program, stream: EventStream, activity: Activity) -> Bound:
    """The bound that holds a run back most: the one that it comes nearest to."""
    return min(bounds_of(chip, program, stream, activity), key=lambda bound: bound.times)


def standing(chip: Chip, program: Program, stream: EventStream, activity: Activity) -> Bound:
    """The nearest bound, found quickly: one token's way, and none in a large program."""
    walk = activity.deliveries <= WALKABLE * stream.tokens
    found = bounds_of(chip, program, stream, activity, paths=int(walk))
    return min(found, key=lambda bound: bound.times)


def token_paths(chip: Chip, program: Program, stream: EventStream, most: int | None = None) -> Ints:
    """Cycles from a token's first packet to its last answer, at least; [tokens], or `most`."""
    if program.passes:
        return _through_passes(chip, program, stream, most)
    path = _Path(chip, program, stream)
    tokens = range(stream.tokens)[:most]
    return np.array([path.latency(token) for token in tokens], np.int64)


def _through_passes(chip: Chip, program: Program, stream: EventStream, most: int | None) -> Ints:
    """The ways through all passes, one after another; loading is left out."""
    tokens = len(range(stream.tokens)[:most])
    total, row = np.zeros(tokens, np.int64), 0
    for part, size in zip(parts_of(program), program.passes, strict=True):
        counts_of_part = stream.counts[row : row + size.routes]
        total += token_paths(chip, part, EventStream(counts_of_part), most)
        row += size.routes
    return total


class _Path:
    """The way of one token through an empty chip: no other token, no other sender."""

    def __init__(self, chip: Chip, program: Program, stream: EventStream) -> None:
        self.chip, self.program, self.stream = chip, program, stream
        self.controller = chip.core.controller
        self.ways: dict[tuple[int, int, int], int] = {}
        before: dict[int, set[int]] = {i: set() for i in range(len(program.stages))}
        for number, route in enumerate(program.routes):
            for _, stage in self._takers(number):
                if stage >= 0 and route.stage != HOST_STAGE:
                    before[stage].add(route.stage)
        self.order = tuple(TopologicalSorter(before).static_order())

    def _takers(self, number: int) -> list[tuple[int, int]]:
        """(consumer, its stage) of a route; none for a credit."""
        route = self.program.routes[number]
        if route.acknowledges != NO_ROUTE:
            return []
        found = [self.program.consumer_at[route.site, d] for d in self.program.destinations(number)]
        return [(consumer, self.program.stage_of[consumer]) for consumer in found]

    def latency(self, token: int) -> int:
        """Cycles until the last answer is there, the token's first packet entering in 0."""
        self.token = token
        # Per consumer and route: (events, arrival) of every packet.
        self.inputs: dict[int, list[list[tuple[int, int]]]] = {}
        self._send(self.program.host_routes, 0, at_host=True)
        for number in self.order:
            stage = self.program.stages[number]
            self._send(stage.emits, self._stage_end(number), at_host=False)
        answers = [i for i, c in enumerate(self.program.consumers) if c.core == self.program.host]
        return max(packets[-1][1] for i in answers for packets in self.inputs[i])

    def _cycles(self, instructions: int) -> int:
        return instructions * self.controller.cycles_per_instruction

    def _send(self, routes: tuple[int, ...], start: int, *, at_host: bool) -> None:
        """Generator, controller and first link, each in order (S12, S13, S5), then the hops."""
        made = sent = start
        free = 0
        for number in routes:
            arrivals: dict[int, list[tuple[int, int]]] = {}
            for events in packet_events(self.chip, int(self.stream.counts[number, self.token])):
                made += 0 if at_host else capture(self.chip, events)
                for targets in copies(self.chip, self.program, number):
                    if not at_host:
                        work = self.controller.packet_out_instructions
                        work += events * self.controller.event_out_instructions
                        sent = max(made, sent) + self._cycles(work)
                    granted = max(sent, free)
                    free = granted + self._leaving(number, targets, events)
                    for target in targets:
                        arrived = granted + self._way(number, target, events)
                        arrivals.setdefault(target, []).append((events, arrived))
            for consumer, _ in self._takers(number):
                core = self.program.consumers[consumer].core
                self.inputs.setdefault(consumer, []).append(arrivals[core])

    def _flits(self, events: int) -> int:
        return self.chip.noc.header_flits + events * self.chip.noc.event_flits

    def _way(self, number: int, target: int, events: int) -> int:
        key = self.program.routes[number].source, target, self._flits(events)
        if key not in self.ways:
            self.ways[key] = zero_load(self.chip, *key)
        return self.ways[key]

    def _leaving(self, number: int, targets: tuple[int, ...], events: int) -> int:
        """S5, S7: until the last copy is out of its first buffer, and the next packet may ask."""
        source = self.program.routes[number].source
        first = {xy_path(self.chip, source, target)[0] for target in targets}
        return max(
            serial(self.chip, self._flits(events), between=crosses_boundary(self.chip, hop))
            for hop in first
        )

    def _stage_end(self, number: int) -> int:
        """S8-S11: not before its inputs are taken, its groups done, its controller's work done."""
        stage = self.program.stages[number]
        own, _ = task_cost(self.chip, [(s.kernel, s.rows) for s in stage.steps], 0)
        push = self._cycles(self.controller.task_instructions)
        parts = [self._vector(consumer, push) for consumer in stage.needs]
        first = min(part[0] for part in parts)
        work, groups = sum(part[3] for part in parts), sum(part[4] for part in parts)
        ready = max(first + work, *(part[1] for part in parts)) + push
        return own + max(ready, first + groups, *(part[2] for part in parts))

    def _vector(self, consumer: int, push: int) -> tuple[int, int, int, int, int]:
        """(first arrival, all taken, last group done, controller's cycles, groups' cycles)."""
        taker, routes = self.program.consumers[consumer], self.inputs[consumer]
        sizes = self._group_sizes(consumer)
        costs = [task_cost(self.chip, [(taker.kernel, taker.rows)], g)[0] for g in sizes]
        moves = [fetch(self.chip, self.program, consumer, g) for g in sizes]
        rest = bool(sizes) and sizes[-1] < self.chip.core.group_size
        taken = max(
            list(
                accumulate(packets, lambda done, p: max(done, p[1]) + self._taking(p[0]), initial=0)
            )[-1]
            for packets in routes
        )
        taken += push * rest
        first = min(packets[0][1] for packets in routes)
        # S18: a core's fetches follow each other, and the last group waits for its own.
        there = first + sum(cycles for _, cycles in moves)
        if rest:
            there = max(there, taken + moves[-1][1])
        there += self.chip.memory_latency_cycles if any(bits for bits, _ in moves) else 0
        work = sum(self._taking(events) for packets in routes for events, _ in packets)
        return (
            first,
            taken,
            there + costs[-1] if costs else 0,
            work + push * len(sizes),
            sum(costs),
        )

    def _taking(self, events: int) -> int:
        spec = self.controller
        return self._cycles(spec.packet_in_instructions + events * spec.event_in_instructions)

    def _group_sizes(self, consumer: int) -> list[int]:
        if not self.program.consumers[consumer].kernel:
            return []
        total = sum(events for packets in self.inputs[consumer] for events, _ in packets)
        size = self.chip.core.group_size
        return [size] * (total // size) + ([total % size] if total % size else [])
