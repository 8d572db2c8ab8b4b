"""A sweep: what the store does not have yet is run, and each outcome is stored as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import Any, Final

from seneca_sim import __version__
from seneca_sim.errors import Finding, InputError
from seneca_sim.results.ids import MODEL_VERSION
from seneca_sim.results.store import Record, Store, Writer
from seneca_sim.results.store.record import BROKEN, FAILED, OK, flat
from seneca_sim.sweep.dispatch import Dispatcher, spread
from seneca_sim.sweep.keys import Keys
from seneca_sim.sweep.metrics import BEYOND_ID
from seneca_sim.sweep.plan import Plan, Point
from seneca_sim.sweep.resolve import Case, resolve
from seneca_sim.sweep.runners import Runner
from seneca_sim.sweep.stages import Job, Outcome, Setup
from seneca_sim.sweep.workload import Tell

ROUNDING: Final = 1e-6
LOOK_SECONDS: Final = 1.0
"""How often to look what others have written to the same store."""


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`."""

    number: int = 1
    count: int = 1

    def of(self, points: Sequence[Point]) -> Sequence[Point]:
        """Its points: neighbours, for these tend to share programs."""
        ends = [len(points) * n // self.count for n in (self.number - 1, self.number)]
        return points[ends[0] : ends[1]]


def parse_shard(text: str) -> Shard:
    """Read ``i/n``.

    Raises:
        InputError: anything else.
    """
    parts = text.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        number, count = map(int, parts)
        if 1 <= number <= count:
            return Shard(number, count)
    raise InputError(f"--shard {text}: expected i/n with i from 1 to n, as in 3/8")


@dataclass
class Tally:
    """What a start of a sweep did: points by what became of them, and stages that ran."""

    points: int = 0
    there: int = 0
    ok: int = 0
    failed: int = 0
    elsewhere: int = 0
    seconds: float = 0.0
    work: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.ok += not outcome.error
        self.failed += bool(outcome.error)
        for stage in outcome.work:
            self.work[stage] = self.work.get(stage, 0) + 1


class Sweep:
    """A checked study with a setup: knows the keys of its points, runs them, finds them again."""

    def __init__(self, plan: Plan, setup: Setup) -> None:
        self.plan, self.setup = plan, setup
        self._keys = Keys(setup)
        self._simulations: dict[int, tuple[str, str]] = {}
        self.points: list[Point] = []
        self.keys: list[str] = []
        for point in plan.points:
            self.add(point)

    def add(self, point: Point) -> None:
        """Take in a point; its index is its place in the order of adding."""
        case = resolve(self.plan.settings(point), self.setup.workload.sort)
        self.points.append(point)
        self.keys.append(self._keys.key(case))

    def missing(self, store: Store, points: Iterable[Point] | None = None) -> list[Point]:
        """Points without a record, or with one that is to be tried again."""
        chosen = self.points if points is None else points
        return [p for p in chosen if store.status_of(self.keys[p.index]) in (None, BROKEN)]

    def records(self, store: Store) -> Iterator[tuple[Point, Record]]:
        """Points with their records, in the order of the study, those without left out."""
        found = [
            (point, key)
            for point, key in zip(self.points, self.keys, strict=True)
            if store.status_of(key) is not None
        ]
        records = store.records_at(key for _, key in found)
        for (point, _), record in zip(found, records, strict=True):
            yield point, record

    def run(
        self,
        store: Store,
        runner: Runner,
        *,
        shard: Shard | None = None,
        tell: Tell = lambda done, total, message: None,
        prepared: Callable[[], None] = lambda: None,
    ) -> Tally:
        """Run what is missing and store it, point by point.

        Args:
            store: where to.
            runner: who runs.
            shard: only this part of the points.
            tell: progress in points, with a message.
            prepared: called when all is recorded and the first point is about to run.

        Raises:
            InputError: the store cannot be written.
            Finding: a run came out with other numbers than the store has under the same id.
        """
        started = time.monotonic()
        points = (shard or Shard()).of(self.points)
        missing = self.missing(store, points)
        tally = Tally(points=len(points), there=len(points) - len(missing))
        if missing:
            jobs = self.jobs(store, missing)
            self.setup.workload.prepare(self.runs_to_prepare(jobs), tell)
            runner.begin(self.setup)
            prepared()
            with store.writer({"study": self.plan.study.name}) as writer:
                self._run(store, writer, runner, jobs, tally, tell)
        tally.seconds = time.monotonic() - started
        return tally

    def _run(
        self, store: Store, writer: Writer, runner: Runner, missing: list[Job], tally: Tally,
        tell: Tell,
    ) -> None:  # fmt: skip
        store.refresh()
        dispatcher = Dispatcher(missing, start_of(store.writers, writer.path.name))
        began = looked = time.monotonic()
        for outcome in runner.run(dispatcher):
            now = time.monotonic()
            if now - looked > LOOK_SECONDS:
                store.refresh()
                done = [p.index for p in missing if store.status_of(self.keys[p.index]) == OK]
                tally.elsewhere += dispatcher.without(done)
                looked = now
            self.keep(store, writer, outcome)
            tally.count(outcome)
            ran = tally.ok + tally.failed
            rate = ran / max(now - began, 1e-9)
            failed = f", {tally.failed} failed" if tally.failed else ""
            tell(ran + tally.elsewhere, len(missing), f"{rate:.3g} points/s{failed}")

    def jobs(self, store: Store, points: Sequence[Point]) -> list[Job]:
        """Points as they travel, with the counts of their simulations where the store has them."""
        if self.setup.deep:
            return jobs_of(points)
        store.shelf.refresh()
        jobs = []
        for point in points:
            keys = self._keys.counts_keys(self._case(point.index))
            self._simulations[point.index] = keys
            counts = next(filter(None, map(store.shelf.get, keys)), "")
            jobs.append(Job(point.index, point.varied, counts))
        return jobs

    def runs_to_prepare(self, jobs: Iterable[Job]) -> list[Mapping[str, str]]:
        """The settings of runs whose traces some jobs need: those that have no counts yet."""
        asked = [job for job in jobs if not job.counts or self.setup.accuracy]
        return [self._case(job.index).run for job in asked]

    def _case(self, index: int) -> Case:
        return resolve(self.plan.settings(self.points[index]), self.setup.workload.sort)

    def keep(self, store: Store, writer: Writer, outcome: Outcome) -> Record:
        """Store an outcome; one key, and one run id, have one answer."""
        record = self.record(outcome)
        _check_same(store.at(record.key), record, frozenset())
        if record.run_id in store:
            _check_same(store.get(record.run_id), record, BEYOND_ID)
        writer.append(record)
        if outcome.counts:
            keys = self._simulations[outcome.index]
            store.shelf.put(keys[outcome.off_core], outcome.counts)
        return record

    def record(self, outcome: Outcome) -> Record:
        """An outcome as a record."""
        point, key = self.points[outcome.index], self.keys[outcome.index]
        inputs = {
            **outcome.inputs,
            "study": self.plan.study.name,
            "settings": self.plan.settings(point),
            "version": __version__,
            "model_version": MODEL_VERSION,
        }
        status = OK if not outcome.error else BROKEN if outcome.passing else FAILED
        return Record(
            run_id=outcome.run_id or key,
            key=key,
            point=point.values,
            status=status,
            summary=outcome.summary,
            inputs=inputs,
            error=outcome.error,
        )


def jobs_of(points: Iterable[Point]) -> list[Job]:
    """Points as they travel, without a store."""
    return [Job(point.index, point.varied) for point in points]


def start_of(writers: Sequence[str], own: str) -> float:
    """Where among the points to begin, so that writers to one store are far from each other."""
    return spread(writers.index(own) if own in writers else 0)


def _check_same(old: Record | None, new: Record, beyond: frozenset[str]) -> None:
    """Two answers to one question must agree in all metrics that both have, `beyond` aside."""
    if old is None or not old.ok or not new.ok:
        return
    before, after = flat(old.summary), flat(new.summary)
    for name in before.keys() & after.keys():
        if name not in beyond and not _agree(before[name], after[name]):
            raise Finding(
                f"run {new.run_id[:12]}: {name} is {after[name]}, but the store has "
                f"{before[name]} under the same id; the simulator has changed its numbers "
                "without a new model version: sweep into a new store and report it"
            )


def _agree(old: Any, new: Any) -> bool:
    """Whole numbers and words exactly; others as far as another processor's rounding may go."""
    if isinstance(old, float) and isinstance(new, float):
        return isclose(old, new, rel_tol=ROUNDING)
    return bool(old == new)
