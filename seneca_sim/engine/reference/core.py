"""A core: controller, NPEs behind a task FIFO, event generator; four queues join them (S8-S14)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simpy import Environment
from simpy.events import Event, Timeout

from seneca_sim.cost.timing import capture_cycles, closing_group
from seneca_sim.engine.activity import BLOCKED_SLICE, CAPTURE_SLICE, STARVED_SLICE
from seneca_sim.engine.reference.clock import ARRIVE, PHASES, START, Bell, cycle_of
from seneca_sim.engine.reference.network import nobody
from seneca_sim.engine.reference.packet import Packet
from seneca_sim.engine.reference.tally import EVENT, INSTRUCTION, READ_WORD, WRITE_WORD
from seneca_sim.engine.reference.task import Task

if TYPE_CHECKING:
    from seneca_sim.engine.reference.machine import Machine
    from seneca_sim.engine.reference.memory import Smpu
    from seneca_sim.engine.reference.network import InputBuffer

WORDS_PER_EVENT = 2  # a graded event in data memory: 16-bit id and BF16 value


class InputQueue:
    """The core's event input; the controller reads packets from it in order (S8)."""

    whole_packets = True

    def __init__(self, env: Environment, core: int, capacity: int) -> None:
        self.env, self.core, self.capacity = env, core, capacity
        self.used = self.peak = 0
        self.packets: deque[Packet] = deque()
        self.upstream: Callable[[], None] = nobody
        self.reader = Bell(env)

    def arrive(self, packet: Packet) -> None:
        """A whole packet is in the queue."""
        packet.visits[self.core] = [cycle_of(self.env), -1, 0]
        self.packets.append(packet)
        self.reader.ring(START)

    def release(self, packet: Packet) -> None:
        """The controller is done with the head; its room is given back."""
        self.packets.popleft()
        self.used -= packet.flits
        self.upstream()


class Activeness:
    """How long at least one unit of a core is at work: for clock gating (S20)."""

    __slots__ = ("cycles", "env", "since", "units")

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.cycles = self.units = self.since = 0

    def begin(self) -> None:
        """A unit starts."""
        if not self.units:
            self.since = cycle_of(self.env)
        self.units += 1

    def end(self) -> None:
        """A unit stops."""
        self.units -= 1
        if not self.units:
            self.cycles += cycle_of(self.env) - self.since


class Npes:
    """Loop buffer and NPEs: run one task after another from the FIFO (S11)."""

    def __init__(
        self, machine: Machine, core: int, generator: EventGenerator, smpu: Smpu, active: Activeness
    ) -> None:
        self.env, self.machine, self.core = machine.env, machine, core
        self.generator, self.smpu, self.active = generator, smpu, active
        self.depth = machine.chip.core.task_fifo
        self.fifo: deque[Task] = deque()
        self.peak = self.busy = self.starved = 0
        self.bell = smpu.npes
        self.room = Bell(self.env)

    def push(self, task: Task) -> None:
        """Called by the controller when there is room (in ARRIVE)."""
        self.fifo.append(task)
        task.pushed = cycle_of(self.env)
        self.peak = max(self.peak, len(self.fifo))
        if task.fetch_bits:
            self.smpu.push(task)
        self.bell.ring(START)

    def run(self) -> Generator[Event, None, None]:
        """Each turn of the loop starts in START."""
        env, machine = self.env, self.machine
        yield self.bell.wait()
        while True:
            if not self.fifo:
                yield self.bell.wait()
            if not self.fifo[0].ready:
                yield from self._starve()
            task = self.fifo.popleft()
            self.room.ring_next_cycle()
            self.busy += task.cycles
            machine.start_task(task, self.core)
            self.active.begin()
            yield Timeout(env, PHASES * task.cycles + ARRIVE - START)
            self.active.end()
            if task.fetch_bits:
                self.smpu.release()
            if task.stage >= 0:
                machine.stage_done(task)
                self.generator.push(task)
            if self.fifo:
                yield Timeout(env, START - ARRIVE)

    def _starve(self) -> Generator[Event, None, None]:
        """S18: the next task's weights are still on their way."""
        since = cycle_of(self.env)
        while not self.fifo[0].ready:
            yield self.bell.wait()
        self.starved += cycle_of(self.env) - since
        task = self.fifo[0]
        self.machine.log_slice(STARVED_SLICE, self.core, since, task.item, task.token)


