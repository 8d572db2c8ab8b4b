"""Goldens that prove nothing: numbers that would hold still whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from seneca_sim.golden.tolerance import Tolerance, tolerance_of
from seneca_sim.results.compare import Numbers

_BACKGROUND = ("leak.", "idle.")


def degenerate(
    numbers: Mapping[str, Numbers], tolerances: Sequence[Tolerance] = ()
) -> tuple[str, ...]:
    """Say of every variant, or pair of variants, what makes it worthless; empty if nothing does."""
    found = [f"{label}: {reason}" for label, one in numbers.items() if (reason := _reason(one))]
    found += [
        f"{b} has the numbers of {a}: nothing tells them apart"
        for a, b in combinations(numbers, 2)
        if numbers[a] == numbers[b]
    ]
    for label, one in numbers.items():
        keys = one.integers()
        if keys and all(tolerance_of(tolerances, label, key) for key in keys):
            found.append(f"{label}: every number has a tolerance")
    return tuple(found)


def _reason(numbers: Numbers) -> str:
    acted = {op: n for op, n in numbers.counts.items() if not op.startswith(_BACKGROUND)}
    if not numbers.done:
        return "no token"
    if not any(acted.values()):
        return "nothing is counted but leakage"
    if not any(n for op, n in acted.items() if op.startswith("npe.")):
        return "no NPE does anything"
    if not acted.get("noc.flit_hop"):
        return "nothing crosses the NoC"
    if numbers.energy_fj == 0:
        return "every energy is zero"
    return ""
