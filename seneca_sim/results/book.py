"""The book of energies: one integer per (piece, term), of which every breakdown is a marginal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip.load import LoadedChip
from seneca_sim.config import Mark
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.results.kinds import LEAKAGE
from seneca_sim.results.marks import count_mark, weakest
from seneca_sim.results.pieces import Ints, Piece
from seneca_sim.results.terms import Term, apportion

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Entry:
    """Energy of one piece for one term; leakage has no piece."""

    piece: Piece | None
    term: Term
    mark: Mark
    energy_fj: int

    @property
    def kind(self) -> str:
        """The kind of work."""
        return self.piece.kind if self.piece else LEAKAGE


@dataclass(frozen=True, eq=False)
class Book:
    """All energy of a run: `energy[piece, term]` in fJ, leakage apart."""

    loaded: LoadedChip
    pieces: tuple[Piece, ...]
    terms: tuple[Term, ...]

    @cached_property
    def energy(self) -> NDArray[np.int64]:
        """[pieces, terms] in fJ; columns of leakage terms are zero, for no piece caused them."""
        counts = np.array([piece.counts for piece in self.pieces])
        table = np.zeros((len(self.pieces), len(self.terms)), np.int64)
        for column, term in enumerate(self.terms):
            if term.component != "leakage":
                table[:, column] = apportion(term.energy_fj, counts[:, OP_INDEX[term.op]].tolist())
        return table

    @cached_property
    def leakage_fj(self) -> int:
        """Leakage of all cores over the whole run."""
        return sum(term.energy_fj for term in self.terms if term.component == "leakage")

    @property
    def total_fj(self) -> int:
        """Everything: the sum of the rounded terms."""
        return sum(term.energy_fj for term in self.terms)

    def entries(self) -> Iterator[Entry]:
        """Every energy that is not zero."""
        rows, columns = np.nonzero(self.energy)
        marks: dict[tuple[str, Mark, Mark], Mark] = {}
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            piece, term = self.pieces[row], self.terms[column]
            key = (term.op, term.mark, piece.mark)
            if key not in marks:
                counted = count_mark(term.op, self.loaded, piece.mark)
                marks[key] = weakest((term.mark, counted))
            yield Entry(piece, term, marks[key], int(self.energy[row, column]))
        for term in self.terms:
            if term.component == "leakage":
                mark = weakest((term.mark, count_mark(term.op, self.loaded, term.mark)))
                yield Entry(None, term, mark, term.energy_fj)

    def total_by(self, key: Callable[[Entry], Key]) -> dict[Key, int]:
        """Sum the entries by a key, in the order in which the keys turn up."""
        totals: dict[Key, int] = defaultdict(int)
        for entry in self._all:
            totals[key(entry)] += entry.energy_fj
        return dict(totals)

    @cached_property
    def _all(self) -> tuple[Entry, ...]:
        return tuple(self.entries())


def in_order(totals: Mapping[Key, int], order: tuple[Key, ...]) -> dict[Key, int]:
    """Totals in a given order, keys without any left out."""
    return {key: totals[key] for key in order if key in totals}


def total_counts(pieces: tuple[Piece, ...]) -> Ints:
    """Counts of all pieces together."""
    total: Ints = np.sum([piece.counts for piece in pieces], axis=0, dtype=np.int64)
    return total
