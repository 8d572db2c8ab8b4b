"""What a check found: for a terminal, for a pull request, for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seneca_sim.golden.check import Outcome, VariantOutcome
from seneca_sim.report.compare import (
    MOST,
    cause_json,
    cause_text,
    change_json,
    headline,
    move_json,
    move_lines,
    move_markdown,
)
from seneca_sim.report.layout import wrapped

SCHEMA = "seneca-golden-check/1"


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """The worst of all: 0 all hold, 1 a number moved, 2 or 3 a golden could not be run."""
    return max((outcome.exit_code for outcome in outcomes), default=0)


def verdict(outcome: Outcome) -> str:
    """One word: ok, MOVED, ERROR or skipped."""
    if outcome.skipped:
        return "skipped"
    return {0: "ok", 1: "MOVED"}.get(outcome.exit_code, "ERROR")


def lines_of(outcomes: Sequence[Outcome], most: int | None = MOST) -> list[str]:
    """All goldens, one line each and more where something moved; the sum is the last line."""
    lines: list[str] = []
    for outcome in outcomes:
        lines += outcome_lines(outcome, most)
    return [*lines, _sum(outcomes)]


def outcome_lines(outcome: Outcome, most: int | None = MOST) -> list[str]:
    """One golden."""
    lines = [f"{verdict(outcome):<7} {outcome.file}: {_what(outcome)}"]
    for variant in outcome.variants:
        if variant.breaches:
            lines += _variant(variant, most)
        lines += [
            f"  {variant.label}: {a.move.key} {a.move.delta:+,} is within {a.tolerance.size} "
            f"({a.tolerance.reason})"
            for a in variant.allowed[:most]
        ]
    if outcome.exit_code == 1 and outcome.changes:
        lines += wrapped(f"  inputs that differ: {'; '.join(map(str, outcome.changes[:6]))}", 4)
    return [*lines, *(line for note in outcome.notes for line in wrapped(f"  note: {note}", 4))]


def _what(outcome: Outcome) -> str:
    if outcome.error is not None:
        return str(outcome.error)
    if outcome.skipped:
        return outcome.skipped
    labels = ", ".join(variant.label for variant in outcome.variants)
    moved = sum(len(variant.breaches) for variant in outcome.variants)
    held = f"{outcome.checked} numbers" if not moved else f"{moved} of {outcome.checked} numbers"
    return f"{held} ({labels})"


def _variant(variant: VariantOutcome, most: int | None) -> list[str]:
    lines = [f"  {variant.label}: {headline(variant.old, variant.new)}"]
    for cause in variant.causes:
        lines += wrapped(f"    why: {cause_text(cause, variant.old, variant.new)}", 9)
    return [*lines, *(f"    {line}" for line in move_lines(variant.breaches, most))]


def _sum(outcomes: Sequence[Outcome]) -> str:
    words = [verdict(outcome) for outcome in outcomes]
    counts = [f"{words.count(word)} {word}" for word in ("ok", "MOVED", "ERROR", "skipped")]
    told = ", ".join(count for count in counts if not count.startswith("0 "))
    seconds = sum(outcome.seconds for outcome in outcomes)
    tip = ""
    if "MOVED" in words:
        tip = "; if that is meant: seneca-sim golden update FILE --reason '…'"
    return f"{told or 'no goldens'} in {seconds:.1f} s{tip}"


def markdown_of(outcomes: Sequence[Outcome], most: int | None = MOST) -> str:
    """All goldens as a comment of a pull request: the verdict, then what moved."""
    moved = sum(outcome.exit_code == 1 for outcome in outcomes)
    failed = sum(outcome.exit_code > 1 for outcome in outcomes)
    told = f"{moved} of {len(outcomes)} moved" if moved else f"all {len(outcomes)} hold"
    if failed:
        told = f"{moved} moved, {failed} could not be run, of {len(outcomes)}"
    lines = [f"### Energy goldens: {told}", ""]
    for outcome in outcomes:
        lines += _outcome_markdown(outcome, most)
    if moved:
        lines += ["If that is meant: `seneca-sim golden update FILE --reason '…'`, and commit.", ""]
    return "\n".join(lines)


def _outcome_markdown(outcome: Outcome, most: int | None) -> list[str]:
    lines = [f"- **{verdict(outcome)}** `{outcome.file}`: {_what(outcome)}"]
    lines += [f"  - {note}" for note in outcome.notes]
    for variant in outcome.variants:
        if not variant.breaches:
            continue
        lines += ["", f"**{variant.label}**: {headline(variant.old, variant.new)}", ""]
        lines += [f"- {cause_text(c, variant.old, variant.new)}" for c in variant.causes]
        lines += ["", "<details><summary>numbers</summary>", ""]
        lines += [*move_markdown(variant.breaches, most), "", "</details>"]
    return [*lines, ""]


def json_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All goldens as plain data."""
    return {
        "schema": SCHEMA,
        "exit_code": exit_code(outcomes),
        "goldens": [_outcome_json(outcome) for outcome in outcomes],
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.file,
        "name": outcome.name,
        "verdict": verdict(outcome).lower(),
        "error": None if outcome.error is None else str(outcome.error),
        "skipped": outcome.skipped or None,
        "checked": outcome.checked,
        "notes": list(outcome.notes),
        "changes": [change_json(change) for change in outcome.changes],
        "variants": [_variant_json(variant) for variant in outcome.variants],
    }


def _variant_json(variant: VariantOutcome) -> dict[str, Any]:
    return {
        "label": variant.label,
        "checked": variant.checked,
        "energy_fj": [variant.old.energy_fj, variant.new.energy_fj],
        "cycles": [variant.old.cycles, variant.new.cycles],
        "causes": [cause_json(cause) for cause in variant.causes],
        "moved": [move_json(move) for move in variant.breaches],
        "within_tolerance": [
            move_json(one.move) | {"size": one.tolerance.size, "reason": one.tolerance.reason}
            for one in variant.allowed
        ],
    }
