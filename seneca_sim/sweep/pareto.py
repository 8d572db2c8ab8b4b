"""Pareto fronts: the points that no other is at least as good as in all, and better in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seneca_sim.errors import InputError
from seneca_sim.sweep.study import Direction
from seneca_sim.sweep.view import Seen


def front(costs: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the points on the front, less being better everywhere; equals are all on it.

    In ascending order of costs each point need only be held against the front so far: whoever
    dominates a point comes before it.
    """
    order = sorted(range(len(costs)), key=lambda index: costs[index])
    found: list[int] = []
    for index in order:
        if not any(_dominates(costs[other], costs[index]) for other in found):
            found.append(index)
    return found


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def costs_of(seen: Sequence[Seen], objectives: Mapping[str, Direction]) -> list[tuple[float, ...]]:
    """Objectives as costs: what is to be maximised with its sign turned.

    Raises:
        InputError: an objective that a point has no number for.
    """
    return [
        tuple(cost_of(one, name, direction) for name, direction in objectives.items())
        for one in seen
    ]


def cost_of(seen: Seen, name: str, direction: Direction) -> float:
    """One objective as a cost: its value, negated where more is better.

    Raises:
        InputError: the point has no such number.
    """
    value = seen.value(name)
    if value is None and name.startswith("energy_by_"):
        value = 0  # tables of energies leave out what costs nothing
    if not isinstance(value, int | float):
        raise InputError(f"objective {name}: point {seen.point.index} has no number, got {value!r}")
    return -value if direction == "maximize" else value


def pareto(seen: Sequence[Seen], objectives: Mapping[str, Direction]) -> list[Seen]:
    """The points on the front, best in the first objective first."""
    return [seen[index] for index in front(costs_of(seen, objectives))]


def best(seen: Sequence[Seen], objectives: Mapping[str, Direction], count: int) -> list[Seen]:
    """The points with the least costs, the first objective first, then the next."""
    costs = costs_of(seen, objectives)
    order = sorted(range(len(seen)), key=lambda index: (costs[index], index))
    return [seen[index] for index in order[:count]]
