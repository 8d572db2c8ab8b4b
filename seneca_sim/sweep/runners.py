"""Who runs the points: this process, or several processes that live as long as the sweep."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

from seneca_sim.sweep.dispatch import Dispatcher
from seneca_sim.sweep.nursery import CONTEXT, ENGINE, start_loading
from seneca_sim.sweep.pool import deaf_to_interrupts
from seneca_sim.sweep.stages import COMPILE, Job, Outcome, Setup, Stages

TRIES: Final = 2
"""Processes that a point may take down before it is given up."""
LOW: Final = 1
"""Points left to a process when it gets the next portion: it never waits for one."""


class Runner(Protocol):
    """Runs points; used as a context, and for several dispatchers one after the other."""

    def begin(self, setup: Setup) -> None:
        """Say what the points have in common: before the first `run`, and when traces came in."""
        ...

    def run(self, dispatcher: Dispatcher) -> Iterator[Outcome]:
        """Run all that the dispatcher has, in the order in which it gets done."""
        ...

    def close(self, *, at_once: bool = False) -> None:
        """End."""
        ...


class Serial:
    """One point after the other in this process."""

    def __init__(self) -> None:
        self._stages: Stages | None = None

    def begin(self, setup: Setup) -> None:
        """Make the stages, or let them know what is new."""
        if self._stages is None:
            self._stages = Stages(setup)
        self._stages.setup = setup

    def run(self, dispatcher: Dispatcher) -> Iterator[Outcome]:
        """Run all points."""
        assert self._stages is not None
        while jobs := dispatcher.next_for(0):
            for job in jobs:
                outcome = self._stages.evaluate(job)
                dispatcher.learn(outcome.reads)
                dispatcher.told(0, outcome.seconds, opened=COMPILE in outcome.work)
                yield outcome

    def close(self, *, at_once: bool = False) -> None:
        """Nothing is left to end."""


@dataclass
class _Worker:
    """A process, its pipe, and what it has to do; `left` are the jobs not come back yet."""

    process: BaseProcess
    pipe: Connection
    left: list[Job] = field(default_factory=list)


class Processes:
    """A number of processes; what they need is loaded at once, while a study is still checked.

    They keep programs and traces; what travels is settings one way and numbers the other. A
    process that dies is replaced: its points run elsewhere, and the one that was running when it
    died is given up if it takes a second process down.
    """

    def __init__(self, count: int, modules: Sequence[str] = ENGINE) -> None:
        """Begin to load.

        Args:
            count: of processes.
            modules: what they need.
        """
        self._count = count
        self._setup = b""
        self._deaths: dict[int, int] = {}
        self._workers: list[_Worker] = []
        start_loading(modules)

    def begin(self, setup: Setup) -> None:
        """Start all with the setup, or send it to those that run."""
        self._setup = pickle.dumps(setup)
        if not self._workers:
            self._workers = [_start(self._setup) for _ in range(self._count)]
            return
        for worker in self._workers:
            with suppress(OSError):  # it has died, which `_hear` will find out
                worker.pipe.send_bytes(self._setup)

    def run(self, dispatcher: Dispatcher) -> Iterator[Outcome]:
        """Run all points."""
        self._feed(dispatcher)
        while busy := [worker.pipe for worker in self._workers if worker.left]:
            for pipe in wait(busy):
                number = next(i for i, w in enumerate(self._workers) if w.pipe is pipe)
                yield from self._hear(dispatcher, number)

    def _feed(self, dispatcher: Dispatcher) -> None:
        """Give the next portion to all that run out."""
        for number, worker in enumerate(self._workers):
            if len(worker.left) <= LOW and len(dispatcher):
                portion = dispatcher.next_for(number)
                worker.left += portion
                if portion:
                    with suppress(OSError):  # it has died, which `_hear` will find out
                        worker.pipe.send(portion)

    def _hear(self, dispatcher: Dispatcher, number: int) -> Iterator[Outcome]:
        worker = self._workers[number]
        try:
            outcome: Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(dispatcher, number)
            return
        worker.left = [job for job in worker.left if job.index != outcome.index]
        dispatcher.learn(outcome.reads)
        dispatcher.told(number, outcome.seconds, opened=COMPILE in outcome.work)
        self._feed(dispatcher)
        yield outcome

    def _replace(self, dispatcher: Dispatcher, number: int) -> Iterator[Outcome]:
        """Start a new process for one that died, and decide on what it was running."""
        old = self._workers[number]
        old.process.join()
        old.pipe.close()
        self._workers[number] = _start(self._setup)
        running, *rest = old.left
        deaths = self._deaths[running.index] = self._deaths.get(running.index, 0) + 1
        if deaths < TRIES:
            rest = [running, *rest]
        dispatcher.put_back(rest)
        self._feed(dispatcher)
        if deaths >= TRIES:
            code = old.process.exitcode
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            error = f"the process that ran it died, {deaths} times ({how}); is the memory enough?"
            yield Outcome(running.index, error=error, passing=True)

    def close(self, *, at_once: bool = False) -> None:
        """End all processes; `at_once` in the middle of a point."""
        for worker in self._workers:
            if at_once:
                worker.process.kill()
            worker.pipe.close()  # the end of its pipe ends a process
        for worker in self._workers:
            worker.process.join()


def _start(setup: bytes) -> _Worker:
    ours, theirs = CONTEXT.Pipe()
    with deaf_to_interrupts():
        process = CONTEXT.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
    theirs.close()
    with suppress(OSError):  # it has died, which `_hear` will find out
        ours.send_bytes(setup)
    return _Worker(process, ours)


def _work(pipe: Connection) -> None:
    """A process's life: take the setup, then portions of jobs until the pipe ends."""
    try:
        stages = Stages(pickle.loads(pipe.recv_bytes()))
        while True:
            told = pipe.recv()
            if isinstance(told, Setup):  # the same with more traces
                stages.setup = told
                continue
            for job in told:
                pipe.send(stages.evaluate(job))
    except (EOFError, OSError):
        return
