"""Two stores of runs, point by point: which metrics moved, ranked, and which inputs differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from seneca_sim.results.compare.inputs import Leaf, arrow, flat
from seneca_sim.results.ids import canonical_json

OK: Final = "ok"
ENERGY: Final = "energy_fj"
"""The metric by which points are ranked, where they have it."""
Number = int | float


class RecordLike(Protocol):
    """What is read of a store's record."""

    @property
    def point(self) -> Mapping[str, Any]:
        """The axes' values by path."""

    @property
    def status(self) -> str:
        """Either ok or failed."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """Metrics by name."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What ran."""

    @property
    def error(self) -> str:
        """One line where it failed."""


@dataclass(frozen=True)
class Metric:
    """A metric that differs; None where one side lacks it."""

    name: str
    old: Number | None
    new: Number | None

    @property
    def ratio(self) -> float:
        """The relative change; infinite where it cannot be said."""
        if self.old is None or self.new is None or not self.old:
            return float("inf")
        return self.new / self.old - 1


@dataclass(frozen=True)
class Difference:
    """An input that differs, in how many of the points that moved."""

    path: str
    old: Leaf | None
    new: Leaf | None
    points: int

    def __str__(self) -> str:
        return f"{self.path} {arrow(self.old, self.new)}"


@dataclass(frozen=True)
class Point:
    """A point that is not the same in both stores; `status` is told where it changed."""

    point: Mapping[str, Any]
    metrics: tuple[Metric, ...]
    status: str

    @property
    def weight(self) -> float:
        """How much it moved: its energy's relative change, else the largest of any metric."""
        by_name = {metric.name: abs(metric.ratio) for metric in self.metrics}
        if self.status:
            return float("inf")
        return by_name.get(ENERGY, max(by_name.values(), default=0.0))


@dataclass(frozen=True)
class StoreComparison:
    """Two stores: points in both, those that moved (the most first), and those in one only."""

    old: str
    new: str
    common: int
    moved: tuple[Point, ...]
    only_old: tuple[Mapping[str, Any], ...]
    only_new: tuple[Mapping[str, Any], ...]
    inputs: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether both hold the same points with the same metrics."""
        return not (self.moved or self.only_old or self.only_new)


def compare_stores(
    old: Iterable[RecordLike], new: Iterable[RecordLike], names: tuple[str, str] = ("old", "new")
) -> StoreComparison:
    """Compare the records of two stores by their points.

    Of several records of one point, one that is ok is taken.
    """
    before, after = _by_point(old), _by_point(new)
    common = [key for key in before if key in after]
    moved, inputs = [], Counter[tuple[str, Leaf | None, Leaf | None]]()
    for key in common:
        point = _point(before[key], after[key])
        if point is not None:
            moved.append(point)
            inputs.update(_inputs(before[key].inputs, after[key].inputs))
    differences = [Difference(*what, points) for what, points in inputs.items()]
    return StoreComparison(
        *names,
        common=len(common),
        moved=tuple(sorted(moved, key=lambda point: -point.weight)),
        only_old=tuple(before[key].point for key in before if key not in after),
        only_new=tuple(after[key].point for key in after if key not in before),
        inputs=tuple(sorted(differences, key=lambda d: (-d.points, d.path))),
    )


def _by_point(records: Iterable[RecordLike]) -> dict[str, RecordLike]:
    found: dict[str, RecordLike] = {}
    for record in records:
        key = canonical_json(dict(record.point))
        if key not in found or found[key].status != OK:
            found[key] = record
    return found


def _point(old: RecordLike, new: RecordLike) -> Point | None:
    """What differs in one point; None if nothing does."""
    before, after = _numbers(old.summary), _numbers(new.summary)
    metrics = [
        Metric(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    status = ""
    if old.status != new.status:
        status = f"{old.status} -> {new.status}" + (f": {new.error}" if new.error else "")
    if not metrics and not status:
        return None
    ranked = sorted(metrics, key=lambda m: (m.name != ENERGY, -abs(m.ratio), m.name))
    return Point(new.point, tuple(ranked), status)


def _numbers(summary: Any, prefix: str = "") -> dict[str, Number]:
    """Numeric leaves by dotted name."""
    found: dict[str, Number] = {}
    items = summary.items() if isinstance(summary, Mapping) else enumerate(summary)
    for key, value in items:
        name = f"{prefix}{key}"
        if isinstance(value, Mapping | list | tuple):
            found |= _numbers(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found


def _inputs(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[tuple[str, Leaf | None, Leaf | None]]:
    before, after = flat(old), flat(new)
    return [
        (path, before.get(path), after.get(path))
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    ]
