"""From a study to its points: everything is checked before anything runs.

Errors of a chip or a setting come as ``--set path=value: …``; here every such place becomes the
line and column of the study where that value stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seneca_sim.config.document import Scalar
from seneca_sim.errors import InputError
from seneca_sim.sweep.axes import Row, check_count, rows_of
from seneca_sim.sweep.expressions import Expression, put
from seneca_sim.sweep.names import names_of, setting_text
from seneca_sim.sweep.resolve import CHIP, FILES, TABLE, resolve
from seneca_sim.sweep.stages import DEEP
from seneca_sim.sweep.study import Study, beside
from seneca_sim.sweep.workload import Sorted

Sort = Callable[[Mapping[str, str]], Sorted]


class StudyError(InputError):
    """Everything that is wrong with a study, one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f" (the first of {len(problems)} problems)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)


@dataclass(frozen=True, eq=False)
class Point:
    """One point: its axes' values, and all settings that differ from point to point."""

    index: int
    values: Mapping[str, Any]
    varied: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked study: its points in order, and what is common to them."""

    study: Study
    common: Mapping[str, str]
    points: tuple[Point, ...]
    left_out: int

    def settings(self, point: Point) -> dict[str, str]:
        """Complete settings of a point."""
        return {**self.common, **point.varied}


def plan_of(study: Study, sort: Sort) -> Plan:
    """Expand a study and check every point.

    Raises:
        StudyError: unknown paths, or points that are impossible, each with file, line and column.
    """
    return Planner(study, sort).plan()


class Planner:
    """Makes the points of a study, all at once or one by one."""

    def __init__(self, study: Study, sort: Sort) -> None:
        self.study, self.sort = study, sort
        fixed = {CHIP: study.chip, TABLE: study.energy, **study.settings}
        self.formulas = {
            path: Expression(node.text[1:], node.where)
            for path, node in fixed.items()
            if node.text.startswith("=")
        }
        self.fixed = {p: node for p, node in fixed.items() if p not in self.formulas}
        self.problems: dict[str, int] = {}

    def plan(self) -> Plan:
        """All points, in the order of the study."""
        self.check_paths()
        check_count(self.study.blocks)
        points: list[Point] = []
        left_out = 0
        for row in rows_of(self.study.blocks):
            try:
                point = self.point(row, len(points))
            except InputError as error:
                self._note(self.located(str(error), row))
                continue
            if point is None:
                left_out += 1
            else:
                points.append(point)
        self._stop()
        if not points:
            where = self.study.filters[0].where
            raise StudyError([f"{where}: the filters leave out every point"])
        return Plan(self.study, self.common, tuple(points), left_out)

    @property
    def common(self) -> dict[str, str]:
        """Settings of every point."""
        return {path: text_of_setting(path, node) for path, node in self.fixed.items()}

    def point(self, row: Row, index: int) -> Point | None:
        """A checked point, or None where a filter leaves it out."""
        varied = {path: text_of_setting(path, node) for path, node in row.items()}
        settings = self.common | varied
        if self.formulas or self.study.filters:
            varied |= self._follow(settings)
            settings |= varied
        if self.study.filters:
            names = names_of(settings, self.sort)
            if not all(self._holds(expression, names) for expression in self.study.filters):
                return None
        resolve(settings, self.sort)
        return Point(index, {path: value_of(node) for path, node in row.items()}, varied)

    def _follow(self, settings: dict[str, str]) -> dict[str, str]:
        """Settings that are expressions over others, in the order of the file."""
        found: dict[str, str] = {}
        names = names_of(settings, self.sort)
        for path, expression in self.formulas.items():
            if path in settings:  # an axis sets it
                continue
            expression.check_names(names)
            value = expression.value(names)
            found[path] = setting_text(value, path, self.sort)
            put(names, path.removeprefix("chip."), value)
            put(names, path, value)
        return found

    def _holds(self, expression: Expression, names: Mapping[str, Any]) -> bool:
        expression.check_names(names)
        return bool(expression.value(names))

    def check_paths(self) -> None:
        """Every path must be one that something has; named where the path stands."""
        places = {path: node.where for path, node in self.study.settings.items()}
        for block in self.study.blocks:
            places |= block.places
        for path, where in places.items():
            if path in (CHIP, TABLE):
                continue
            try:
                self.sort({path: _example(path, self.study)})
            except InputError as error:
                text = str(error)
                if text.startswith("--set ") and "unknown setting" in text:
                    self._note(f"{where}: unknown path{text.partition('unknown setting')[2]}")
        self._stop()

    def located(self, message: str, row: Row) -> str:
        """A message with the places of this study for ``--set path=value``."""
        nodes = {**self.study.settings, **row}
        marks: dict[str, str] = {}
        for path, node in nodes.items():
            for short in (path, path.partition(".")[2], *_alias(path)):
                marks[f"--set {short[:60]}={node.text[:60]}"] = node.where
            if path in self.formulas:
                marks |= _following(path, message, node.where)
        for mark in sorted(marks, key=len, reverse=True):
            rest = message.removeprefix(mark)
            word = mark.removeprefix("--set ").partition("=")[0].rpartition(".")[2]
            if rest != message and word not in rest:
                message = f"{marks[mark]}: {mark.removeprefix('--set ')}{rest}"
            message = message.replace(mark, marks[mark])
        file = self.study.chip.where.rsplit(":", 2)[0]
        if f"{file}:" in message:
            return message
        named = [path for path in nodes if path.rpartition(".")[2] in message]
        place = nodes[(named or list(row))[0]].where
        return f"{place}: {message}"

    def _note(self, problem: str) -> None:
        self.problems[problem] = self.problems.get(problem, 0) + 1

    def _stop(self) -> None:
        if self.problems:
            raise StudyError(
                [
                    f"{text} ({count} points)" if count > 1 else text
                    for text, count in self.problems.items()
                ]
            )


def value_of(node: Scalar) -> int | float | str:
    """An axis value with its kind."""
    if node.kind == "whole number":
        return int(node.text)
    if node.kind == "number":
        return float(node.text)
    return node.text


def text_of_setting(path: str, node: Scalar) -> str:
    """A setting's text; a file may lie beside the study."""
    return beside(node) if path in (CHIP, TABLE, *FILES) else node.text


