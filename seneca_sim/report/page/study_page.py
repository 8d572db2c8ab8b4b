"""The page of a study: its points, their front, filters, parallel axes and scaling curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from seneca_sim import __version__
from seneca_sim.errors import InputError
from seneca_sim.report.page.html import STUDY_SCRIPTS, Page, render
from seneca_sim.report.sweep_text import shown_value
from seneca_sim.results.store import Record, Store
from seneca_sim.results.store.record import FAILED, OK
from seneca_sim.results.store.table import row_of
from seneca_sim.sweep.pareto import front
from seneca_sim.sweep.study import DEFAULT_PARETO, DEFAULT_REPORT
from seneca_sim.units import DIMENSIONS, parse_quantity

SECTIONS: Final = (
    ("filters", "Filters"),
    ("pareto", "Front"),
    ("parallel", "Parallel axes"),
    ("scaling", "Scaling"),
    ("points", "Points"),
)
_NAMES: Final = {"run_id", "status", "error"}


@dataclass(frozen=True)
class Points:
    """What a page shows of a study.

    Attributes:
        name: of the study.
        rows: one a point: run_id, status, axes, metrics, error.
        axes: names of what varies.
        objectives: metric -> minimize or maximize.
        report: what to show first.
        left_out: points that broke a constraint.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    axes: Sequence[str]
    objectives: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PARETO))
    report: Sequence[str] = DEFAULT_REPORT
    left_out: int = 0


def study_page(points: Points) -> str:
    """The page of a study as HTML.

    Raises:
        InputError: no point with numbers.
    """
    good = [row for row in points.rows if row["status"] == OK]
    if not good:
        raise InputError(f"study {points.name}: no point with numbers among {len(points.rows)}")
    failed = [row for row in points.rows if row["status"] != OK]
    axes = [axis_of(name, (row.get(name) for row in good)) for name in points.axes]
    metrics = _metrics(good, points)
    columns = [*points.axes, *metrics]
    objectives = [(name, way) for name, way in points.objectives.items() if name in metrics]
    data = {
        "kind": "study",
        "name": points.name,
        "axes": axes,
        "metrics": metrics,
        "objectives": objectives,
        "report": [name for name in points.report if name in metrics],
        "columns": ["run_id", *columns],
        "rows": [[row["run_id"], *(_plain(row.get(name)) for name in columns)] for row in good],
        "failed": [
            {"status": row["status"], "error": row["error"]}
            | {name: _plain(row.get(name)) for name in points.axes}
            for row in failed
        ],
    }
    return render(
        Page(
            title=f"{points.name}: {len(good)} points",
            kicker=f"seneca-sim {__version__} · study {points.name}",
            verdict=verdict_of(good, objectives),
            context=_context(points, axes, len(failed)),
            sections=SECTIONS,
            data=data,
            footer=f"Study {points.name}.",
            tiles=True,
            scripts=STUDY_SCRIPTS,
        )
    )


def store_points(folder: Path) -> Points:
    """All points of a store: settings that differ are axes, whatever study they come from.

    Raises:
        InputError: no store there, or an empty one.
    """
    records = [record for record in Store.open(folder) if record.status in (OK, FAILED)]
    if not records:
        raise InputError(f"{folder}: an empty store; sweep a study into it first")
    names = dict.fromkeys(str(r.inputs.get("study", folder.name)) for r in records)
    return Points(", ".join(names), [row_of(r) for r in records], _axes(records))


def _axes(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(path for record in records for path in record.point))


def axis_of(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """An axis: its values in order, and as numbers where all of them are quantities."""
    found = list(dict.fromkeys(_plain(value) for value in values))
    numbers = {value: _number(value) for value in found}
    if all(number is not None for number in numbers.values()):
        found.sort(key=lambda value: numbers[value] or 0)
        return {"name": name, "values": found, "numbers": [numbers[v] for v in found]}
    return {"name": name, "values": found, "numbers": None}


def _number(value: Any) -> float | None:
    """A number, or that of a quantity such as 4 Mib, in whatever dimension."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    for dimension in DIMENSIONS:
        try:
            return float(parse_quantity(str(value), dimension))
        except InputError:
            continue
    return None


def _metrics(rows: Sequence[Mapping[str, Any]], points: Points) -> list[str]:
    """Names of what points have numbers of, objectives and report first."""
    names = dict.fromkeys([*points.objectives, *points.report])
    names |= dict.fromkeys(name for row in rows for name in row)
    others = {*points.axes, *_NAMES}
    numbers = (int, float)
    return [
        name
        for name in names
        if name not in others
        and any(isinstance(row.get(name), numbers) for row in rows)
        and all(row.get(name) is None or isinstance(row[name], numbers) for row in rows)
    ]


def _plain(value: Any) -> Any:
    """JSON has no infinity and no bare objects."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, int | float | str) else str(value)


def verdict_of(good: Sequence[Mapping[str, Any]], objectives: Sequence[tuple[str, str]]) -> str:
    """How far the points reach in each objective, and how many no other point beats."""
    parts = []
    for name, _ in objectives[:2]:
        values = [row[name] for row in good if isinstance(row.get(name), int | float)]
        low, high = (shown_value(name, edge) for edge in (min(values), max(values)))
        what = name.removesuffix("_j").removesuffix("_s").replace("_", " ")
        parts.append(f"{what} from {low} to {high}" if low != high else f"{what} {low}")
    costs = [
        tuple((-1 if way == "maximize" else 1) * row[name] for name, way in objectives)
        for row in good
        if all(isinstance(row.get(name), int | float) for name, _ in objectives)
    ]
    if not parts:
        return f"{len(good):,} points."
    best = len(front(costs))
    end = "1 is beaten by none" if best == 1 else f"{best:,} are beaten by none"
    return f"{len(good):,} points: {', '.join(parts)}; {end}."


def _context(points: Points, axes: Sequence[Mapping[str, Any]], failed: int) -> str:
    varied = ", ".join(f"{axis['name']} ({len(axis['values'])})" for axis in axes)
    text = f"Varied: {varied}." if varied else "Nothing varied."
    if points.left_out:
        text += f" Left out for a constraint that does not hold: {_points(points.left_out)}."
    return text + (f" {_points(failed)} could not run." if failed else "")


def _points(number: int) -> str:
    return "1 point" if number == 1 else f"{number:,} points"
