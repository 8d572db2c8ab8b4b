"""The validation table for people, 100 columns wide, and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from seneca_sim.report.layout import NONE, wrapped
from seneca_sim.validate.rows import (
    ABSENT,
    FAILS,
    HOLDS,
    INCOMPARABLE,
    REPORTED,
    Row,
    headline,
)

_TITLES: Final = {
    "input": "Input: published numbers that went into the tables, measured back by runs",
    "consistency": "Consistency: numbers that follow from other published ones, or closed forms",
    "independent": "Independent: published numbers that went in nowhere",
}
_MARK: Final = {"published": "P", "second-hand": "S", "derived": "D", "assumed": "A"}
_HEAD: Final = f"{'':17}{'published':>9}{'simulated':>10} {'unit':<7}{'error':>9}  mark  verdict"


def lines_of(rows: Sequence[Row]) -> list[str]:
    """Render the table, the headline last."""
    lines: list[str] = []
    for kind, title in _TITLES.items():
        mine = [row for row in rows if row.published.kind == kind]
        if mine:
            lines += [title, _HEAD, *(line for row in mine for line in _row(row)), ""]
    lines += ["Marks: P published, S second-hand, D derived, A assumed."]
    return lines + [line for text in _summary(rows) for line in wrapped(text, 2)]


def _row(row: Row) -> list[str]:
    """The numbers; behind those of an input, else below, what they are and under which conditions.

    An input's conditions are left to the JSON.
    """
    published = row.published
    error = NONE if row.error_percent is None else f"{row.error_percent:+.1f} %"
    mark = _MARK.get(published.mark, "?")
    numbers = (
        f"{row.id:<17}{_number(row.reference):>9}{_number(row.simulated):>10} "
        f"{published.unit:<7}{error:>9}  {mark:<4}  "
    )
    if published.kind == "input" and row.verdict != INCOMPARABLE:
        return [f"{numbers}{row.verdict:<6} {published.what}"]
    note = "; ".join(text for text in (published.what, published.conditions, row.reason) if text)
    return [numbers + row.verdict, *wrapped("    " + note, 4)]


def _number(value: float | None) -> str:
    """Four significant digits, without an exponent."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _summary(rows: Sequence[Row]) -> list[str]:
    error, with_number, independent = headline(rows)
    verdicts = [row.verdict for row in rows]
    count = {v: verdicts.count(v) for v in (HOLDS, FAILS, REPORTED, ABSENT, INCOMPARABLE)}
    apart = f"; not comparable: {count[INCOMPARABLE]}" if count[INCOMPARABLE] else ""
    own = [row for row in rows if row.published.kind == "independent"]
    each = ", ".join(
        f"{row.id} {row.error_percent:+.1f} %"
        for row in own
        if row.error_percent is not None and row.published.tolerance != "below"
    )
    lines = [
        f"Rows that hold: {count[HOLDS]}; fail: {count[FAILS]}; only reported: {count[REPORTED]};"
        f" not reproduced: {count[ABSENT]}{apart}."
    ]
    if not independent:
        return lines
    off = f", mean error {error:.1f} % ({each})" if with_number else ""
    return [*lines, f"Independent numbers: {with_number} of {independent} reproduced{off}."]


def json_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Every row with all that is known of it."""
    error, with_number, independent = headline(rows)
    return {
        "schema": "seneca-validation/1",
        "passed": not any(row.verdict == FAILS for row in rows),
        "headline_error_percent": error,
        "independent_rows": independent,
        "independent_rows_reproduced": with_number,
        "rows": [_json_row(row) for row in rows],
    }


def _json_row(row: Row) -> dict[str, Any]:
    published = row.published
    return {
        "id": row.id,
        "what": published.what,
        "published": row.reference,
        "simulated": row.simulated,
        "unit": published.unit,
        "error_percent": row.error_percent,
        "kind": published.kind,
        "mark": published.mark,
        "conditions": published.conditions,
        "source": published.source,
        "tolerance": published.tolerance,
        "verdict": row.verdict,
        "reason": row.reason,
    }
