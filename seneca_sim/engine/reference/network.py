"""Routers: input buffers, output ports and the links behind them (rules S4-S7).

A packet leaves a buffer by one or more output ports. Each port sends its own copy when it wins
arbitration, its link is free and the next buffer has room for the whole packet; the copies do
not wait for each other. The buffer's place is free when the last copy has left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from simpy import Environment
from simpy.events import Event, Timeout

from seneca_sim.engine.reference.clock import ARBITRATE, ARRIVE, PHASES, Bell, cycle_of
from seneca_sim.engine.reference.packet import Packet
from seneca_sim.engine.reference.tally import BOUNDARY_BIT, FLIT_HOP, Tally


def nobody() -> None:
    """Stand in for an upstream that is not connected (the output queue has none)."""


class Sink(Protocol):
    """What is at the far end of a link: a buffer with room for `capacity` flits."""

    capacity: int
    used: int
    peak: int
    whole_packets: bool  # arrives with its last flit (an endpoint) or its first (a router)
    upstream: Callable[[], None]

    def arrive(self, packet: Packet) -> None:
        """Take the packet in; its room was reserved when it was sent."""


class InputBuffer:
    """FIFO of packets at one input of a router; its head asks at every port that it needs."""

    whole_packets = False

    def __init__(
        self, env: Environment, node: int, index: int, capacity: int, slot: int = 0
    ) -> None:
        self.env, self.node, self.index, self.capacity = env, node, index, capacity
        self.slot = slot  # room that every packet takes; 0: its own flits
        self.used = self.peak = 0
        self.packets: deque[Packet] = deque()
        self.copies_left = 0
        self.outputs: dict[int, OutputPort] = {}
        self.upstream: Callable[[], None] = nobody
        self.freed: Callable[[], None] | None = None

    def arrive(self, packet: Packet) -> None:
        """Append a packet; if it is alone it asks at once."""
        self.packets.append(packet)
        if len(self.packets) == 1:
            self._ask()

    def copy_left(self) -> None:
        """One copy of the head has left; with the last one its room is given back."""
        self.copies_left -= 1
        if self.copies_left:
            return
        packet = self.packets.popleft()
        self.used -= self.slot or packet.flits
        self.upstream()
        if self.freed is not None:
            self.freed()
        if self.packets:
            self._ask()

    def _ask(self) -> None:
        ports = self.packets[0].tree[self.node]
        self.copies_left = len(ports)
        for port in ports:
            self.outputs[port].ask(self)


@dataclass(frozen=True)
class LinkKind:
    """What a port and its link are like.

    Attributes:
        inputs: how many inputs a router has.
        hop_cycles: latency.
        serials: cycles that a packet of so many flits occupies the link.
        rotate: round-robin; else the lowest asking input always wins.
        slot: in a torus, the room that every packet takes; 0 in a mesh.
        ring_input: in a torus, the input whose packets are in this output's ring already.
        whole: hands over whole packets (a boundary between reticles).
        boundary_bits: bits of a flit that are paid for crossing a boundary; 0 within a reticle.
    """

    inputs: int
    hop_cycles: int
    serials: tuple[int, ...]
    rotate: bool = True
    slot: int = 0
    ring_input: int = -1
    whole: bool = False
    boundary_bits: int = 0


class OutputPort:
    """An output of a router with its link: arbitrates among inputs, one packet at a time."""

    def __init__(self, env: Environment, tally: Tally, kind: LinkKind, sink: Sink) -> None:
        self.env, self.tally, self.kind, self.sink = env, tally, kind, sink
        self.requests: dict[int, InputBuffer] = {}
        self.pointer = 0
        self.bell = Bell(env)
        sink.upstream = self.room_made
        self.flits = self.packets = self.busy = self.blocked = 0
        self.log: Callable[[Packet, int], None] | None = None

    def ask(self, buffer: InputBuffer) -> None:
        """A buffer's head wants this port (in ARRIVE)."""
        self.requests[buffer.index] = buffer
        self.bell.ring(ARBITRATE)

    def room_made(self) -> None:
        """The buffer at the far end has given room back (in ARRIVE)."""
        if self.requests:
            self.bell.ring(ARBITRATE)

    def choose(self) -> int:
        """S6: the first asking input at or after the pointer, -1 if there is no room for it.

        In a torus the first that has room (S19).
        """
        inputs, pointer = self.kind.inputs, self.pointer
        for index in sorted(self.requests, key=lambda i: (i - pointer) % inputs):
            if self._fits(index):
                return index
            if not self.kind.slot:
                break
        return -1

    def _fits(self, index: int) -> bool:
        need = self.requests[index].packets[0].flits
        if self.kind.slot:
            # Entering a ring leaves a bubble: one more packet's room behind the link.
            need = self.kind.slot * (1 if index == self.kind.ring_input else 2)
        return self.sink.used + need <= self.sink.capacity

    def run(self) -> Generator[Event, None, None]:
        """Arbitrate, send, repeat; each turn of the loop starts in ARBITRATE."""
        env, serials, rotate = self.env, self.kind.serials, self.kind.rotate
        blocked_since = -1
        yield self.bell.wait()
        while True:
            if not self.requests:
                yield self.bell.wait()
            index = self.choose()
            if index < 0:
                if blocked_since < 0:
                    blocked_since = cycle_of(env)
                yield self.bell.wait()
                continue
            if blocked_since >= 0:
                self.blocked += cycle_of(env) - blocked_since
                blocked_since = -1
            buffer = self.requests.pop(index)
            packet = buffer.packets[0]
            if rotate:
                self.pointer = (index + 1) % self.kind.inputs
            self._send(packet)
            yield Timeout(env, PHASES * serials[packet.flits] + ARRIVE - ARBITRATE)
            buffer.copy_left()
            if self.requests:
                yield Timeout(env, ARBITRATE - ARRIVE)

    def _send(self, packet: Packet) -> None:
        """S5: reserve the whole packet's room; its first flit is over after `hop` cycles."""
        sink, kind = self.sink, self.kind
        serial = kind.serials[packet.flits]
        sink.used += kind.slot or packet.flits
        if sink.used > sink.peak:
            sink.peak = sink.used
        self.flits += packet.flits
        self.packets += 1
        self.busy += serial
        if self.log is not None:
            self.log(packet, serial)
        now = cycle_of(self.env)
        self.tally.add(packet.item, packet.token, now, FLIT_HOP, packet.flits)
        if kind.boundary_bits:
            bits = packet.flits * kind.boundary_bits
            self.tally.add(packet.item, packet.token, now, BOUNDARY_BIT, bits)
        cycles = kind.hop_cycles + (serial - 1 if kind.whole or sink.whole_packets else 0)
        arrival = Timeout(self.env, PHASES * cycles + ARRIVE - ARBITRATE)
        assert arrival.callbacks is not None
        arrival.callbacks.append(lambda _: sink.arrive(packet))