class EventGenerator:
    """Turns a finished stage into packets in the output buffer, route by route (S12)."""

    def __init__(self, machine: Machine, core: int, active: Activeness) -> None:
        self.env, self.machine, self.core, self.active = machine.env, machine, core, active
        self.jobs: deque[Task] = deque()
        self.output: deque[Packet] = deque()
        self.busy = 0
        self.bell = Bell(self.env)
        self.reader = Bell(self.env)

    def push(self, task: Task) -> None:
        """A stage is done (in ARRIVE)."""
        self.jobs.append(task)
        self.bell.ring(START)

    def run(self) -> Generator[Event, None, None]:
        """Each turn of the loop starts in START."""
        env, machine = self.env, self.machine
        per_cycle = machine.chip.core.events_per_cycle
        yield self.bell.wait()
        while True:
            if not self.jobs:
                yield self.bell.wait()
            task = self.jobs.popleft()
            for packet in machine.packets_of(task.stage, task.token):
                cycles = capture_cycles(packet.events, per_cycle)
                self.busy += cycles
                machine.log_slice(
                    CAPTURE_SLICE,
                    self.core,
                    cycle_of(env),
                    packet.route,
                    packet.token,
                    cycles=cycles,
                    amount=packet.events,
                )
                machine.book(packet, EVENT, packet.events)
                machine.book(packet, WRITE_WORD, WORDS_PER_EVENT * packet.events)
                self.active.begin()
                yield Timeout(env, PHASES * cycles + ARRIVE - START)
                self.active.end()
                packet.created = cycle_of(env)
                self.output.extend(machine.copies(packet))
                self.reader.ring(START)
                yield Timeout(env, START - ARRIVE)


@dataclass(slots=True)
class Vector:
    """What the controller remembers of a consumer's vector of one token."""

    open_events: int = 0
    ends: int = 0
    due: int = 0  # events announced and not taken yet


