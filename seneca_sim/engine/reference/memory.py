"""Off-core memory: the SMPU of each core and the channels that cores share (S18)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from simpy.events import Event, Timeout

from seneca_sim.engine.activity import FETCH_SLICE
from seneca_sim.engine.reference.clock import ARBITRATE, ARRIVE, PHASES, START, Bell, cycle_of
from seneca_sim.engine.reference.tally import WRITE_WORD
from seneca_sim.engine.reference.task import Task

if TYPE_CHECKING:
    from seneca_sim.engine.reference.machine import Machine

WORD_BITS = 16


class Channel:
    """One memory channel: fetches of its cores in turn, one transfer at a time."""

    def __init__(self, machine: Machine, index: int, op: int) -> None:
        self.env, self.machine, self.index, self.op = machine.env, machine, index, op
        self.bits_per_cycle = machine.chip.memory.channel_bits
        self.latency = machine.chip.memory_latency_cycles
        self.waiting: dict[int, deque[tuple[Task, Callable[[], None]]]] = {}
        self.pointer = 0
        self.bits = self.busy = 0
        self.bell = Bell(self.env)

    def request(self, core: int, task: Task, here: Callable[[], None]) -> None:
        """A core asks for a task's weights (in START); `here` is called when they are there."""
        self.waiting.setdefault(core, deque()).append((task, here))
        self.bell.ring(ARBITRATE)

    def run(self) -> Generator[Event, None, None]:
        """Each turn of the loop starts in ARBITRATE."""
        env = self.env
        yield self.bell.wait()
        while True:
            if not self.waiting:
                yield self.bell.wait()
            core = min(self.waiting, key=lambda c: (c - self.pointer) % self.machine.chip.cores)
            task, here = self.waiting[core].popleft()
            if not self.waiting[core]:
                del self.waiting[core]
            self.pointer = core + 1
            cycles = -(-task.fetch_bits // self.bits_per_cycle)
            self.busy += cycles
            self.bits += task.fetch_bits
            self._book(task)
            self.machine.log_slice(
                FETCH_SLICE,
                self.index,
                cycle_of(env),
                task.item,
                task.token,
                cycles=cycles,
                amount=task.fetch_bits,
            )
            yield Timeout(env, PHASES * cycles + ARRIVE - ARBITRATE)
            self._deliver(here)
            if self.waiting:
                yield Timeout(env, ARBITRATE - ARRIVE)

    def _book(self, task: Task) -> None:
        tally, now = self.machine.tally, cycle_of(self.env)
        tally.add(task.item, task.token, now, self.op, task.fetch_bits)
        tally.add(task.item, task.token, now, WRITE_WORD, task.fetch_bits // WORD_BITS)

    def _deliver(self, here: Callable[[], None]) -> None:
        arrival = Timeout(self.env, PHASES * self.latency)
        assert arrival.callbacks is not None
        arrival.callbacks.append(lambda _: here())


class Smpu:
    """A core's prefetcher: asks for the weights of waiting tasks, in order, a few ahead."""

    def __init__(self, machine: Machine, core: int, channel: Channel | None) -> None:
        self.env, self.core, self.channel = machine.env, core, channel
        self.depth = machine.chip.memory.prefetch
        self.held = 0
        self.tasks: deque[Task] = deque()
        self.bell = Bell(self.env)
        self.npes = Bell(self.env)

    def push(self, task: Task) -> None:
        """A task that needs weights is in the task FIFO (in ARRIVE)."""
        self.tasks.append(task)
        self.bell.ring(START)

    def release(self) -> None:
        """A task has used its weights (in ARRIVE)."""
        self.held -= 1
        self.bell.ring(START)

    def run(self) -> Generator[Event, None, None]:
        """Each turn of the loop starts in START."""
        while True:
            yield self.bell.wait()
            while self.tasks and self.held < self.depth:
                self._ask(self.tasks.popleft())

    def _ask(self, task: Task) -> None:
        assert self.channel is not None
        self.held += 1

        def here() -> None:
            task.ready = True
            self.npes.ring(START)

        self.channel.request(self.core, task, here)
