"""Open-loop traffic on the network alone: routers and links of the engine, ideal ends.

Each node has a source with an endless queue, which creates packets at random times and puts them
into its router as room allows, and a sink that takes every packet at once. Latency runs from the
creation of a packet to its arrival, waiting in the source included, as load-latency curves are
drawn (Dally and Towles, Principles and Practices of Interconnection Networks, chapter 23).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from simpy import Environment
from simpy.events import Event, Timeout

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import LOCAL, OPPOSITE, links, multicast_tree, neighbour
from seneca_sim.engine.reference.clock import PHASES, START, Bell, cycle_of
from seneca_sim.engine.reference.links import LinkKinds
from seneca_sim.engine.reference.network import InputBuffer, OutputPort, Sink, nobody
from seneca_sim.engine.reference.packet import Packet
from seneca_sim.engine.reference.tally import Tally
from seneca_sim.errors import InputError

Pattern = Literal["uniform", "transpose", "hot-spot"]
PATTERNS: tuple[Pattern, ...] = ("uniform", "transpose", "hot-spot")
HOT_SHARE = 0.2
"""Share of hot-spot traffic that goes to the middle node; the rest is uniform."""


@dataclass(frozen=True)
class Load:
    """One point of a load-latency curve.

    Attributes:
        pattern: who sends to whom.
        flits: length of every packet.
        offered: flits that each node creates in a cycle, on average.
        cycles: length of the measurement, after as long a warm-up.
        seed: of the random traffic.
    """

    pattern: Pattern
    flits: int
    offered: float
    cycles: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class LoadPoint:
    """What came of a load: latencies of packets created in the measurement, in cycles.

    `accepted` flits arrived per node and cycle within it; `unfinished` packets of it had not
    arrived after three more measurements' time, a sign of saturation.
    """

    load: Load
    accepted: float
    mean_latency: float
    p95_latency: float
    packets: int
    unfinished: int


def run_load(chip: Chip, load: Load) -> LoadPoint:
    """Simulate one load on a chip's network.

    Raises:
        InputError: a load outside 0 to 1, a packet longer than the network's, an odd pattern.
    """
    _check(chip, load)
    harness = _Harness(chip, load)
    harness.env.run(until=PHASES * 5 * load.cycles)
    return harness.point()


def _check(chip: Chip, load: Load) -> None:
    if load.pattern not in PATTERNS:
        raise InputError(f"pattern {load.pattern!r}; expected {', '.join(PATTERNS)}")
    if not 0 < load.offered <= 1:
        raise InputError(f"offered load {load.offered}; expected flits a node and cycle, 0 to 1")
    if not 1 <= load.flits <= chip.noc.packet_flits:
        raise InputError(f"packets of {load.flits} flits; expected 1 to {chip.noc.packet_flits}")
    if load.pattern == "transpose" and chip.columns != chip.rows:
        raise InputError("transpose traffic needs as many columns as rows")


class _Ideal:
    """A core's end of the network: takes every packet the moment it arrives."""

    whole_packets = True

    def __init__(self, env: Environment, capacity: int, arrived: Callable[[Packet, int], None]):
        self.env, self.capacity, self.arrived = env, capacity, arrived
        self.used = self.peak = 0
        self.upstream: Callable[[], None] = nobody

    def arrive(self, packet: Packet) -> None:
        """Take a packet."""
        self.used -= packet.flits
        self.upstream()
        self.arrived(packet, cycle_of(self.env))


class _Source:
    """An endless queue before a router; packets are created at the given cycles."""

    def __init__(self, env: Environment, output: InputBuffer, packets: list[Packet]) -> None:
        self.env, self.output, self.packets = env, output, deque(packets)
        self.bell = Bell(env)
        output.freed = lambda: self.bell.ring(START)

    def run(self) -> Generator[Event, None, None]:
        """Put each packet into the router when it exists and there is room, in START."""
        yield Timeout(self.env, START)
        while self.packets:
            packet = self.packets[0]
            wait = packet.created - cycle_of(self.env)
            if wait > 0:
                yield Timeout(self.env, PHASES * wait)
            while self.output.used + packet.flits > self.output.capacity:
                yield self.bell.wait()
            self.packets.popleft()
            self.output.used += packet.flits
            packet.injected = cycle_of(self.env)
            self.output.arrive(packet)