class Controller:
    """The RISC-V: takes packets, forms groups, starts stages, sends what waits (S8-S10, S13)."""

    def __init__(
        self,
        machine: Machine,
        core: int,
        inputs: InputQueue,
        npes: Npes,
        generator: EventGenerator,
        output: InputBuffer,
        active: Activeness,
    ) -> None:
        self.env, self.machine, self.core, self.active = machine.env, machine, core, active
        self.spec, self.group_size = machine.chip.core.controller, machine.chip.core.group_size
        self.inputs, self.npes, self.generator, self.output = inputs, npes, generator, output
        self.busy = self.blocked = self.output_blocked = 0
        self.vectors: dict[tuple[int, int], Vector] = {}
        self.waiting: dict[tuple[int, int], int] = {}
        self.bell = inputs.reader = generator.reader = Bell(self.env)
        output.freed = lambda: self.bell.ring(START)

    def run(self) -> Generator[Event, None, None]:
        """S8: input first; each turn of the loop starts in START."""
        env = self.env
        blocked_since = -1
        yield self.bell.wait()
        while True:
            sendable = bool(self.generator.output) and self._may_send(self.generator.output[0])
            if self.generator.output and not sendable and blocked_since < 0:
                blocked_since = cycle_of(env)
            if self.inputs.packets and not (self._stuck() and not sendable):
                yield from self._receive(self.inputs.packets[0])
            elif sendable:
                if blocked_since >= 0:
                    self.output_blocked += cycle_of(env) - blocked_since
                    blocked_since = -1
                yield from self._send(self.generator.output.popleft())
            else:
                yield self.bell.wait()
                continue
            yield Timeout(env, START - ARRIVE)

    # -- receiving ---------------------------------------------------------------------------

    def _receive(self, packet: Packet) -> Generator[Event, None, None]:
        """S9: header, events, groups as they fill, then what the end of the vector sets off."""
        machine, spec = self.machine, self.spec
        visit, blocked = packet.visits[self.core], self.blocked
        visit[1] = cycle_of(self.env)
        item = machine.consumer_of(packet, self.core)
        instructions = spec.packet_in_instructions
        if item < 0:
            yield from self._work(machine.credited_item(packet), packet.token, instructions)
            machine.credit(packet)
        else:
            machine.take_events(item, packet)
            yield from self._take(item, packet, instructions)
        self.inputs.release(packet)
        visit[2] = self.blocked - blocked
        machine.finish(packet, self.core)

    def _take(self, item: int, packet: Packet, instructions: int) -> Generator[Event, None, None]:
        machine, spec, token = self.machine, self.spec, packet.token
        vector = self.vectors.get((item, token))
        if vector is None:
            machine.open_vector(item, token)
            vector = self.vectors[item, token] = Vector()
        left = packet.events
        grouped = machine.grouped[item]
        while grouped and (closing := closing_group(vector.open_events, left, self.group_size)):
            left -= closing
            vector.open_events = 0
            instructions += closing * spec.event_in_instructions + spec.task_instructions
            yield from self._work(item, token, instructions)
            yield from self._push(machine.group_task(item, token, self.group_size))
            instructions = 0
        instructions += left * spec.event_in_instructions
        vector.open_events += left if grouped else 0
        vector.ends += packet.last
        vector.due += packet.announced - (packet.events if machine.announcing else 0)
        if vector.ends == machine.program.sources[item] and not vector.due:
            yield from self._complete(item, token, vector, instructions)
        else:
            yield from self._work(item, token, instructions)

    def _complete(
        self, item: int, token: int, vector: Vector, instructions: int
    ) -> Generator[Event, None, None]:
        """S10: close the open group, then start the stage if this was the last vector it needs."""
        machine, spec = self.machine, self.spec
        del self.vectors[item, token]
        if vector.open_events:
            instructions += spec.task_instructions
            yield from self._work(item, token, instructions)
            yield from self._push(machine.group_task(item, token, vector.open_events))
            instructions = 0
        stage = machine.program.stage_of[item]
        complete = self.waiting.pop((stage, token), 0) + 1
        if complete < len(machine.program.stages[stage].needs):
            self.waiting[stage, token] = complete
            yield from self._work(item, token, instructions)
            return
        task = machine.stage_task(stage, token)
        now = cycle_of(self.env)
        machine.tally.add(task.item, token, now, INSTRUCTION, spec.task_instructions)
        yield from self._work(item, token, instructions, spec.task_instructions)
        yield from self._push(task)

    def _push(self, task: Task) -> Generator[Event, None, None]:
        """Wait for room in the task FIFO; room made in a cycle is used in the next one."""
        npes = self.npes
        if len(npes.fifo) >= npes.depth:
            since = cycle_of(self.env)
            yield npes.room.wait()
            self.blocked += cycle_of(self.env) - since
            self.machine.log_slice(BLOCKED_SLICE, self.core, since, task.item, task.token)
        npes.push(task)

    def _work(
        self, item: int, token: int, instructions: int, booked: int = 0
    ) -> Generator[Event, None, None]:
        """Run instructions, `booked` of them already; ends in ARRIVE. None take no time."""
        if not instructions + booked:
            return
        cycles = (instructions + booked) * self.spec.cycles_per_instruction
        self.busy += cycles
        env = self.env
        self.machine.tally.add(item, token, cycle_of(env), INSTRUCTION, instructions)
        phase = int(env.now) % PHASES
        self.active.begin()
        yield Timeout(env, PHASES * cycles - phase)
        self.active.end()

    # -- sending -----------------------------------------------------------------------------

    def _may_send(self, packet: Packet) -> bool:
        """S13: room for the whole packet in the output queue, and the window is open."""
        room = self.output.used + packet.flits <= self.output.capacity
        return room and self.machine.window_open(packet.route, packet.token)

    def _stuck(self) -> bool:
        """S21: the unsafe option waits for the output queue and serves no input meanwhile."""
        waiting = self.generator.output
        if not self.machine.chip.core.unsafe_blocking_send or not waiting:
            return False
        return self.machine.window_open(waiting[0].route, waiting[0].token)

    def _send(self, packet: Packet) -> Generator[Event, None, None]:
        spec, output = self.spec, self.output
        output.used += packet.flits
        output.peak = max(output.peak, output.used)
        instructions = spec.packet_out_instructions + packet.events * spec.event_out_instructions
        self.machine.book(packet, READ_WORD, WORDS_PER_EVENT * packet.events)
        yield from self._work(packet.item, packet.token, instructions)
        packet.injected = cycle_of(self.env)
        output.arrive(packet)
