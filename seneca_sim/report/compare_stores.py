"""A comparison of two stores as text, Markdown and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seneca_sim.report.compare import MOST
from seneca_sim.report.layout import NONE
from seneca_sim.results.compare.stores import Metric, Point, StoreComparison

_METRICS = 3


def lines_of(found: StoreComparison, most: int | None = MOST) -> list[str]:
    """The verdict, the inputs that differ, and the points that moved, the most first."""
    lines = [verdict(found)]
    if found.inputs:
        lines.append("inputs that differ, in how many of the points that moved:")
        lines += [f"  {d.points:>6} x {d}" for d in found.inputs[:most]]
    for point in found.moved[:most]:
        lines.append(f"{_name(point.point)}{f': {point.status}' if point.status else ''}")
        lines += [f"  {_metric(metric)}" for metric in point.metrics[: most and _METRICS]]
    rest = len(found.moved) - len(found.moved[:most])
    return [*lines, f"and {rest} more points"] if rest else lines


def verdict(found: StoreComparison) -> str:
    """How many points moved, and how many only one side has."""
    moved = f"{len(found.moved)} of {found.common} common points moved"
    if not found.moved:
        moved = f"all {found.common} common points agree"
    rest = [
        f"{len(only)} only in {name}"
        for only, name in ((found.only_old, found.old), (found.only_new, found.new))
        if only
    ]
    return f"{found.old} -> {found.new}: {', '.join([moved, *rest])}"


def markdown_of(found: StoreComparison, most: int | None = MOST) -> str:
    """The same as Markdown."""
    lines = [f"### {verdict(found)}", ""]
    lines += [f"- {d} ({d.points} points)" for d in found.inputs[:most]]
    lines += ["", "| point | metric | old | new | |", "|---|---|---:|---:|---:|"]
    for point in found.moved[:most]:
        lines += _rows(point)
    return "\n".join(lines) + "\n"


def _rows(point: Point) -> list[str]:
    name = _name(point.point)
    if point.status:
        return [f"| {name} | status | {point.status.replace('->', '|', 1)} | |"]
    return [
        f"| {name} | {m.name} | {_number(m.old)} | {_number(m.new)} | {_percent(m)} |"
        for m in point.metrics[:_METRICS]
    ]


def json_of(found: StoreComparison) -> dict[str, Any]:
    """The same as plain data, whole."""
    return {
        "schema": "seneca-store-comparison/1",
        "old": found.old,
        "new": found.new,
        "same": found.same,
        "common": found.common,
        "only_old": [dict(point) for point in found.only_old],
        "only_new": [dict(point) for point in found.only_new],
        "inputs": [
            {"path": d.path, "old": d.old, "new": d.new, "points": d.points} for d in found.inputs
        ],
        "moved": [
            {
                "point": dict(point.point),
                "status": point.status or None,
                "metrics": [{"name": m.name, "old": m.old, "new": m.new} for m in point.metrics],
            }
            for point in found.moved
        ],
    }


def _name(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in point.items()) or "the only point"


def _metric(metric: Metric) -> str:
    return f"{metric.name} {_number(metric.old)} -> {_number(metric.new)} ({_percent(metric)})"


def _percent(metric: Metric) -> str:
    return "new or gone" if math.isinf(metric.ratio) else f"{100 * metric.ratio:+.3g} %"


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
