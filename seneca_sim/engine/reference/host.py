"""The host: offers tokens, takes what the chip answers; an ideal endpoint behind one port (S15)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from simpy.events import Event, Timeout

from seneca_sim.engine.reference.clock import START, Bell, cycle_of
from seneca_sim.engine.reference.network import nobody
from seneca_sim.engine.reference.packet import Packet

if TYPE_CHECKING:
    from seneca_sim.engine.reference.machine import Machine
    from seneca_sim.engine.reference.network import InputBuffer


class Host:
    """Sends every token's host routes in order; a token is done when all its answers are in."""

    whole_packets = True

    def __init__(self, machine: Machine, output: InputBuffer) -> None:
        self.env, self.machine, self.output = machine.env, machine, output
        self.capacity = machine.chip.host.queue_flits
        self.used = self.peak = 0
        self.upstream: Callable[[], None] = nobody
        self.bell = Bell(self.env)
        output.freed = lambda: self.bell.ring(START)
        self.ends = [0] * machine.stream.tokens
        self.due = [0] * machine.stream.tokens
        self.done = 0
        self.progress: Callable[[int], None] | None = None

    def arrive(self, packet: Packet) -> None:
        """A whole packet is taken the moment it arrives."""
        machine, host = self.machine, self.machine.program.host
        now = cycle_of(self.env)
        packet.visits[host] = [now, now, 0]
        self.used -= packet.flits
        self.upstream()
        if machine.consumer_of(packet, host) < 0:
            machine.credit(packet)
        else:
            self._answer(packet, now)
        machine.finish(packet, host)
        self.bell.ring(START)

    def _answer(self, packet: Packet, now: int) -> None:
        token = packet.token
        self.ends[token] += packet.last
        self.due[token] += packet.announced - (packet.events if self.machine.announcing else 0)
        if self.ends[token] == self.machine.answers and not self.due[token]:
            self.machine.token_done[token] = now
            self.done += 1
            if self.progress is not None:
                self.progress(self.done)

    def run(self) -> Generator[Event, None, None]:
        """Offer token after token, in START."""
        machine, env = self.machine, self.env
        yield Timeout(env, START)
        for token in range(machine.stream.tokens):
            while not self._asked_for(token):
                yield self.bell.wait()
            for number, packet in enumerate(machine.host_packets(token)):
                while not self._may_send(packet):
                    yield self.bell.wait()
                if number == 0:
                    machine.token_start[token] = cycle_of(env)
                self._send(packet)

    def _asked_for(self, token: int) -> bool:
        """Generation: a sequence's next token is known when its last one is answered."""
        before = token - self.machine.program.sequences
        if not self.machine.generation or before < 0:
            return True
        return bool(self.machine.token_done[before] >= 0)

    def _may_send(self, packet: Packet) -> bool:
        room = self.output.used + packet.flits <= self.output.capacity
        return room and self.machine.window_open(packet.route, packet.token)

    def _send(self, packet: Packet) -> None:
        self.output.used += packet.flits
        self.output.peak = max(self.output.peak, self.output.used)
        packet.created = packet.injected = cycle_of(self.env)
        self.output.arrive(packet)
