"""A study opened for a command: checked, with its points, its store and its views."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.progress import progress
from seneca_sim.cli.workload import workload_of
from seneca_sim.errors import InputError, SenecaError
from seneca_sim.sweep.expressions import Expression
from seneca_sim.sweep.metrics import ACCURACY, known_metrics
from seneca_sim.sweep.names import names_of
from seneca_sim.sweep.plan import (
    Planner,
    StudyError,
    check_metrics,
    deep_of,
    text_of_setting,
    value_of,
)
from seneca_sim.sweep.run import Sweep, Tally
from seneca_sim.sweep.stages import Setup, Stages
from seneca_sim.sweep.study import Direction, Search, Study, read_study

if TYPE_CHECKING:
    from seneca_sim.results.store import Store
    from seneca_sim.sweep.run import Shard
    from seneca_sim.sweep.runners import Runner
    from seneca_sim.sweep.view import Seen
    from seneca_sim.sweep.workload import Workload


def open_study(
    name: str,
    *,
    trials: int | None = None,
    objectives: Mapping[str, Direction] | None = None,
    where: Sequence[str] = (),
) -> Opened:
    """Read and check a study.

    Args:
        name: a study that ships, or a file.
        trials: for a guided search: how many points; all points are then not made.
        objectives: in place of the study's.
        where: constraints beside the study's.

    Raises:
        InputError: the first problem, after all of them were named.
    """
    study = read_study(name)
    if objectives:
        places = {key: f"--{way} {key}" for key, way in objectives.items()}
        study = replace(study, pareto=dict(objectives), pareto_places=places)
    extra = tuple(Expression(text, f"--where {text}") for text in where)
    study = replace(study, constraints=(*study.constraints, *extra))
    try:
        return _opened(study, trials)
    except StudyError as error:
        for problem in error.problems[1:] and error.problems:
            click.echo(problem, err=True)
        raise


def _opened(study: Study, trials: int | None) -> Opened:
    measure = _wants(study, ACCURACY)
    workload = workload_of(study.workload, measure=measure)
    planner = Planner(study, workload.sort)
    planner.check_paths()
    plan = planner.plan() if trials is None else None
    known = _names(planner, study) | _formulas(planner) | known_metrics(accuracy=measure)
    check_metrics(study, known)
    setup = Setup(workload, planner.common, study.area, deep_of(study), measure)
    if plan is not None:
        return Opened(study, workload, Sweep(plan, setup))
    from seneca_sim.sweep.search import GuidedSearch

    search: Search = replace(study.search, trials=trials or study.search.trials)
    guided = GuidedSearch(study, setup, planner, search)
    return Opened(study, workload, guided.sweep, guided=guided)


def _names(planner: Planner, study: Study) -> dict[str, Any]:
    """Names of all settings, by the example of the axes' first values."""
    first = {path: node for block in study.blocks for path, node in block.rows[0].items()}
    texts = {path: text_of_setting(path, node) for path, node in first.items()}
    try:
        return names_of({**planner.common, **texts}, planner.sort)
    except InputError as error:
        raise StudyError([planner.located(str(error), first)]) from None


def _formulas(planner: Planner) -> dict[str, Any]:
    """Settings that are expressions, as names."""
    from seneca_sim.sweep.expressions import nested

    return nested(dict.fromkeys(planner.formulas, 0))


def _wants(study: Study, metric: str) -> bool:
    """Whether a study speaks of a metric anywhere."""
    words = {scalar.text for scalar in study.report} | set(study.pareto)
    for expression in (*study.derived.values(), *study.constraints):
        words |= set(expression.names)
    return metric in words