def _example(path: str, study: Study) -> str:
    """Any value of a path: to find out whether there is such a path."""
    for block in study.blocks:
        if path in block.places:
            return block.rows[0][path].text
    return study.settings[path].text


def _alias(path: str) -> tuple[str, ...]:
    return (f"{path}_hz",) if path.endswith("clock") else (f"{path}_mv",)


def _following(path: str, message: str, where: str) -> dict[str, str]:
    """The mark of a setting whose text an expression gave, found in the message itself."""
    found = {}
    for short in (path, path.partition(".")[2]):
        start = message.find(f"--set {short}=") if short else -1
        if start >= 0:
            mark = message[start:].partition(":")[0].partition(")")[0]
            found[mark] = where
    return found


def check_metrics(study: Study, known: Mapping[str, Any]) -> None:
    """Refuse metrics and names that no point will have.

    Args:
        study: what to check.
        known: nested names of settings and metrics.

    Raises:
        StudyError: with file, line and column.
    """
    problems: list[str] = []
    names = dict(known)
    for name, expression in study.derived.items():
        _collect(problems, expression, names)
        names[name] = 0
    for expression in study.constraints:
        _collect(problems, expression, names)
    for scalar in study.report:
        try:
            Expression(scalar.text, scalar.where).check_names(names)
        except InputError as error:
            problems.append(str(error))
    for name, where in study.pareto_places.items():
        try:
            _check_objective(Expression(name, where), names)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise StudyError(problems)


def _collect(problems: list[str], expression: Expression, names: Mapping[str, Any]) -> None:
    try:
        expression.check_names(names)
        for name in expression.names:
            _check_one(name, expression.where, names)
    except InputError as error:
        problems.append(str(error))


def _check_objective(wanted: Expression, names: Mapping[str, Any]) -> None:
    """An objective is the name of one number."""
    wanted.check_names(names)
    if wanted.names != (wanted.text,):
        raise InputError(
            f"{wanted.where}: objective {wanted.text!r} is an expression; give it a name under "
            "derived, and name that"
        )
    if isinstance(_check_one(wanted.text, wanted.where, names), str):
        raise InputError(f"{wanted.where}: objective {wanted.text} is a word, expected a number")


def _check_one(name: str, where: str, names: Mapping[str, Any]) -> Any:
    """The value that stands for a known name; it must not be a table."""
    value: Any = names
    for part in name.split("."):
        value = value[part]
    if isinstance(value, Mapping):
        entry = next(iter(value), "NAME")
        raise InputError(f"{where}: {name} is a table; name an entry, as in {name}.{entry}")
    return value


def deep_of(study: Study) -> tuple[str, ...]:
    """Metrics of a study that only the full pricing gives."""
    words = {scalar.text.partition(".")[0] for scalar in study.report} | set(study.pareto)
    for expression in (*study.derived.values(), *study.constraints):
        words |= {name.partition(".")[0] for name in expression.names}
    return tuple(name for name in DEEP if name in words)
