"""Run a golden again and compare, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from seneca_sim.errors import InputError, SenecaError
from seneca_sim.golden.attribute import attribute
from seneca_sim.golden.degenerate import degenerate
from seneca_sim.golden.file import Golden
from seneca_sim.golden.job import Bench
from seneca_sim.golden.tolerance import Tolerance, tolerance_of
from seneca_sim.results.compare import Cause, Change, Move, Numbers, changes, moves


@dataclass(frozen=True)
class Selection:
    """Which variants, and which numbers of them (patterns over keys); empty for all."""

    variants: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def labels(self, golden: Golden) -> list[str]:
        """The golden's variants that are chosen; InputError where none is."""
        found = [v for v in golden.numbers if not self.variants or v in self.variants]
        if not found:
            known = ", ".join(golden.numbers)
            raise InputError(f"golden {golden.name} has no such variant; it has {known}")
        return found

    def has(self, key: str) -> bool:
        """Whether a number is chosen."""
        return not self.keys or any(fnmatchcase(key, pattern) for pattern in self.keys)


@dataclass(frozen=True)
class Allowed:
    """A move within a tolerance."""

    move: Move
    tolerance: Tolerance


@dataclass(frozen=True)
class VariantOutcome:
    """One variant: `checked` numbers, those that moved, those that may, and why they did."""

    label: str
    old: Numbers
    new: Numbers
    checked: int
    breaches: tuple[Move, ...]
    allowed: tuple[Allowed, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Outcome:
    """A golden checked.

    Attributes:
        file: where it is.
        name: of the golden.
        variants: what was found, one for each variant.
        changes: inputs that are not as they were recorded.
        notes: what else there is to know: another version, a golden that proves nothing.
        error: why it could not be run; then nothing was checked.
        skipped: why it was not run on purpose.
        seconds: that it took.
    """

    file: str
    name: str
    variants: tuple[VariantOutcome, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    error: SenecaError | None = None
    skipped: str = ""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 holds, 1 moved, 2 or 3 could not be run."""
        if self.error is not None:
            return self.error.exit_code
        return int(any(variant.breaches for variant in self.variants))

    @property
    def checked(self) -> int:
        """Numbers that were compared."""
        return sum(variant.checked for variant in self.variants)


def check(
    golden: Golden, bench: Bench, selection: Selection | None = None, file: str = ""
) -> Outcome:
    """Check a golden against what its job gives now.

    Raises:
        SenecaError: the job does not run, or a chosen variant does not exist.
        InputError: no number goes by the chosen keys.
    """
    chosen = selection or Selection()
    changed = changes(golden.inputs, bench.inputs())
    variants = tuple(
        _variant(golden, bench, label, chosen, changed) for label in chosen.labels(golden)
    )
    if not any(variant.checked for variant in variants):
        raise InputError(f"golden {golden.name} has no number under {', '.join(chosen.keys)}")
    return Outcome(
        file or golden.name, golden.name, variants, changed, _notes(golden, changed, variants)
    )


def _variant(
    golden: Golden, bench: Bench, label: str, chosen: Selection, changed: Sequence[Change]
) -> VariantOutcome:
    old, new = golden.numbers[label], bench.numbers(label)
    found = [move for move in moves(old, new) if chosen.has(move.key)]
    allowed = [
        Allowed(move, tolerance)
        for move in found
        if (tolerance := tolerance_of(golden.tolerances, label, move.key)) is not None
        and tolerance.allows(move)
    ]
    fine = {one.move.key for one in allowed}
    breaches = tuple(move for move in found if move.key not in fine)
    mine = [c for c in changed if c.section != "streams" or c.path == label]
    why = attribute(golden.inputs, old, new, mine, bench, label) if breaches else ()
    checked = sum(chosen.has(key) for key in old.integers())
    return VariantOutcome(label, old, new, checked, breaches, tuple(allowed), why)


def _notes(
    golden: Golden, changed: Sequence[Change], variants: Sequence[VariantOutcome]
) -> tuple[str, ...]:
    notes = [f"proves little: {reason}" for reason in degenerate(golden.numbers, golden.tolerances)]
    tools = [change for change in changed if change.section == "tool"]
    moved = any(variant.breaches for variant in variants)
    if tools:
        told = ", ".join(f"{c.path} {c.old} -> {c.new}" for c in tools)
        tip = "; the changelog says which numbers moved on purpose" if moved else ""
        notes.append(f"recorded with another version ({told}){tip}")
    # What is new since, as a field of the chip that did not exist, is no news if nothing moved.
    known = [c for c in changed if c.section != "tool" and c.old is not None]
    quiet = [str(change) for change in known]
    if quiet and not moved:
        notes.append(f"inputs differ, but no checked number moved: {'; '.join(quiet[:4])}")
    return tuple(notes)
