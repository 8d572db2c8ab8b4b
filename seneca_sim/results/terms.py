"""Pricing: each (component, op) total is rounded once; every breakdown shares out that integer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from seneca_sim.chip import Chip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import EnergyTable, price


@dataclass(frozen=True, slots=True)
class Term:
    """`energy_fj` = `count` x `fj_per_count`, rounded once, half to even.

    `component` is a class of the energy table, `mark` the table row's.
    """

    component: str
    op: str
    count: int
    fj_per_count: Fraction
    energy_fj: int
    mark: Mark


def terms_of(counts: Mapping[str, int], table: EnergyTable, chip: Chip) -> tuple[Term, ...]:
    """Price the counts of a whole run; ops that do not occur have no term.

    Raises:
        InputError: a counted op has no row in the table.
    """
    terms = []
    for op, parts in price(counts, table, chip).items():
        row = table.row(op, chip)
        terms += [
            Term(component, op, counts[op], row.parts[component], energy, row.mark)
            for component, energy in parts.items()
        ]
    return tuple(terms)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share out an integer in proportion to `weights`, so that the shares add up to it.

    Largest remainders are rounded up, the first of equals first; each share is less than 1 from
    exact. With no weight at all there is nothing to share.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    shares, rests = [], []
    for weight in weights:
        share, rest = divmod(total * weight, whole)
        shares.append(share)
        rests.append(rest)
    left = total - sum(shares)
    if left:
        for index in sorted(range(len(weights)), key=lambda i: -rests[i])[:left]:
            shares[index] += 1
    return shares
