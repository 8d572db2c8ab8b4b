"""The oracle for counts: what any engine must count, in closed form.

Written from docs/semantics.md alone, without clock, queues or events; rules are cited as S1, S2 …
It holds for every timing, because no rule lets waiting create or lose work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links, multicast_tree
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.program import HOST_STAGE, NO_ROUTE, EventStream, Program, Route

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """Fields of `Activity` that do not depend on time, by the same names."""

    packet_hops: int
    deliveries: int
    item_ops: Ints
    token_ops: Ints
    item_events_in: Ints
    item_events_out: Ints
    item_npe_cycles: Ints
    controller_busy: Ints
    npe_busy: Ints
    generator_busy: Ints
    link_flits: Ints
    link_packets: Ints
    link_busy: Ints


def counts(chip: Chip, program: Program, stream: EventStream) -> Counts:
    """Count what a run of `stream` does, without running it."""
    return _Counter(chip, program, stream).run()


def packet_events(chip: Chip, events: int) -> list[int]:
    """S4: events of each packet of one route and token."""
    size = chip.noc.packet_events
    return [size] * (events // size) + ([events % size] if events % size or not events else [])


def occupation(chip: Chip, events: int) -> int:
    """S4: cycles for which a packet occupies a link."""
    flits = chip.noc.header_flits + events * chip.noc.event_flits
    return -(-flits * chip.noc.flit_bits // chip.noc.link_bits)


def capture(chip: Chip, events: int) -> int:
    """S12: cycles of the event generator for a packet."""
    return max(1, -(-events // chip.core.events_per_cycle))


def task_cost(chip: Chip, steps: list[tuple[str, int]], group: int) -> tuple[int, Ints]:
    """S11: cycles and ops of a task: set-up for each step, at least one cycle."""
    costs = [load_kernel(kernel, chip.core.npes).cost(rows, group) for kernel, rows in steps]
    cycles = sum(chip.core.task_setup_cycles + cost.cycles for cost in costs)
    return max(1, cycles), np.sum([cost.counts for cost in costs], axis=0, dtype=np.int64)


class _Counter:
    """Adds up S4, S7, S9-S14 and S16 route by route, then consumer by consumer."""

    def __init__(self, chip: Chip, program: Program, stream: EventStream) -> None:
        self.chip, self.program, self.stream = chip, program, stream
        items = len(program.consumers) + len(program.stages) + 1
        self.ops = np.zeros((items, stream.tokens, len(OPS)), np.int64)
        self.taken, self.sent, self.npe = (np.zeros(items, np.int64) for _ in range(3))
        self.busy = np.zeros((3, chip.cores), np.int64)  # controller, NPEs, event generator
        self.index = {link: i for i, link in enumerate(links(chip))}
        self.links = np.zeros((3, len(self.index)), np.int64)  # flits, packets, cycles
        self.deliveries = 0
        self.arriving = np.zeros((len(program.consumers), stream.tokens), np.int64)

    def run(self) -> Counts:
        for number, route in enumerate(self.program.routes):
            self._send(number, route)
        for number in range(len(self.program.consumers)):
            self._groups(number)
        for number in range(len(self.program.stages)):
            self._stage(number)
        return Counts(
            int(self.links[1].sum()), self.deliveries, self.ops.sum(axis=1), self.ops.sum(axis=0),
            self.taken, self.sent, self.npe, *self.busy, *self.links,
        )  # fmt: skip

    def _add(self, item: int, op: str, amount: Ints | int) -> None:
        self.ops[item, :, OP_INDEX[op]] += amount

    def _instructions(self, item: int, core: int, amount: Ints) -> None:
        self._add(item, "ctrl.instruction", amount)
        self.busy[0, core] += amount.sum() * self.chip.core.controller.cycles_per_instruction

    def _send(self, number: int, route: Route) -> None:
        noc, controller = self.chip.noc, self.chip.core.controller
        events = self.stream.counts[number]
        sizes = [packet_events(self.chip, int(n)) for n in events]
        packets = np.array([len(s) for s in sizes])
        flits = packets * noc.header_flits + events * noc.event_flits
        serial = sum(occupation(self.chip, e) for s in sizes for e in s)
        tree = multicast_tree(self.chip, route.source, self.program.destinations(number))
        crossed = [self.index[node, port] for node, ports in tree.items() for port in ports]
        self.links[:, crossed] += np.array([[flits.sum()], [packets.sum()], [serial]])
        item = len(self.program.consumers) + route.stage
        item = item if route.stage != HOST_STAGE else len(self.ops) - 1
        self._add(item, "noc.flit_hop", flits * len(crossed))
        self.sent[item] += events.sum()
        if route.stage != HOST_STAGE:
            self._add(item, "evg.event", events)
            self._add(item, "dm.write_word", 2 * events)
            self._add(item, "dm.read_word", 2 * events)
            cost = packets * controller.packet_out_instructions
            cost = cost + events * controller.event_out_instructions
            self._instructions(item, route.source, cost)
            self.busy[2, route.source] += sum(capture(self.chip, e) for s in sizes for e in s)
        for core in self.program.destinations(number):
            self._take(route, core, events, packets)

    def _take(self, route: Route, core: int, events: Ints, packets: Ints) -> None:
        controller = self.chip.core.controller
        self.deliveries += int(packets.sum())
        if core == self.program.host:
            return
        cost = packets * controller.packet_in_instructions
        if route.acknowledges != NO_ROUTE:
            stage = self.program.routes[route.acknowledges].stage
            self._instructions(len(self.program.consumers) + stage, core, cost)
            return
        consumer = self.program.consumer_at[route.site, core]
        self._instructions(consumer, core, cost + events * controller.event_in_instructions)
        self._add(consumer, "ctrl.memory", events * controller.event_in_memory_accesses)
        self.taken[consumer] += events.sum()
        self.arriving[consumer] += events

    def _task(self, item: int, core: int, times: Ints, cycles: int, ops: Ints) -> None:
        self.ops[item] += times[:, None] * ops
        self.npe[item] += times.sum() * cycles
        self.busy[1, core] += times.sum() * cycles

    def _groups(self, number: int) -> None:
        """S10: full groups and a rest, whatever the order of arrival."""
        taker, events, size = (
            self.program.consumers[number], self.arriving[number], self.chip.core.group_size,
        )  # fmt: skip
        if not taker.kernel:
            return
        for group in range(1, size + 1):
            times = events // size if group == size else (events % size == group).astype(np.int64)
            if times.any():
                cycles, ops = task_cost(self.chip, [(taker.kernel, taker.rows)], group)
                self._task(number, taker.core, times, cycles, ops)
        pushes = -(-events // size) * self.chip.core.controller.task_instructions
        self._instructions(number, taker.core, pushes)

    def _stage(self, number: int) -> None:
        stage = self.program.stages[number]
        once = np.ones(self.stream.tokens, np.int64)
        cycles, ops = task_cost(self.chip, [(s.kernel, s.rows) for s in stage.steps], 0)
        self._task(len(self.program.consumers) + number, stage.core, once, cycles, ops)
        push = self.chip.core.controller.task_instructions
        self._instructions(len(self.program.consumers) + number, stage.core, once * push)
