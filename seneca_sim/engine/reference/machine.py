"""The machine: declares every part of a chip, connects them, and answers their questions.

Elaboration is apart from running: `Machine` builds parts and wires, `start` creates the processes.
Parts hold no model of the program; what they need to know of it they ask here.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from simpy import Environment

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import (
    HOST,
    LOCAL,
    OPPOSITE,
    Hop,
    links,
    multicast_tree,
    neighbour,
    xy_path,
)
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.cost.timing import packet_flits, task_cycles
from seneca_sim.engine.activity import (
    LINK_SLICE,
    PACKET_FIELDS,
    SLICE_FIELDS,
    TASK_SLICE,
    WHOLE_RUN,
    LogWindow,
)
from seneca_sim.engine.reference.clock import PHASES, cycle_of
from seneca_sim.engine.reference.core import (
    Activeness,
    Controller,
    EventGenerator,
    InputQueue,
    Npes,
)
from seneca_sim.engine.reference.host import Host
from seneca_sim.engine.reference.links import LinkKinds
from seneca_sim.engine.reference.log import Log
from seneca_sim.engine.reference.memory import Channel, Smpu
from seneca_sim.engine.reference.network import InputBuffer, OutputPort, Sink
from seneca_sim.engine.reference.packet import Packet
from seneca_sim.engine.reference.tally import CONTROLLER_MEMORY, Tally
from seneca_sim.engine.reference.task import Task
from seneca_sim.errors import InputError
from seneca_sim.program import NO_ROUTE, EventStream, Program


class Machine:
    """All parts of one run."""

    def __init__(
        self,
        chip: Chip,
        program: Program,
        stream: EventStream,
        *,
        generation: bool,
        window_cycles: int,
        log_packets: bool,
        log_slices: bool = False,
        log_window: LogWindow = WHOLE_RUN,
        first_cycle: int = 0,
    ) -> None:
        self.env = Environment(PHASES * first_cycle)
        self.chip, self.program, self.stream = chip, program, stream
        self.generation = generation
        consumers, stages = len(program.consumers), len(program.stages)
        self.host_item = consumers + stages
        self.tally = Tally(self.host_item + 1, stream.tokens, window_cycles)
        self.events_in = [0] * (self.host_item + 1)
        self.events_out = [0] * (self.host_item + 1)
        self.npe_cycles = [0] * (self.host_item + 1)
        self.token_start = np.full(stream.tokens, -1, np.int64)
        self.token_done = np.full(stream.tokens, -1, np.int64)
        self.stage_cycle = np.full((stages, stream.tokens), -1, np.int64)
        self.finished = [0] * stages  # tokens that the stage has finished
        self.answers = sum(
            n
            for n, c in zip(program.sources, program.consumers, strict=True)
            if c.core == program.host
        )
        spans = ("created", "done"), ("since", "end")
        self.packet_log = Log(PACKET_FIELDS, spans[0], log_window) if log_packets else None
        self.slice_log = Log(SLICE_FIELDS, spans[1], log_window) if log_slices else None
        self.deliveries = 0
        self.last_cycle = 0
        self.announcing = chip.core.completion == "announce"
        self.unicast = chip.noc.multicast == "unicast"
        self.fetch_bits = [program.fetch_bits(i, chip.memory.burst_bits) for i in range(consumers)]
        self.grouped = [bool(c.kernel) for c in program.consumers]
        self._trees = [
            multicast_tree(chip, r.source, program.destinations(i))
            for i, r in enumerate(program.routes)
        ]
        self._ways = {
            (i, d): multicast_tree(chip, r.source, (d,))
            for i, r in enumerate(program.routes if self.unicast else ())
            for d in program.destinations(i)
        }
        self._credits: dict[tuple[int, int], int] = {}
        self._tasks: dict[tuple[int, int], Task] = {}
        self._build()

    # -- elaboration -------------------------------------------------------------------------

    def _build(self) -> None:
        env, chip = self.env, self.chip
        core = chip.core
        nodes = range(chip.cores)
        self.outputs = [InputBuffer(env, n, LOCAL, core.output_queue_flits) for n in nodes]
        self.inputs = [InputQueue(env, n, core.input_queue_flits) for n in nodes]
        host_output = InputBuffer(env, chip.host_node, HOST, chip.host.queue_flits)
        self.host = Host(self, host_output)
        self.buffers = {(n, LOCAL): buffer for n, buffer in enumerate(self.outputs)}
        self.buffers[chip.host_node, HOST] = host_output
        self.links = links(chip)
        kinds = LinkKinds(chip)
        self.ports = [
            OutputPort(env, self.tally, kinds.of(link), self._sink(link)) for link in self.links
        ]
        if self.slice_log is not None:
            for index, port in enumerate(self.ports):
                port.log = partial(self._log_link, index)
        port_at = dict(zip(self.links, self.ports, strict=True))
        for (node, _), buffer in self.buffers.items():
            buffer.outputs = {port: p for (n, port), p in port_at.items() if n == node}
        self._build_cores()

    def _build_cores(self) -> None:
        nodes = range(self.chip.cores)
        self.active = [Activeness(self.env) for _ in nodes]
        self.channels = self._channels()
        self.smpus = [
            Smpu(self, n, self.channels[self.chip.channel(n)] if self.channels else None)
            for n in nodes
        ]
        self.generators = [EventGenerator(self, n, self.active[n]) for n in nodes]
        self.npes = [
            Npes(self, n, self.generators[n], self.smpus[n], self.active[n]) for n in nodes
        ]
        self.controllers = [
            Controller(
                self, n, self.inputs[n], self.npes[n], self.generators[n], self.outputs[n],
                self.active[n],
            )
            for n in nodes
        ]  # fmt: skip

    def _channels(self) -> list[Channel]:
        kind = self.chip.memory.kind
        if kind == "none":
            return []
        op = OP_INDEX[f"mem.{kind.replace('-', '_')}_bit"]
        count = self.chip.channel(self.chip.cores - 1) + 1
        return [Channel(self, index, op) for index in range(count)]

    def _sink(self, link: Hop) -> Sink:
        node, port = link
        if port == LOCAL:
            return self.inputs[node]
        if port == HOST:
            return self.host
        target = neighbour(self.chip, node, port)
        assert target is not None
        noc = self.chip.noc
        slot = noc.packet_flits if noc.topology == "torus" else 0
        buffer = InputBuffer(self.env, target, OPPOSITE[port], noc.buffer_flits, slot)
        self.buffers[target, buffer.index] = buffer
        return buffer

    def start(self, shuffle: int | None = None) -> None:
        """Create the processes; their order must not matter, which `shuffle` (a seed) tries."""
        parts: list[Any] = [*self.ports, *self.controllers, *self.npes, *self.generators]
        parts += [*self.smpus, *self.channels, self.host]
        if shuffle is not None:
            random.Random(shuffle).shuffle(parts)
        for part in parts:
            self.env.process(part.run())

    # -- packets -----------------------------------------------------------------------------

    def packets_of(self, stage: int, token: int) -> Iterator[Packet]:
        """What a finished stage sends, in order."""
        return self._packets(self.program.stages[stage].emits, token)

    def host_packets(self, token: int) -> Iterator[Packet]:
        """What the host sends for a token, in order."""
        for packet in self._packets(self.program.host_routes, token):
            yield from self.copies(packet)

    def copies(self, packet: Packet) -> list[Packet]:
        """A packet as it is sent: once (a multicast), or once for each destination (unicast)."""
        if not self.unicast:
            return [packet]
        destinations = self.program.destinations(packet.route)
        return [replace(packet, tree=self._ways[packet.route, d], visits={}) for d in destinations]

    def _packets(self, routes: Iterable[int], token: int) -> Iterator[Packet]:
        """S4: full packets first; the last one ends the vector, even when it is empty.

        With announcements a packet without events goes ahead and says how many will follow.
        """
        size = self.chip.noc.packet_events
        for route in routes:
            total = int(self.stream.counts[route, token])
            stage = self.program.routes[route].stage
            item = len(self.program.consumers) + stage if stage >= 0 else self.host_item
            self.events_out[item] += total
            sizes = [min(size, total - at) for at in range(0, total, size)] or [0]
            if self.announcing:
                sizes = [0, *sizes] if total else [0]
            for sequence, events in enumerate(sizes):
                ends = sequence == 0 if self.announcing else sequence == len(sizes) - 1
                announced = total if self.announcing and ends else 0
                yield self._packet(route, token, sequence, events, ends, announced, item)

    def _packet(
        self,
        route: int,
        token: int,
        sequence: int,
        events: int,
        last: bool,
        announced: int,
        item: int,
    ) -> Packet:
        noc = self.chip.noc
        flits = packet_flits(events, noc.header_flits, noc.event_flits)
        tree = self._trees[route]
        return Packet(route, token, sequence, events, flits, last, announced, item, tree, -1)

    def consumer_of(self, packet: Packet, core: int) -> int:
        """The consumer a packet is for; -1 for a credit."""
        route = self.program.routes[packet.route]
        if route.acknowledges != NO_ROUTE:
            return -1
        return self.program.consumer_at[route.site, core]

    def finish(self, packet: Packet, core: int) -> None:
        """A destination is done with a packet."""
        self.deliveries += 1
        arrived, started, stalled = packet.visits.pop(core)
        if self.packet_log is None:
            return
        self.packet_log.add(
            packet.route,
            packet.token,
            packet.sequence,
            core,
            packet.events,
            packet.flits,
            # Router outputs crossed, the one into the core or the host included (S7).
            len(xy_path(self.chip, self.program.routes[packet.route].source, core)),
            packet.created,
            packet.injected,
            arrived,
            started,
            cycle_of(self.env),
            stalled,
        )

    # -- windows and credits (S14) -----------------------------------------------------------

    def window_open(self, route: int, token: int) -> bool:
        """Whether every destination has acknowledged token - W of a windowed route."""
        window = self.chip.core.window
        if not self.program.routes[route].window or token < window:
            return True
        return self._credits.get((route, token - window), 0) == len(
            self.program.destinations(route)
        )

    def credit(self, packet: Packet) -> None:
        """An acknowledgement has arrived."""
        route = self.program.routes[packet.route].acknowledges
        key = route, packet.token
        self._credits[key] = self._credits.get(key, 0) + 1

    def credited_item(self, packet: Packet) -> int:
        """Who pays for taking a credit: the stage that sends the acknowledged route."""
        stage = self.program.routes[self.program.routes[packet.route].acknowledges].stage
        return len(self.program.consumers) + stage

    def open_vector(self, item: int, token: int) -> None:
        """Check that a vector's slot is free: at most W tokens in flight at a consumer."""
        stage = self.program.stage_of[item]
        if token - self.finished[stage] >= self.chip.core.window:
            site = self.program.sites[self.program.consumers[item].site].name
            raise InputError(
                f"program {self.program.name}: token {token} of {site} reaches core "
                f"{self.program.consumers[item].core} while token {self.finished[stage]} is still "
                f"there (window {self.chip.core.window}); a windowed route must guard this site"
            )

    # -- tasks -------------------------------------------------------------------------------

    def group_task(self, item: int, token: int, events: int) -> Task:
        """The task that applies a group of events to a consumer's rows."""
        key = item, events
        if key not in self._tasks:
            consumer = self.program.consumers[item]
            cycles, counts = self._run_of(consumer.kernel, consumer.rows, events)
            cycles = task_cycles(self.chip.core.task_setup_cycles, cycles, 0, 0)
            self._tasks[key] = Task(item, -1, cycles, self.tally.kind(counts))
        template = self._tasks[key]
        bits = events * self.fetch_bits[item]
        return Task(item, token, template.cycles, template.kind, -1, bits, not bits, events)

    def stage_task(self, stage: int, token: int) -> Task:
        """The task that runs a stage's kernels one after another."""
        item = len(self.program.consumers) + stage
        key = item, 0
        if key not in self._tasks:
            runs = [self._run_of(s.kernel, s.rows, 0) for s in self.program.stages[stage].steps]
            cycles = task_cycles(
                self.chip.core.task_setup_cycles * len(runs), sum(c for c, _ in runs), 0, 0
            )
            counts = tuple(map(sum, zip(*(k for _, k in runs), strict=True)))
            self._tasks[key] = Task(item, -1, cycles, self.tally.kind(counts))
        template = self._tasks[key]
        return Task(item, token, template.cycles, template.kind, stage)

    def _run_of(self, kernel: str, rows: int, events: int) -> tuple[int, tuple[int, ...]]:
        cost = load_kernel(kernel, self.chip.core.npes).cost(rows, events)
        return cost.cycles, cost.counts

    def start_task(self, task: Task, core: int) -> None:
        """The NPEs begin a task."""
        now = cycle_of(self.env)
        self.npe_cycles[task.item] += task.cycles
        self.tally.task(task.item, task.token, now, task.kind)
        self.log_slice(
            TASK_SLICE,
            core,
            task.pushed,
            task.item,
            task.token,
            start=now,
            cycles=task.cycles,
            amount=task.events,
        )

    def stage_done(self, task: Task) -> None:
        """The NPEs have finished a stage."""
        self.stage_cycle[task.stage, task.token] = cycle_of(self.env)
        self.finished[task.stage] = task.token + 1

    # -- the log of slices ---------------------------------------------------------------------

    def log_slice(
        self,
        unit: int,
        place: int,
        since: int,
        item: int,
        token: int,
        *,
        start: int = -1,
        cycles: int = 0,
        amount: int = 0,
    ) -> None:
        """Log what a unit does from `start` for `cycles`, or has done from `since` to now."""
        if self.slice_log is not None:
            begun = since if start < 0 else start
            end = begun + cycles if cycles else cycle_of(self.env)
            self.slice_log.add(unit, place, since, begun, end, token, item, amount)

    def _log_link(self, index: int, packet: Packet, cycles: int) -> None:
        self.log_slice(
            LINK_SLICE,
            index,
            cycle_of(self.env),
            packet.route,
            packet.token,
            cycles=cycles,
            amount=packet.flits,
        )

    # -- booking -----------------------------------------------------------------------------

    def book(self, packet: Packet, op: int, amount: int) -> None:
        """Book actions on a packet's way out."""
        self.tally.add(packet.item, packet.token, cycle_of(self.env), op, amount)

    def take_events(self, item: int, packet: Packet) -> None:
        """Book a packet's events as they reach a consumer."""
        self.events_in[item] += packet.events
        accesses = packet.events * self.chip.core.controller.event_in_memory_accesses
        self.tally.add(item, packet.token, cycle_of(self.env), CONTROLLER_MEMORY, accesses)
