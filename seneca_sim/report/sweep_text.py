"""A sweep in text: what was run, why points failed, and tables of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from seneca_sim.report.layout import NONE, aligned, wrapped
from seneca_sim.sweep.run import Tally
from seneca_sim.sweep.view import Seen
from seneca_sim.units import si

_UNITS: Final = {"_j": "J", "_s": "s", "_w": "W"}
ROWS: Final = 24
"""Rows of a table before it is cut."""


def tally_lines(tally: Tally, store: str) -> list[str]:
    """One line on the points, one on the stages that ran."""
    parts = [f"{tally.ok} run"]
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    if tally.there:
        parts.append(f"{tally.there} there already")
    if tally.elsewhere:
        parts.append(f"{tally.elsewhere} run by others")
    lines = [f"{tally.points} points in {store}: {', '.join(parts)}"]
    if tally.work:
        work = ", ".join(f"{stage} {count}" for stage, count in tally.work.items())
        rate = (tally.ok + tally.failed) / max(tally.seconds, 1e-9)
        lines.append(f"stages: {work}; {tally.seconds:.1f} s, {rate:.3g} points/s")
    return lines


def failure_lines(seen: Sequence[Seen]) -> list[str]:
    """Why points failed, each reason once."""
    reasons = Counter(one.record.error for one in seen if not one.record.ok)
    lines = []
    for reason, count in reasons.most_common(5):
        lines += wrapped(f"failed ({count}): {reason}", 2)
    if len(reasons) > 5:
        lines.append(f"failed: {len(reasons) - 5} more reasons, see the column error")
    return lines


def table_lines(seen: Sequence[Seen], columns: Sequence[str], rows: int = ROWS) -> list[str]:
    """Points as an aligned table, numbers with their units."""
    shown = seen[:rows]
    cells = [[_head(name) for name in columns]]
    cells += [[shown_value(name, one.shown(name)) for name in columns] for one in shown]
    lines = aligned(cells)
    if len(seen) > len(shown):
        lines.append(f"… {len(seen) - len(shown)} more; --export writes them all")
    return lines


def _head(name: str) -> str:
    for end in (*_UNITS, "_js", "_mm2"):
        if name.endswith(end) and not name.endswith(f"_per{end}"):
            return name.removesuffix(end)
    return name.removeprefix("chip.")


def shown_value(name: str, value: Any) -> str:
    """A value with its unit, as its name says."""
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name.endswith("_mm2"):
        return f"{value:.4g} mm²"
    if name.endswith("_js"):
        return f"{value:.3g} J s"
    for end, unit in _UNITS.items():
        if name.endswith(end) and not name.endswith(f"_per{end}"):
            return si(value, unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
