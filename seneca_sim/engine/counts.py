"""The oracle for counts: what any engine must count, in closed form.

Written from docs/semantics.md alone, without clock, queues or events; rules are cited as S1, S2 …
It holds for every timing, because no rule lets waiting create or lose work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import Hop, crosses_boundary, links, multicast_tree
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
    channel_busy: Ints
    channel_bits: Ints


def counts(chip: Chip, program: Program, stream: EventStream) -> Counts:
    """Count what a run of `stream` does, without running it."""
    return _Counter(chip, program, stream).run()


def packet_events(chip: Chip, events: int) -> list[int]:
    """S4: events of each packet of one route and token, an announcement (no events) first."""
    size = chip.noc.packet_events
    sizes = [size] * (events // size) + ([events % size] if events % size else [])
    return [0, *sizes] if chip.core.completion == "announce" else sizes or [0]


def occupation(chip: Chip, events: int, *, between: bool = False) -> int:
    """S4, S5: cycles for which a packet occupies a link, or one `between` reticles."""
    return serial(chip, chip.noc.header_flits + events * chip.noc.event_flits, between=between)


def serial(chip: Chip, flits: int, *, between: bool = False) -> int:
    """S4, S5: cycles for which so many flits occupy a link, or one `between` reticles."""
    link_bits = chip.boundary.link_bits if between else chip.noc.link_bits
    return -(-flits * chip.noc.flit_bits // link_bits)


def copies(chip: Chip, program: Program, route: int) -> list[tuple[int, ...]]:
    """S7: the destinations of each packet that is sent: all at once, or one after another."""
    targets = program.destinations(route)
    return [(target,) for target in targets] if chip.noc.multicast == "unicast" else [targets]


def fetch(chip: Chip, program: Program, consumer: int, events: int) -> tuple[int, int]:
    """S18: (bits, cycles on the channel) of the weights of a group of events."""
    bits = events * program.fetch_bits(consumer, chip.memory.burst_bits)
    return bits, -(-bits // chip.memory.channel_bits)


def capture(chip: Chip, events: int) -> int:
    """S12: cycles of the event generator for a packet."""
    return max(1, -(-events // chip.core.events_per_cycle))


def task_cost(chip: Chip, steps: list[tuple[str, int]], group: int) -> tuple[int, Ints]:
    """S11: cycles and ops of a task: set-up for each step, at least one cycle."""
    costs = [load_kernel(kernel, chip.core.npes).cost(rows, group) for kernel, rows in steps]
    cycles = sum(chip.core.task_setup_cycles + cost.cycles for cost in costs)
    return max(1, cycles), np.sum([cost.counts for cost in costs], axis=0, dtype=np.int64)


class _Counter:
    """Adds up S4, S7, S9-S14, S16 and S18 route by route, then consumer by consumer."""

    def __init__(self, chip: Chip, program: Program, stream: EventStream) -> None:
        self.chip, self.program, self.stream = chip, program, stream
        items = len(program.consumers) + len(program.stages) + 1
        self.ops = np.zeros((items, stream.tokens, len(OPS)), np.int64)
        self.taken, self.sent, self.npe = (np.zeros(items, np.int64) for _ in range(3))
        self.busy = np.zeros((3, chip.cores), np.int64)  # controller, NPEs, event generator
        channels = chip.channel(chip.cores - 1) + 1 if chip.memory.kind != "none" else 0
        self.channels = np.zeros((2, channels), np.int64)  # cycles, bits
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
            *self.channels,
        )  # fmt: skip

    def _add(self, item: int, op: str, amount: Ints | int) -> None:
        self.ops[item, :, OP_INDEX[op]] += amount

    def _instructions(self, item: int, core: int, amount: Ints) -> None:
        self._add(item, "ctrl.instruction", amount)
        self.busy[0, core] += amount.sum() * self.chip.core.controller.cycles_per_instruction

    def _send(self, number: int, route: Route) -> None:
        events = self.stream.counts[number]
        sizes = [packet_events(self.chip, int(n)) for n in events]
        packets = np.array([len(s) for s in sizes])
        item = len(self.program.consumers) + route.stage
        item = item if route.stage != HOST_STAGE else len(self.ops) - 1
        self.sent[item] += events.sum()
        sent = copies(self.chip, self.program, number)
        for targets in sent:
            tree = multicast_tree(self.chip, route.source, targets)
            crossed = [(node, port) for node, ports in tree.items() for port in ports]
            self._cross(item, crossed, sizes)
        if route.stage != HOST_STAGE:
            self.busy[2, route.source] += sum(capture(self.chip, e) for s in sizes for e in s)
            self._add(item, "evg.event", events)
            self._add(item, "dm.write_word", 2 * events)
            self._pay_sending(item, route.source, len(sent) * events, len(sent) * packets)
        for core in self.program.destinations(number):
            self._take(route, core, events, packets)

    def _cross(self, item: int, crossed: list[Hop], sizes: list[list[int]]) -> None:
        """S5, S7: the packets of each token over router outputs."""
        noc = self.chip.noc
        flits = np.array(
            [sum(noc.header_flits + e * noc.event_flits for e in s) for s in sizes], np.int64
        )
        for hop in crossed:
            between = crosses_boundary(self.chip, hop)
            serials = sum(occupation(self.chip, e, between=between) for s in sizes for e in s)
            self.links[:, self.index[hop]] += (flits.sum(), sum(map(len, sizes)), serials)
            self._add(item, "noc.flit_hop", flits)
            self._add(item, "noc.boundary_bit", flits * noc.flit_bits * between)

    def _pay_sending(self, item: int, core: int, events: Ints, packets: Ints) -> None:
        """S13, S16: each copy is sent by itself."""
        controller = self.chip.core.controller
        self._add(item, "dm.read_word", 2 * events)
        cost = packets * controller.packet_out_instructions
        self._instructions(item, core, cost + events * controller.event_out_instructions)

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
                self._fetch(number, taker.core, times, group)
        pushes = -(-events // size) * self.chip.core.controller.task_instructions
        self._instructions(number, taker.core, pushes)

    def _fetch(self, number: int, core: int, times: Ints, group: int) -> None:
        bits, cycles = fetch(self.chip, self.program, number, group)
        if bits:
            kind = self.chip.memory.kind.replace("-", "_")
            self.channels[:, self.chip.channel(core)] += times.sum() * np.array([cycles, bits])
            self._add(number, f"mem.{kind}_bit", times * bits)
            self._add(number, "dm.write_word", times * (bits // 16))

    def _stage(self, number: int) -> None:
        stage = self.program.stages[number]
        once = np.ones(self.stream.tokens, np.int64)
        cycles, ops = task_cost(self.chip, [(s.kernel, s.rows) for s in stage.steps], 0)
        self._task(len(self.program.consumers) + number, stage.core, once, cycles, ops)
        push = self.chip.core.controller.task_instructions
        self._instructions(len(self.program.consumers) + number, stage.core, once * push)
