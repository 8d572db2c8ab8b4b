"""What a study says of its records: derived quantities, columns, constraints.

Derived quantities are worked out here and never stored: they follow from settings and metrics, so
a changed expression needs no new run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seneca_sim.errors import InputError
from seneca_sim.results.store import Record
from seneca_sim.sweep.expressions import Expression, nested
from seneca_sim.sweep.names import names_of
from seneca_sim.sweep.plan import Plan, Point, Sort


@dataclass(frozen=True, eq=False)
class Seen:
    """A point with its record: nested `names` of all its settings, metrics, derived quantities."""

    point: Point
    record: Record
    names: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """A metric, a setting or a derived quantity; None where the point has none."""
        found: Any = self.names
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        return found

    def shown(self, name: str) -> Any:
        """The value for people: that of an axis as the study says it, as in 4 Mib."""
        return self.point.values.get(name, self.value(name))


def see(plan: Plan, sort: Sort, pairs: Iterable[tuple[Point, Record]]) -> list[Seen]:
    """Work out the names of points and their records."""
    return [Seen(point, record, _names(plan, sort, point, record)) for point, record in pairs]


def _names(plan: Plan, sort: Sort, point: Point, record: Record) -> dict[str, Any]:
    names = names_of(plan.settings(point), sort)
    names |= {key: _plain(value) for key, value in record.summary.items()}
    if record.ok:
        for name, expression in plan.study.derived.items():
            try:
                names[name] = expression.value(names)
            except InputError:  # as in a division by zero: this point has none
                names[name] = None
    return names


def _plain(value: Any) -> Any:
    return nested(value) if isinstance(value, Mapping) else value


def row_of(plan: Plan, seen: Seen) -> dict[str, Any]:
    """One tidy row: run id, status, axes, metrics, derived quantities, error."""
    record = seen.record
    row = {"run_id": record.run_id, "status": record.status, **seen.point.values}
    for name, value in record.summary.items():
        if isinstance(value, Mapping):
            row |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            row[name] = value
    for name in plan.study.derived:
        row[name] = seen.value(name) if record.ok else None
    return row | {"error": record.error}


def holding(seen: Sequence[Seen], constraints: Sequence[Expression]) -> list[Seen]:
    """Points with numbers that hold every constraint."""
    return [
        one for one in seen if one.record.ok and all(bool(c.value(one.names)) for c in constraints)
    ]
