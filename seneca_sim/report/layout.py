"""Small pieces of text: aligned tables, numbers with units, wrapped sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from seneca_sim.units import si

WIDTH: Final = 100
"""Columns of a terminal that every line fits."""
NONE: Final = "–"


def aligned(rows: Sequence[Sequence[str]], gap: int = 2) -> list[str]:
    """Rows of cells as lines: the first column to the left, all others to the right.

    Columns move together where the lines would not fit `WIDTH`.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width + gap) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append((first.ljust(widths[0]) + "".join(cells)).rstrip())
    return aligned(rows, gap - 1) if gap > 1 and max(map(len, lines)) > WIDTH else lines


def wrapped(text: str, hang: int = 0) -> list[str]:
    """A sentence in lines of at most `WIDTH`; those after the first indented by `hang`."""
    # "1.3 µJ" and "5 %" stay in one piece.
    glued = _glued(text)
    lines = textwrap.wrap(glued, WIDTH, subsequent_indent=" " * hang, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _glued(text: str) -> str:
    """Put no-break spaces between a number and what it counts."""
    words = text.split(" ")
    glued = words[0]
    for before, word in pairwise(words):
        number = before[-1:].isdigit() and (word[:1] == "%" or len(word.strip(",;:.)")) <= 2)
        glued += ("\u00a0" if number else " ") + word
    return glued


def pair(first: float, second: float, unit: str) -> str:
    """Two quantities of one kind; the unit once where it is the same."""
    one, two = si(first, unit), si(second, unit)
    if one.split(" ")[1:] == two.split(" ")[1:]:
        one = one.split(" ")[0]
    return f"{one} / {two}"


def counted(first: float, second: float) -> str:
    """Two large counts, as in 2.87 / 2.93 M."""
    return pair(first, second, "b").replace("b", "").rstrip()


def counted_alone(value: float) -> str:
    """A large count, as in 2.87 M."""
    return si(value, "b").replace("b", "").rstrip()


def percent(share: float | None) -> str:
    """A share in percent to one digit, without the sign; what is there never shows as 0.0."""
    if share is None:
        return NONE
    return "<0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}"


def times(ratio: float | None) -> str:
    """How many times less: 1.30x."""
    return NONE if ratio is None else f"{ratio:.2f}x"


def change(new: float | None, old: float | None) -> str:
    """A relative change in percent with its sign: +0.42 %."""
    if new is None or not old:
        return NONE
    return f"{100 * (new / old - 1):+.2f} %"
