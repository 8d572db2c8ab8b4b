"""The oracle for time: cycles that no engine can beat, in closed form.

Written from docs/semantics.md alone; rules are cited as S1, S2 … Each bound looks at one resource,
or at one token that meets nobody.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import accumulate

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import xy_path
from seneca_sim.engine.counts import (
    Counts,
    Ints,
    capture,
    counts,
    occupation,
    packet_events,
    task_cost,
)
from seneca_sim.program import HOST_STAGE, NO_ROUTE, EventStream, Program

__all__ = ["Counts", "counts", "lower_bounds", "token_paths"]


def lower_bounds(chip: Chip, program: Program, stream: EventStream, mode: str) -> dict[str, int]:
    """Cycles that a run takes at least: the busiest unit of each kind, and the tokens' own ways.

    In ``generation`` mode tokens follow each other, otherwise they may all overlap.
    """
    known, paths = counts(chip, program, stream), token_paths(chip, program, stream)
    return {
        "npe": int(known.npe_busy.max()),
        "controller": int(known.controller_busy.max()),
        "generator": int(known.generator_busy.max()),
        "link": int(known.link_busy.max()),
        "token": int(paths.sum() if mode == "generation" else paths.max()),
    }


def token_paths(chip: Chip, program: Program, stream: EventStream) -> Ints:
    """Cycles from a token's first packet to its last answer, at least; [tokens]."""
    path = _Path(chip, program, stream)
    return np.array([path.latency(token) for token in range(stream.tokens)], np.int64)


class _Path:
    """The way of one token through an empty chip: no other token, no other sender."""

    def __init__(self, chip: Chip, program: Program, stream: EventStream) -> None:
        self.chip, self.program, self.stream = chip, program, stream
        self.controller = chip.core.controller
        self.hops = [
            {d: len(xy_path(chip, r.source, d)) for d in program.destinations(i)}
            for i, r in enumerate(program.routes)
        ]
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
                if not at_host:
                    made += capture(self.chip, events)
                    work = self.controller.packet_out_instructions
                    work += events * self.controller.event_out_instructions
                    sent = max(made, sent) + self._cycles(work)
                granted, serial = max(sent, free), occupation(self.chip, events)
                free = granted + serial
                for target, hops in self.hops[number].items():
                    arrived = granted + hops * self.chip.noc.hop_cycles + serial - 1
                    arrivals.setdefault(target, []).append((events, arrived))
            for consumer, _ in self._takers(number):
                core = self.program.consumers[consumer].core
                self.inputs.setdefault(consumer, []).append(arrivals[core])

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
        rest = bool(sizes) and sizes[-1] < self.chip.core.group_size
        taken = max(
            list(
                accumulate(packets, lambda done, p: max(done, p[1]) + self._taking(p[0]), initial=0)
            )[-1]
            for packets in routes
        )
        taken += push * rest
        work = sum(self._taking(events) for packets in routes for events, _ in packets)
        return (
            min(packets[0][1] for packets in routes),
            taken,
            taken + costs[-1] * rest if costs else 0,
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
