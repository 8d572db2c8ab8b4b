"""Recording a golden, and moving it: never without a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seneca_sim import __version__
from seneca_sim.errors import InputError
from seneca_sim.golden.degenerate import degenerate
from seneca_sim.golden.file import Entry, Golden
from seneca_sim.golden.job import Bench
from seneca_sim.golden.tolerance import Tolerance, check_used
from seneca_sim.results.compare import Numbers, moves
from seneca_sim.results.compare.inputs import relative

RECORDED = "recorded"


def record(
    name: str,
    spec: Mapping[str, Any],
    bench: Bench,
    tolerances: Sequence[Tolerance] = (),
    today: str | None = None,
    reason: str = RECORDED,
) -> Golden:
    """Run a job and hold its numbers.

    Args:
        name: for people.
        spec: how whoever checks opens the same job.
        bench: the job.
        tolerances: what may move.
        today: the date in the history; default: today's, in UTC.
        reason: what its history says of the recording.

    Raises:
        InputError: a tolerance that covers no number.
    """
    numbers = {label: bench.numbers(label) for label in bench.labels}
    check_used(tolerances, {label: list(one.integers()) for label, one in numbers.items()})
    return Golden(
        name=name,
        spec=spec,
        inputs=bench.inputs(),
        numbers=numbers,
        degenerate=degenerate(numbers, tolerances),
        tolerances=tuple(tolerances),
        history=(_entry(reason, (), today),),
    )


def update(golden: Golden, bench: Bench, reason: str, today: str | None = None) -> Golden:
    """A golden with the numbers and inputs of now; the reason and what moved go into its history.

    The same golden comes back where nothing differs.

    Raises:
        InputError: no reason.
    """
    check_reason(reason)
    fresh = record(golden.name, golden.spec, bench, golden.tolerances)
    moved = _moved(golden.numbers, fresh.numbers)
    if not moved and fresh.inputs == golden.inputs:
        return golden
    entry = _entry(reason.strip(), tuple(moved) or ("no number; inputs are written anew",), today)
    return replace(fresh, history=(*golden.history, entry))


def check_reason(reason: str) -> None:
    """Raise InputError for a reason that says nothing."""
    if not any(letter.isalpha() for letter in reason):
        raise InputError("a golden moves only with a reason: --reason 'why the numbers moved'")


def _entry(reason: str, moved: tuple[str, ...], today: str | None) -> Entry:
    return Entry(today or datetime.now(UTC).date().isoformat(), __version__, reason, moved)


def _moved(old: Mapping[str, Numbers], new: Mapping[str, Numbers]) -> list[str]:
    """One line a variant: how many numbers, energy and cycles."""
    lines = []
    for label in dict.fromkeys((*old, *new)):
        if label not in old or label not in new:
            lines.append(f"{label}: {'new' if label in new else 'gone'}")
        elif found := moves(old[label], new[label]):
            a, b = old[label], new[label]
            lines.append(
                f"{label}: {len(found)} numbers; "
                f"energy {a.energy_fj} -> {b.energy_fj} fJ ({relative(a.energy_fj, b.energy_fj)}), "
                f"cycles {a.cycles} -> {b.cycles} ({relative(a.cycles, b.cycles)})"
            )
    return lines
