"""Closed-form estimates that mappings are chosen by: cycles of a layer, without running anything.

Cores that share groups are one `Unit` with two servers, as a core has: the controller, which takes
packets and sends them, and the NPEs, which apply groups of events and run stages. Vectors and
stages follow each other as the graph says. A vector keeps the controller for its packets (one at
least from every sender) and events, the NPEs for its groups, and with weights away the memory's
channel for its columns; it is on its way from the sender's first packet to its last, over the
network's hops and no faster than links let it in. Other tokens, and packets that meet, are left
out. docs/compiler.md says what each strategy costs by it, and how far it is from the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, isqrt

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import load_kernel
from workloads.compiler.graph import GraphSite, GraphStage, Layer, LayerGraph
from workloads.compiler.mapping import Partition, Parts, cores_of
from workloads.compiler.memory import Options
from workloads.compiler.tiles import short

Densities = Mapping[str, float]
"""Share of a sparse site's channels that are sent, by full name or by kind; 1 where not named."""


def density(densities: Densities, site: GraphSite) -> float:
    """Share of a site's channels that are sent."""
    if site.kind == "dense":
        return 1.0
    return densities.get(site.name, densities.get(short(site.name), 1.0))


@dataclass(slots=True)
class Unit:
    """Cores that share groups: when their controllers and their NPEs are free."""

    controller: float = 0.0
    npes: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A vector on its way: when its first and its last packet are there, and how many send it."""

    first: float = 0.0
    last: float = 0.0
    senders: int = 1
    channels: int = 1  # of each sender


@dataclass(frozen=True, slots=True)
class Taken:
    """What a vector keeps busy on the fullest core of a group, in cycles."""

    controller: float
    packet: float  # of it the last packet
    flits: float  # not cycles: how many come in
    groups: float = 0.0  # how many; none for a vector that is only stored
    group: float = 0.0  # of the NPEs, each
    memory: float = 0.0  # of the channel, each group on all cores behind it
    latency: float = 0.0  # from the end of a fetch to its weights
    wait: float = 0.0  # between the ends of a core's groups at least


@dataclass
class LayerEstimate:
    """Cycles of one token through one layer that is split as `parts` say."""

    graph: LayerGraph
    layer: Layer
    parts: Parts
    options: Options
    densities: Densities = field(default_factory=dict)
    units: dict[int, Unit] = field(default_factory=dict)

    def cycles(self) -> float:
        """From the entry's arrival to that of the last stage's vector."""
        server = self._servers()
        self.units = {number: Unit() for number in set(server.values())}
        there: dict[str, Sent] = {self.layer.entry: self._entry()}
        end = 0.0
        for stage in self.layer.stages:
            unit = self.units[server[stage.group]]
            needs = [there[name] for name in stage.needs if name in there]
            late = self._squeezed(stage, needs)
            for name in sorted(stage.needs, key=lambda n: there[n].first if n in there else 0.0):
                self._take(unit, stage, name, there.get(name, Sent()))
            unit.controller = max(unit.controller, late)
            end = max(end, self._run(unit, stage, there))
        return end

    # -- what is where -----------------------------------------------------------------------

    @property
    def _chip(self) -> Chip:
        return self.options.chip

    def _site(self, name: str) -> GraphSite:
        own = self.layer.site_named.get(name)
        return own if own is not None else self.graph.site_at[name][1]

    def _entry(self) -> Sent:
        """The residual stream, from cores that hold the same channels, or all of it from one."""
        site = self._site(self.layer.entry)
        if site.audience == "peer":
            return Sent(senders=1, channels=self._rows(site.group))
        return Sent(senders=1, channels=site.width)

    def _servers(self) -> dict[str, int]:
        """Group -> its server; groups that share a core share a server."""
        server: dict[str, int] = {}
        owner: dict[int, int] = {}
        for number, (group, part) in enumerate(self.parts.items()):
            known = next((owner[c] for c in part.cores if c in owner), number)
            server[group] = known
            owner |= dict.fromkeys(part.cores, known)
        return server

    def _rows(self, group: str) -> int:
        return max(high - low for low, high in self.parts[group].slices)

    @cached_property
    def _way(self) -> float:
        """Cycles of hops from end to end of the layer, laid out as a square block."""
        return 2.0 * isqrt(len(cores_of(self.parts))) * self._chip.noc.hop_cycles

    # -- taking ------------------------------------------------------------------------------

    def _take(self, unit: Unit, stage: GraphStage, name: str, sent: Sent) -> None:
        """Keep controller, channel and NPEs for a vector, and say when they are free again."""
        t = self._taking(name, stage.group, sent)
        start = max(unit.controller, sent.first)
        unit.controller = max(start + t.controller, sent.last + t.packet)
        if not t.groups or not t.group:
            return
        first = t.controller / t.groups
        begin = max(unit.npes, start + first + t.latency)
        spent = max(t.groups * max(t.group, t.wait), t.groups * t.memory + t.group)
        unit.npes = max(begin + spent, unit.controller + t.latency + t.memory + t.group)
        # A full task FIFO holds the controller back.
        ahead = (self._chip.core.task_fifo + 1) * t.group
        unit.controller = max(unit.controller, unit.npes - ahead)

    def _taking(self, name: str, group: str, sent: Sent) -> Taken:
        """A vector on the fullest core of a group."""
        chip, site = self._chip, self._site(name)
        spec = chip.core.controller
        matrix = next((m for m in self.layer.matrices_of.get(name, ()) if m.group == group), None)
        width, senders = self._incoming(site, group, sent)
        if matrix is not None:
            width, senders = matrix.columns, ceil(sent.senders * matrix.columns / site.width)
        events = width * density(self.densities, site)
        packets = senders * max(1, ceil(events / senders / chip.noc.packet_events))
        work = packets * spec.packet_in_instructions + events * spec.event_in_instructions
        last = spec.packet_in_instructions + events / packets * spec.event_in_instructions
        step = spec.cycles_per_instruction
        flits = packets * chip.noc.header_flits + events * chip.noc.event_flits
        wire = flits * chip.noc.flit_bits / chip.noc.link_bits
        if matrix is None:
            return Taken(max(work * step, wire), last * step, flits)
        groups = ceil(events / chip.core.group_size)
        work = max((work + groups * spec.task_instructions) * step, wire)
        return Taken(work, last * step, flits, groups, *self._group(group))

    def _incoming(self, site: GraphSite, group: str, sent: Sent) -> tuple[int, int]:
        """Channels of a stored vector on a core, and how many send them."""
        if site.audience == "peer":
            rows = self._rows(group)
            return rows, min(sent.senders, 1 + (rows - 1) // max(1, sent.channels))
        return site.width or site.per_core * len(self.parts[group].cores), sent.senders

    def _group(self, group: str) -> tuple[float, float, float, float]:
        """NPE cycles of a full group of events; of its columns the channel's, latency, wait."""
        chip = self._chip
        core, memory = chip.core, chip.memory
        kernel = load_kernel(self.options.precision.kernel, core.npes)
        rows = -(-self._rows(group) // (core.npes * kernel.width))
        cycles = core.task_setup_cycles + kernel.cost(rows, core.group_size).cycles
        if not self.options.shared:
            return cycles, 0.0, 0.0, 0.0
        line = core.npes * kernel.width * self.options.precision.bits
        column = -(-rows * line // memory.burst_bits) * memory.burst_bits
        fetch = core.group_size * column / memory.channel_bits
        latency = chip.memory_latency_cycles
        # A core asks for the next group when one of `prefetch` is done with.
        wait = (fetch + latency + cycles) / memory.prefetch
        return cycles, fetch * self._sharing(self.parts[group]), latency, wait

    def _sharing(self, part: Partition) -> float:
        """Cores of a group behind the channel that has most of them."""
        found: dict[int, int] = {}
        for core in part.cores:
            channel = self.options.channel_of(core)
            found[channel] = found.get(channel, 0) + 1
        return max(found.values())

    # -- stages and sending ------------------------------------------------------------------

    def _run(self, unit: Unit, stage: GraphStage, there: dict[str, Sent]) -> float:
        """Run a stage when its vectors are complete, and send what it makes: the last arrival."""
        chip, channels = self._chip, self._rows(stage.group)
        spec = chip.core.controller
        push = spec.task_instructions * spec.cycles_per_instruction
        unit.controller += push
        end = max(unit.npes, unit.controller)
        for step in stage.steps:
            kernel = load_kernel(step.kernel, chip.core.npes)
            count = step.values(len(self.parts[stage.group].cores), channels)
            rows = -(-count // (chip.core.npes * kernel.width)) * step.times
            end += chip.core.task_setup_cycles + _cycles(kernel, rows)
        unit.npes = end
        made = sending = end
        for name in stage.emits:
            made, sending, there[name] = self._send(unit, stage, name, made, sending)
            sending = max(sending, self._held(name, there[name]))
        return max([end, *(there[name].last for name in stage.emits)])

    def _send(
        self, unit: Unit, stage: GraphStage, name: str, made: float, sending: float
    ) -> tuple[float, float, Sent]:
        """Capture a vector and send it, packet after packet."""
        chip, site, cores = self._chip, self._site(name), self.parts[stage.group].cores
        spec = chip.core.controller
        alone = stage.place == "owner" or site.sender == "owner"
        sent = site.width if site.sender == "owner" else self._rows(stage.group)
        sent = site.per_core or sent
        events = sent * density(self.densities, site)
        routes = self._routes(site, sent)
        packets = routes * max(1, ceil(events / routes / chip.noc.packet_events))
        step = spec.cycles_per_instruction
        captured = max(float(packets), events / chip.core.events_per_cycle)
        work = packets * spec.packet_out_instructions + events * spec.event_out_instructions
        wire = (packets * chip.noc.header_flits + events * chip.noc.event_flits) / packets
        way = self._way + wire * chip.noc.flit_bits / chip.noc.link_bits
        first = max(made + captured / packets, sending) + work / packets * step
        made += captured
        sending = max(made + work / packets * step, sending + work * step)
        # While its way out is barred, a controller takes what comes in.
        unit.controller = max(unit.controller, min(sending, made + work * step))
        return made, sending, Sent(first + way, sending + way, 1 if alone else len(cores), sent)

    def _held(self, name: str, sent: Sent) -> float:
        """When a vector no longer bars its senders' way out, as its takers are slow.

        What queues at both ends do not hold waits in the network, and what is behind it, too.
        """
        chip, core = self._chip, self._chip.core
        held = 0.0
        for matrix in self.layer.matrices_of.get(name, ()):
            t = self._taking(name, matrix.group, sent)
            room = sent.senders * core.output_queue_flits + core.input_queue_flits
            room += (core.task_fifo + 1) * core.group_size * chip.noc.event_flits
            spent = max(t.controller, t.groups * max(t.group, t.wait, t.memory))
            held = max(held, sent.first + spent * max(0.0, 1 - room / max(1.0, t.flits)))
        return held

    def _routes(self, site: GraphSite, sent: int) -> int:
        """Ways that a sender's channels part: to cores that hold them, or to tiles' columns."""
        if site.audience == "peer" and site.name in self.layer.site_named:
            return 1 + (sent - 1) // max(1, self._rows(site.group))
        matrices = self.layer.matrices_of.get(site.name, ())
        ranges = {(m.low, m.high) for m in matrices}
        widest = max((high - low for low, high in ranges), default=sent)
        return 1 + (sent - 1) // max(1, widest)

    def _squeezed(self, stage: GraphStage, needs: list[Sent]) -> float:
        """When the links into a group's block of cores have let its own packets in.

        What many send to each core by itself has `4 w` links into a block of `w` x `w` cores.
        """
        chip, total, first = self._chip, 0.0, float("inf")
        cores = len(self.parts[stage.group].cores)
        for name, sent in zip((n for n in stage.needs), needs, strict=False):
            site = self._site(name)
            if site.audience == "peer" and sent.senders > 1:
                total += site.width * (chip.noc.event_flits + chip.noc.header_flits
                                       / chip.noc.packet_events)  # fmt: skip
                first = min(first, sent.first)
        if not total:
            return 0.0
        links = 4 * max(1, isqrt(cores))
        return first + total * chip.noc.flit_bits / chip.noc.link_bits / links


def _cycles(kernel: object, rows: int) -> int:
    """Cycles of a stage's kernel, also where a lane would have to add up more than it may."""
    c = kernel.cycles  # type: ignore[attr-defined]
    return int(c.p0 + rows * c.r0 + c.e0)
