"""Moved numbers and their causes as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from seneca_sim.report.layout import NONE, aligned, wrapped
from seneca_sim.results.compare import Cause, Change, Move, Numbers
from seneca_sim.results.compare.comparison import Comparison, Pair
from seneca_sim.results.compare.inputs import relative
from seneca_sim.results.compare.numbers import TOTAL
from seneca_sim.units import si

MOST: Final = 12
"""Moved numbers that are shown of each variant unless all are asked for."""
HEADER: Final = ("number", "old", "new", "delta", "")


def headline(old: Numbers, new: Numbers) -> str:
    """Energy and cycles of both sides: "energy 1.23 µJ -> 1.24 µJ (+0.31 %), cycles 402 (same)"."""
    energies = (old.energy_fj, new.energy_fj)
    short = [si(fj, "fJ") for fj in energies]
    if short[0] == short[1] and energies[0] != energies[1]:  # three digits do not show it
        short = [f"{fj:,} fJ" for fj in energies]
    cycles = _change(old.cycles, new.cycles, f"{old.cycles:,}", f"{new.cycles:,}")
    return f"energy {_change(*energies, short[0], short[1])}, cycles {cycles}"


def _change(old: int, new: int, before: str, after: str) -> str:
    return f"{before} (same)" if old == new else f"{before} -> {after} ({relative(old, new)})"


def cause_text(cause: Cause, old: Numbers, new: Numbers) -> str:
    """A cause, its share in what moved, and the terms through which it moves the energy."""
    through = f", through {_first(cause.terms)}" if cause.terms else ""
    return f"{cause.text} {cause.share(old, new)}{through}"


def _first(terms: Sequence[str], most: int = 3) -> str:
    rest = len(terms) - most
    return ", ".join(terms[:most]) + (f" and {rest} more" if rest > 0 else "")


def ranked_moves(moves: Sequence[Move]) -> list[Move]:
    """Totals first, then energies and all others by how much they moved."""
    families = {TOTAL: 0, "cycles": 1}

    def rank(move: Move) -> tuple[int, float, str]:
        family = move.key.partition(".")[0]
        place = families.get(move.key, {"energy": 2, "count": 3}.get(family, 4))
        weight = abs(move.delta) / (1 if place == 2 else max(1, abs(move.old or 0)))
        return place, -weight, move.key

    return sorted(moves, key=rank)


def cells(moves: Sequence[Move]) -> list[list[str]]:
    """Rows of a table under `HEADER`."""
    return [
        [
            move.key,
            NONE if move.old is None else f"{move.old:,}",
            NONE if move.new is None else f"{move.new:,}",
            f"{move.delta:+,}",
            relative(move.old or 0, move.new or 0) if move.new is not None else "gone",
        ]
        for move in moves
    ]


def move_lines(moves: Sequence[Move], most: int | None = MOST) -> list[str]:
    """Moved numbers as an aligned table, the most important first."""
    shown = ranked_moves(moves)[:most]
    lines = aligned([list(HEADER), *cells(shown)]) if shown else []
    rest = len(moves) - len(shown)
    return [*lines, f"and {rest} more"] if rest else lines


def move_markdown(moves: Sequence[Move], most: int | None = MOST) -> list[str]:
    """Moved numbers as a Markdown table."""
    shown = ranked_moves(moves)[:most]
    rows = [f"| `{key}` | {' | '.join(rest)} |" for key, *rest in cells(shown)]
    rest = len(moves) - len(shown)
    table = ["| number | old | new | delta | |", "|---|---:|---:|---:|---:|", *rows]
    return [*table, "", f"… and {rest} more."] if rest else table


def cause_json(cause: Cause) -> dict[str, Any]:
    """A cause as JSON has it."""
    return {
        "text": cause.text,
        "energy_fj": cause.energy_fj,
        "cycles": cause.cycles,
        "terms": list(cause.terms),
    }


def change_json(change: Change) -> dict[str, Any]:
    """A changed input as JSON has it."""
    return {
        "section": change.section,
        "path": change.path,
        "old": change.old,
        "new": change.new,
    }


def move_json(move: Move) -> dict[str, Any]:
    """A moved number as JSON has it."""
    return {"key": move.key, "old": move.old, "new": move.new, "delta": move.delta}


def lines_of(comparison: Comparison, most: int | None = MOST) -> list[str]:
    """A comparison of two runs as text."""
    lines = [_title(comparison)]
    lines += [f"only in {name}: {label}" for label, name in comparison.only.items()]
    for pair in comparison.pairs:
        lines += [f"{pair.label}: {headline(pair.old, pair.new)}", *_pair_lines(pair, most)]
    return [*lines, *_inputs(comparison.changes)]


def _title(comparison: Comparison) -> str:
    verdict = "every integer agrees" if comparison.same else "moved"
    return f"{comparison.old} -> {comparison.new}: {verdict}"


def _pair_lines(pair: Pair, most: int | None) -> list[str]:
    told = (f"  why: {cause_text(cause, pair.old, pair.new)}" for cause in pair.causes)
    why = [line for text in told for line in wrapped(text, 7)]
    return [*why, *(f"  {line}" for line in move_lines(pair.moves, most))]


def _inputs(changes: Sequence[Change]) -> list[str]:
    if not changes:
        return ["inputs: none that was recorded differs"]
    return ["inputs that differ:", *(f"  {change}" for change in changes)]


def markdown_of(comparison: Comparison, most: int | None = MOST) -> str:
    """A comparison of two runs as Markdown."""
    lines = [f"### {_title(comparison)}", ""]
    lines += [f"- only in {name}: {label}" for label, name in comparison.only.items()]
    for pair in comparison.pairs:
        lines += [f"**{pair.label}**: {headline(pair.old, pair.new)}", ""]
        lines += [f"- {cause_text(cause, pair.old, pair.new)}" for cause in pair.causes]
        lines += ["", *move_markdown(pair.moves, most), ""] if pair.moves else [""]
    changed = [f"- {change}" for change in comparison.changes]
    return "\n".join([*lines, "Inputs that differ:", "", *(changed or ["- none"])]) + "\n"


def json_of(comparison: Comparison) -> dict[str, Any]:
    """A comparison of two runs as plain data."""
    return {
        "schema": "seneca-comparison/1",
        "old": comparison.old,
        "new": comparison.new,
        "same": comparison.same,
        "only": dict(comparison.only),
        "changes": [change_json(change) for change in comparison.changes],
        "variants": [_pair_json(pair) for pair in comparison.pairs],
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {
        "label": pair.label,
        "energy_fj": [pair.old.energy_fj, pair.new.energy_fj],
        "cycles": [pair.old.cycles, pair.new.cycles],
        "causes": [cause_json(cause) for cause in pair.causes],
        "terms": [
            {
                "term": term.path,
                "delta_fj": term.delta_fj,
                "count_fj": float(term.count_fj),
                "price_fj": float(term.price_fj),
            }
            for term in pair.terms
        ],
        "moves": [move_json(move) for move in pair.moves],
    }
