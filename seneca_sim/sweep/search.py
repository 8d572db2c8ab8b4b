"""Guided search: Optuna proposes points, the sweep runs and stores them like any others.

Each block of axes is one parameter: the number of its row, or a choice where its values have no
order. What the store already has of the study is told to the sampler first, so a search that
starts again goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from seneca_sim.errors import InputError
from seneca_sim.results.store import Record, Store, Writer
from seneca_sim.sweep.axes import Block
from seneca_sim.sweep.dispatch import Dispatcher
from seneca_sim.sweep.pareto import cost_of
from seneca_sim.sweep.plan import Plan, Planner, Point, value_of
from seneca_sim.sweep.run import Sweep, Tally
from seneca_sim.sweep.runners import Runner
from seneca_sim.sweep.stages import Job, Setup
from seneca_sim.sweep.study import Search, Study
from seneca_sim.sweep.view import see
from seneca_sim.sweep.workload import Tell

if TYPE_CHECKING:
    import optuna


def need_optuna() -> None:
    """Refuse, in one line, to search without Optuna.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("optuna") is None:
        raise InputError("guided search needs Optuna: pip install 'seneca-sim[search]'")


@dataclass
class GuidedSearch:
    """A search over a study's axes; `sweep` has the points tried so far."""

    study: Study
    setup: Setup
    planner: Planner
    search: Search
    sweep: Sweep = field(init=False)
    tally: Tally = field(default_factory=Tally)
    _known: dict[tuple[int, ...], int] = field(default_factory=dict)
    _begun: bool = False

    def __post_init__(self) -> None:
        need_optuna()
        self.planner.check_paths()
        plan = Plan(self.study, self.planner.common, (), 0)
        self.sweep = Sweep(plan, self.setup)

    def run(self, store: Store, runner: Runner, slots: int, tell: Tell) -> None:
        """Try points until the trials are used up; those in the store count.

        Raises:
            InputError: the store cannot be written.
        """
        started = time.monotonic()
        guide = self._guide()
        told = self._tell_stored(guide, store)
        self.tally.there = told
        with store.writer({"study": self.study.name, "search": self.search.sampler}) as writer:
            while told < self.search.trials:
                count = min(slots, self.search.trials - told)
                trials = [guide.ask(self._distributions()) for _ in range(count)]
                points = [self._point(trial.params) for trial in trials]
                missing = self.sweep.missing(
                    store, dict.fromkeys(p for p in points if p is not None)
                )
                if missing:
                    self._evaluate(store, writer, runner, missing, tell)
                store.refresh()
                for trial, point in zip(trials, points, strict=True):
                    self._tell(guide, trial, point, store)
                told += count
                tell(told, self.search.trials, "searching")
        self.tally.points = len(self.sweep.points)
        self.tally.seconds = time.monotonic() - started

    def _prepare(self, runner: Runner, jobs: Sequence[Job], tell: Tell) -> None:
        """Make the traces that these points need, and tell the runner of new ones."""
        runs = self.sweep.runs_to_prepare(jobs)
        if self.setup.workload.prepare(runs, tell) or not self._begun:
            runner.begin(self.setup)
            self._begun = True

    def _evaluate(
        self, store: Store, writer: Writer, runner: Runner, missing: Sequence[Point], tell: Tell
    ) -> None:
        jobs = self.sweep.jobs(store, missing)
        self._prepare(runner, jobs, tell)
        for outcome in runner.run(Dispatcher(jobs)):
            self.sweep.keep(store, writer, outcome)
            self.tally.count(outcome)

    # -- points ------------------------------------------------------------------------------

    def _point(self, params: Mapping[str, int]) -> Point | None:
        """The point of some parameters; None where it is filtered out or impossible."""
        rows = tuple(int(params[_name(block)]) for block in self.study.blocks)
        if rows not in self._known:
            self._known[rows] = self._add(rows)
        index = self._known[rows]
        return None if index < 0 else self.sweep.points[index]

    def _add(self, rows: tuple[int, ...]) -> int:
        row: dict[str, Any] = {}
        for block, number in zip(self.study.blocks, rows, strict=True):
            row.update(block.rows[number])
        try:
            point = self.planner.point(row, len(self.sweep.points))
        except InputError:
            return -1
        if point is None:
            return -1
        self.sweep.add(point)
        return point.index

    def _stored_rows(self, record: Record) -> tuple[int, ...] | None:
        """Which row of each block a stored point is; None if it is of another study."""
        found = []
        for block in self.study.blocks:
            wanted = {path: record.point.get(path) for path in block.paths}
            rows = [{path: value_of(node) for path, node in row.items()} for row in block.rows]
            if wanted not in rows:
                return None
            found.append(rows.index(wanted))
        return tuple(found)

    # -- Optuna ------------------------------------------------------------------------------

    def _guide(self) -> optuna.Study:
        import optuna
        from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        samplers: dict[str, Any] = {
            "tpe": TPESampler,
            "nsga2": NSGAIISampler,
            "random": RandomSampler,
        }
        return optuna.create_study(
            directions=["minimize"] * len(self.study.pareto),
            sampler=samplers[self.search.sampler](seed=self.search.seed),
        )

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, IntDistribution

        return {
            _name(block): IntDistribution(0, len(block.rows) - 1)
            if _ordered(block)
            else CategoricalDistribution(list(range(len(block.rows))))
            for block in self.study.blocks
        }

    def _tell_stored(self, guide: optuna.Study, store: Store) -> int:
        import optuna

        count = 0
        for record in store:
            rows = self._stored_rows(record) if record.inputs.get("study") else None
            if rows is None or record.inputs["study"] != self.study.name:
                continue
            params = {_name(b): row for b, row in zip(self.study.blocks, rows, strict=True)}
            point = self._point(params)
            values = None if point is None else self._values(point, store)
            if values is not None:
                guide.add_trial(
                    optuna.trial.create_trial(
                        params=params, distributions=self._distributions(), values=values
                    )
                )
                count += 1
        return count

    def _tell(self, guide: optuna.Study, trial: Any, point: Point | None, store: Store) -> None:
        import optuna

        values = None if point is None else self._values(point, store)
        if values is None:
            guide.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            guide.tell(trial, values)

    def _values(self, point: Point, store: Store) -> list[float] | None:
        """Objectives as costs; None without numbers, or where a constraint does not hold."""
        record = store.at(self.sweep.keys[point.index])
        if record is None or not record.ok:
            return None
        (seen,) = see(self.sweep.plan, self.setup.workload.sort, [(point, record)])
        if not all(bool(c.value(seen.names)) for c in self.study.constraints):
            return None
        return [cost_of(seen, name, way) for name, way in self.study.pareto.items()]


def _name(block: Block) -> str:
    return " ".join(block.paths)


def _ordered(block: Block) -> bool:
    """Whether the rows' order means something: numbers that rise or fall throughout."""
    if len(block.paths) != 1:
        return False
    values = [value_of(next(iter(row.values()))) for row in block.rows]
    if not all(isinstance(value, int | float) for value in values):
        return False
    numbers = [float(value) for value in values]
    return numbers in (sorted(numbers), sorted(numbers, reverse=True))
