"""Two runs number by number, and every moved energy cut into what count and price did to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from seneca_sim.results.compare.numbers import Numbers, TermNumbers


@dataclass(frozen=True)
class Move:
    """A number that differs; None where one side lacks it."""

    key: str
    old: int | None
    new: int | None

    @property
    def delta(self) -> int:
        """New less old; what is missing counts as zero."""
        return (self.new or 0) - (self.old or 0)


@dataclass(frozen=True)
class TermMove:
    """A term whose energy, count or price differs.

    Attributes:
        path: ``OP.CLASS``.
        count_fj: what the other count costs at the old price.
        price_fj: what the other price costs for the new count; both add up to the exact change.
    """

    path: str
    old: TermNumbers | None
    new: TermNumbers | None
    count_fj: Fraction
    price_fj: Fraction

    @property
    def delta_fj(self) -> int:
        """New less old energy."""
        return (self.new.energy_fj if self.new else 0) - (self.old.energy_fj if self.old else 0)


def moves(old: Numbers, new: Numbers) -> tuple[Move, ...]:
    """Every integer that differs, in the order of the keys."""
    before, after = old.integers(), new.integers()
    return tuple(
        Move(key, before.get(key), after.get(key))
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    )


def term_moves(old: Numbers, new: Numbers) -> tuple[TermMove, ...]:
    """Every term that differs, the largest change of energy first."""
    found = list(_term_moves(old, new))
    return tuple(sorted(found, key=lambda move: (-abs(move.delta_fj), move.path)))


def _term_moves(old: Numbers, new: Numbers) -> Iterator[TermMove]:
    for path in dict.fromkeys((*old.terms, *new.terms)):
        before, after = old.terms.get(path), new.terms.get(path)
        if before == after:
            continue
        # An op that turns up, or goes, has one price.
        price = next(term.fj_per_count for term in (before, after) if term is not None)
        other = after.fj_per_count if after else price
        counted = (after.count if after else 0) - (before.count if before else 0)
        priced = (after.count if after else 0) * (other - price)
        yield TermMove(path, before, after, counted * price, priced)
