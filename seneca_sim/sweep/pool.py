"""Run several simulations side by side, one process each, and tell how far they are."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Activity, Mode
from seneca_sim.engine.choose import Engine, chosen, packets, simulator
from seneca_sim.program import EventStream, Program

POLL_SECONDS = 0.1
FEW = 10_000
"""Packets (roughly) that this process simulates while two others start, 0.6 s."""


@dataclass(frozen=True)
class Run:
    """One simulation to do."""

    chip: Chip
    program: Program
    stream: EventStream
    mode: Mode = "generation"
    log_packets: bool = False
    engine: Engine = "auto"


def simulate_many(
    runs: Sequence[Run],
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Activity]:
    """Simulate all runs, longest first, in as many processes as there are cores.

    Runs that would be done before other processes have started stay in this one.

    Args:
        runs: what to simulate; results come back in this order.
        processes: at most so many; 1 stays in this process.
        progress: called with (tokens done, tokens in all).
    """
    total = sum(run.stream.tokens for run in runs)
    workers = min(len(runs), processes or os.cpu_count() or 1)
    if workers < 2 or _spared(runs) <= FEW:
        return _one_by_one(runs, total, progress)
    done = _CONTEXT.Array(ctypes.c_int64, len(runs))
    order = sorted(range(len(runs)), key=lambda i: -int(runs[i].stream.counts.sum()))
    with worker_pool(workers, _start_worker, (done,)) as pool:
        with deaf_to_interrupts():
            futures = {i: pool.submit(_simulate, runs[i], i) for i in order}
        _watch(list(futures.values()), done, total, progress)
        return [futures[i].result() for i in range(len(runs))]


def _spared(runs: Sequence[Run]) -> int:
    """Packets that wait for nobody if all runs start at once: those of all but the longest run."""
    sizes = [packets(run.program, run.stream) for run in runs]
    return sum(sizes) - max(sizes)


# Spawned, not forked: torch's and numpy's threads do not survive a fork.
_CONTEXT = multiprocessing.get_context("spawn")


@contextmanager
def worker_pool(
    workers: int, initializer: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that ends with the block: at once if the block fails or is interrupted.

    Submit work under `deaf_to_interrupts`.
    """
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, _CONTEXT, initializer, arguments) as pool:
        try:
            yield pool
        except BaseException:  # Ctrl-C, or a run that failed: nobody wants the others any more
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            raise


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back: processes started in here never see it, this one sees it afterwards.

    A worker that dies of it while it holds the lock of the pool's queue would block all others.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would let interrupts in again when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _one_by_one(
    runs: Sequence[Run], total: int, progress: Callable[[int, int], None] | None
) -> list[Activity]:
    activities: list[Activity] = []
    before = 0
    for run in runs:

        def tell(tokens: int, before: int = before) -> None:
            if progress is not None:
                progress(before + tokens, total)

        activities.append(_activity(run, tell))
        before += run.stream.tokens
    return activities


_done: SynchronizedArray[int] | None = None


def _start_worker(done: SynchronizedArray[int]) -> None:
    global _done
    _done = done


def _simulate(run: Run, index: int) -> Activity:
    def tell(tokens: int) -> None:
        if _done is not None:
            _done[index] = tokens

    return _activity(run, tell)


def _activity(run: Run, tell: Callable[[int], None]) -> Activity:
    engine = chosen(run.engine, run.program, run.stream)
    return simulator(engine)(
        run.chip,
        run.program,
        run.stream,
        mode=run.mode,
        log_packets=run.log_packets,
        progress=tell,
    )


def _watch(
    futures: list[Future[Activity]],
    done: SynchronizedArray[int],
    total: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    pending = set(futures)
    while pending:
        _, pending = wait(pending, timeout=POLL_SECONDS)
        if progress is not None:
            progress(sum(done[:]), total)
