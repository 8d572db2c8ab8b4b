"""How sure a term of energy is: as sure as the weakest of its factors.

A term is a count times an energy. The energy has the mark of its table row; the count has a mark
of its own, since it rests on a micro-kernel or on parameters of the chip.
"""

from __future__ import annotations

from collections.abc import Iterable

from seneca_sim.chip.load import LoadedChip
from seneca_sim.config import Mark

STRENGTH = tuple(Mark)
"""Marks from the strongest to the weakest."""


def weakest(marks: Iterable[Mark]) -> Mark:
    """The weakest of some marks; of none, the strongest there is."""
    return max(marks, key=STRENGTH.index, default=STRENGTH[0])


def count_mark(op: str, loaded: LoadedChip, kernel: Mark) -> Mark:
    """The mark of the count of an op.

    Args:
        op: the op.
        loaded: the chip with its marks; a number without a mark is the user's own.
        kernel: mark of the micro-kernel that issues the instructions (for ``npe.*``).
    """
    family = op.partition(".")[0]
    if family == "npe":
        return kernel
    if family == "ctrl":
        return _chip_mark(loaded, "core.controller.")
    if family == "noc":
        return _chip_mark(loaded, "noc.")
    if family == "mem":
        return _chip_mark(loaded, "memory.burst")
    # Our reading of the output buffer; cycles, and so leakage, rest on assumptions.
    if family in ("dm", "leak", "idle"):
        return Mark.ASSUMED
    return STRENGTH[0]


def _chip_mark(loaded: LoadedChip, prefix: str) -> Mark:
    found = [mark for path, mark in loaded.marks.items() if path.startswith(prefix)]
    return weakest(found) if found else Mark.USER