@dataclass
class Opened:
    """A checked study, and what has been seen of its points."""

    study: Study
    workload: Workload
    sweep: Sweep
    guided: Any = None
    tally: Tally | None = None
    store: Path = field(default_factory=Path)
    damage: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def run(self, folder: Path, runner: Runner, slots: int, shard: Shard | None) -> None:
        """Run what is missing, with progress, and look at all that there is."""
        from seneca_sim.results.store import Store

        store = Store.create(folder)
        for damage in store.damage:
            click.echo(str(damage), err=True)
        try:
            with progress("sweep") as tell:
                if self.guided is not None:
                    self.guided.run(store, runner, slots, tell)
                    self.tally = self.guided.tally
                else:
                    self.tally = self.sweep.run(store, runner, shard=shard, tell=tell)
        except KeyboardInterrupt:
            store.refresh()
            kept = f"{len(store)} points are kept; the same command goes on from there"
            click.echo(f"{folder}: {kept}", err=True)
            raise
        store.refresh()
        self._see(store)

    def look(self, folder: Path) -> None:
        """Look at what a store has, and run nothing."""
        from seneca_sim.results.store import Store

        self._see(Store.open(folder))
        if not self.seen:
            raise InputError(f"{folder}: has no point of study {self.study.name}; sweep it first")

    def _see(self, store: Store) -> None:
        from seneca_sim.sweep.view import see

        self.store, self.damage = store.path, [str(damage) for damage in store.damage]
        self.seen = see(self.sweep.plan, self.workload.sort, self.sweep.records(store))

    def dry_run(self) -> dict[str, Any]:
        """Compile every program once, in this process; which points fit, and which do not."""
        from seneca_sim.sweep.resolve import resolve

        stages, problems = Stages(self.sweep.setup), Counter[str]()
        work: list[str] = []
        cases = [
            resolve(self.sweep.plan.settings(point), self.workload.sort)
            for point in self.sweep.points
        ]
        with progress("preparing") as tell:
            self.workload.prepare([case.run for case in cases], tell)
        for point, case in zip(self.sweep.points, cases, strict=True):
            try:
                stages.compiled(stages.fitted(case), work)
            except SenecaError as error:
                problems[f"{self._place(point.values, str(error))}: {error}"] += 1
        return {
            "schema": "seneca-sweep-plan/1",
            "study": self.study.name,
            "points": len(self.sweep.points),
            "left_out": self.sweep.plan.left_out,
            "programs": len(work),
            "impossible": problems.total(),
            "problems": [f"{text} ({count} points)" for text, count in problems.items()],
        }

    def _place(self, values: Mapping[str, Any], message: str) -> str:
        """Where in the study the axis stands whose value a message speaks of; else the first."""
        words = re.findall(r"[\w.-]+", message)
        spoken = [path for path, value in values.items() if str(value) in words]
        path = (spoken or list(values))[0]
        block = next(block for block in self.study.blocks if path in block.places)
        row = next(row for row in block.rows if value_of(row[path]) == values[path])
        return row[path].where

    # -- views -------------------------------------------------------------------------------

    def chosen(self, what: str, rows: int | None) -> list[Seen]:
        """The points that a view shows: table, pareto, best; run shows the front."""
        from seneca_sim.sweep.pareto import best, pareto
        from seneca_sim.sweep.view import holding

        if what == "table":
            return self.seen
        held = holding(self.seen, self.study.constraints)
        if what == "best":
            return best(held, self.study.pareto, rows or 10)
        return pareto(held, self.study.pareto)

    @property
    def columns(self) -> list[str]:
        """Axes, then what the study reports."""
        names = [*self.study.axes, *(scalar.text for scalar in self.study.report)]
        return list(dict.fromkeys(names))

    def lines(self, what: str, rows: int | None) -> list[str]:
        """A view in text."""
        from seneca_sim.report.sweep_text import ROWS, failure_lines, table_lines, tally_lines

        lines = [] if self.tally is None else tally_lines(self.tally, str(self.store))
        if what in ("run", "table"):
            lines += failure_lines(self.seen)
        found = self.chosen(what, rows)
        if what in ("run", "pareto"):
            ways = ", ".join(f"{way} {name}" for name, way in self.study.pareto.items())
            lines.append(f"Pareto front, {ways}: {len(found)} of {len(self.seen)} points")
        return lines + table_lines(found, self.columns, rows or ROWS)

    def plain(self, what: str, rows: int | None) -> dict[str, Any]:
        """A view as plain data."""
        from seneca_sim.sweep.view import row_of

        found = self.chosen(what, rows)
        plain: dict[str, Any] = {
            "schema": "seneca-sweep/1",
            "study": self.study.name,
            "study_sha256": self.study.sha256,
            "store": str(self.store),
            "view": "pareto" if what == "run" else what,
            "points": len(self.sweep.points),
            "stored": len(self.seen),
            "failed": sum(not one.record.ok for one in self.seen),
            "damage": self.damage,
            "objectives": dict(self.study.pareto),
            "rows": [row_of(self.sweep.plan, one) for one in found],
        }
        if self.tally is not None:
            plain["run"] = {**vars(self.tally)}
        return plain

    def export(self, paths: Sequence[Path]) -> None:
        """Write all points as tables."""
        if not paths:
            return
        from seneca_sim.results.store.table import frame_of, write_table
        from seneca_sim.sweep.view import row_of

        frame = frame_of(row_of(self.sweep.plan, one) for one in self.seen)
        for path in paths:
            write_table(frame, path)

    def plot(self, path: Path) -> None:
        """Draw the points and their front."""
        from seneca_sim.report.pareto_plot import draw_pareto
        from seneca_sim.sweep.view import holding

        if len(self.study.pareto) < 2:
            raise InputError("a Pareto plot needs two objectives; give --minimize twice, say")
        held = holding(self.seen, self.study.constraints)
        draw_pareto(self.study.name, held, self.study.pareto, self.study.axes, path)
