"""A comparison of two descriptions of runs: variant by variant, what moved and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seneca_sim.results.compare.causes import Cause, causes
from seneca_sim.results.compare.folder import Snapshot
from seneca_sim.results.compare.inputs import Change, changes
from seneca_sim.results.compare.moves import Move, TermMove, moves, term_moves
from seneca_sim.results.compare.numbers import Numbers


@dataclass(frozen=True)
class Pair:
    """One variant in both runs: every number that moved, the terms, the causes."""

    label: str
    old: Numbers
    new: Numbers
    moves: tuple[Move, ...]
    terms: tuple[TermMove, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Comparison:
    """Two runs; `only` names variants that one side lacks, with that side's name."""

    old: str
    new: str
    changes: tuple[Change, ...]
    pairs: tuple[Pair, ...]
    only: Mapping[str, str]

    @property
    def same(self) -> bool:
        """Whether every integer agrees."""
        return not self.only and not any(pair.moves for pair in self.pairs)


def compare(old: Snapshot, new: Snapshot) -> Comparison:
    """Compare two runs variant by variant, the largest change of energy first."""
    changed = changes(old.inputs, new.inputs)
    common = [label for label in old.numbers if label in new.numbers]
    pairs = [_pair(label, old.numbers[label], new.numbers[label], changed) for label in common]
    only = {label: old.name for label in old.numbers if label not in new.numbers}
    only |= {label: new.name for label in new.numbers if label not in old.numbers}
    return Comparison(old.name, new.name, changed, tuple(sorted(pairs, key=_weight)), only)


def _pair(label: str, old: Numbers, new: Numbers, changed: tuple[Change, ...]) -> Pair:
    mine = tuple(c for c in changed if c.section != "streams" or c.path == label)
    return Pair(label, old, new, moves(old, new), term_moves(old, new), causes(old, new, mine))


def _weight(pair: Pair) -> float:
    return -abs(pair.new.energy_fj - pair.old.energy_fj) / max(1, pair.old.energy_fj)