class _Harness:
    def __init__(self, chip: Chip, load: Load) -> None:
        self.chip, self.load, self.env = chip, load, Environment()
        self.latencies: list[int] = []
        self.arrived_flits = self.created = 0
        self._trees: dict[tuple[int, int], dict[int, tuple[int, ...]]] = {}
        tally = Tally(1, 1, 10**9)
        buffers = {
            (n, LOCAL): InputBuffer(self.env, n, LOCAL, chip.core.output_queue_flits)
            for n in range(chip.cores)
        }
        kinds, ports = LinkKinds(chip), {}
        for node, port in links(chip):
            if port in OPPOSITE or port == LOCAL:
                sink = self._sink(node, port, buffers)
                ports[node, port] = OutputPort(self.env, tally, kinds.of((node, port)), sink)
        for (node, _), buffer in buffers.items():
            buffer.outputs = {port: p for (n, port), p in ports.items() if n == node}
        for output in ports.values():
            self.env.process(output.run())
        packets = self._packets()
        for node in range(chip.cores):
            self.env.process(_Source(self.env, buffers[node, LOCAL], packets[node]).run())

    def _sink(self, node: int, port: int, buffers: dict[tuple[int, int], InputBuffer]) -> Sink:
        if port == LOCAL:
            return _Ideal(self.env, self.chip.core.input_queue_flits, self._arrive)
        target, noc = neighbour(self.chip, node, port), self.chip.noc
        assert target is not None
        slot = noc.packet_flits if noc.topology == "torus" else 0
        buffer = InputBuffer(self.env, target, OPPOSITE[port], noc.buffer_flits, slot)
        buffers[target, buffer.index] = buffer
        return buffer

    def _arrive(self, packet: Packet, now: int) -> None:
        if self._measured(now):
            self.arrived_flits += packet.flits
        if self._measured(packet.created):
            self.latencies.append(now - packet.created)

    def _measured(self, cycle: int) -> bool:
        return self.load.cycles <= cycle < 2 * self.load.cycles

    def _packets(self) -> list[list[Packet]]:
        """Bernoulli traffic of every node, created before it runs, so that it hangs on no order."""
        load, chip = self.load, self.chip
        rng = np.random.default_rng(load.seed)
        made: list[list[Packet]] = []
        for node in range(chip.cores):
            times = np.flatnonzero(rng.random(2 * load.cycles) < load.offered / load.flits)
            targets = self._targets(rng, node, len(times))
            self.created += sum(self._measured(int(t)) for t in times)
            made.append(
                [
                    Packet(0, 0, i, 0, load.flits, True, 0, 0, self._tree(node, int(d)), int(t))
                    for i, (t, d) in enumerate(zip(times, targets, strict=True))
                ]
            )
        return made

    def _targets(self, rng: np.random.Generator, node: int, count: int) -> NDArray[np.int64]:
        chip = self.chip
        if self.load.pattern == "transpose":
            x, y = chip.position(node)
            return np.full(count, chip.node(y, x), np.int64)
        # Uniform over all other nodes.
        targets = (node + rng.integers(1, max(2, chip.cores), count)) % chip.cores
        if self.load.pattern == "hot-spot":
            hot = chip.node(chip.columns // 2, chip.rows // 2)
            targets = np.where(rng.random(count) < HOT_SHARE, hot, targets)
        return targets

    def _tree(self, source: int, target: int) -> dict[int, tuple[int, ...]]:
        key = source, target
        if key not in self._trees:
            self._trees[key] = multicast_tree(self.chip, source, (target,))
        return self._trees[key]

    def point(self) -> LoadPoint:
        found = np.array(sorted(self.latencies) or [0])
        return LoadPoint(
            replace(self.load),
            self.arrived_flits / (self.chip.cores * self.load.cycles),
            float(found.mean()),
            float(found[min(len(found) - 1, int(0.95 * len(found)))]),
            len(self.latencies),
            self.created - len(self.latencies),
        )
