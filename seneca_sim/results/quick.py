"""Pricing without breakdowns by place and kind: the same integers, in a millisecond or two.

`price_run` shares every femtojoule out over cores, layers and kinds of work. A sweep of thousands
of points wants totals, tokens and classes; these are the terms themselves, so they need no pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.cost.energy import CLASSES, EnergyTable
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import InternalError
from seneca_sim.results.counts import Counts
from seneca_sim.results.ids import run_id
from seneca_sim.results.summary import FJ_PER_J
from seneca_sim.results.terms import Term, terms_of
from seneca_sim.results.tokens import (
    Peak,
    Tokens,
    background_of,
    peak_of,
    percentile,
    tokens_of,
)


@dataclass(frozen=True, eq=False)
class Totals:
    """A priced run without its pieces; energies are whole femtojoules."""

    run_id: str
    chip: Chip
    counts: Counts
    terms: tuple[Term, ...]
    tokens: Tokens
    peak: Peak

    @property
    def energy_fj(self) -> int:
        """Everything, leakage included."""
        return sum(term.energy_fj for term in self.terms)

    @cached_property
    def by_class(self) -> dict[str, int]:
        """Energy in fJ by class of hardware, in the order of `CLASSES`."""
        return self._by("component", CLASSES)

    @cached_property
    def by_op(self) -> dict[str, int]:
        """Energy in fJ by op, in the order of `OPS`."""
        return self._by("op", OPS)

    def _by(self, name: str, order: tuple[str, ...]) -> dict[str, int]:
        totals = dict.fromkeys(order, 0)
        for term in self.terms:
            totals[getattr(term, name)] += term.energy_fj
        return {key: total for key, total in totals.items() if total}


def price_totals(loaded: LoadedChip, table: EnergyTable, counts: Counts) -> Totals:
    """Price the counts of an activity that has passed `check_activity`.

    Args:
        loaded: the chip with its marks.
        table: energies per count.
        counts: of the activity, from a simulation or from a store.

    Raises:
        InputError: a counted op without a row in the table.
        InternalError: tokens do not have all the energy.
    """
    chip = loaded.chip
    background = background_of(chip, counts.cores_used, counts.cycles, counts.active_cycles)
    terms = terms_of(counts.by_op | background, table, chip)
    tokens = tokens_of(terms, counts, one_by_one=counts.one_by_one)
    totals = Totals(
        run_id=run_id(counts.activity_id, loaded, table),
        chip=chip,
        counts=counts,
        terms=terms,
        tokens=tokens,
        peak=peak_of(counts, table, chip, background),
    )
    if sum(tokens.energy_fj) != totals.energy_fj:
        raise InternalError(
            f"energies of tokens add up to {sum(tokens.energy_fj)} fJ of {totals.energy_fj}"
        )
    return totals


def totals_summary(totals: Totals) -> dict[str, Any]:
    """Plain numbers by name, each with its unit at the end; per token: the median."""
    counts, tokens, hertz = totals.counts, totals.tokens, totals.chip.clock_hz
    count = len(tokens.start)
    work = counts.work
    energy, latency = sum(tokens.energy_fj), sum(tokens.latency_cycles)
    return {
        "cycles": counts.cycles,
        "time_s": counts.cycles / hertz,
        "tokens": count,
        "energy_fj": totals.energy_fj,
        **_statistics("energy_per_token", "j", tokens.energy_fj, FJ_PER_J),
        **_statistics("latency_per_token", "s", tokens.latency_cycles, hertz),
        "energy_delay_js": energy * latency / (count * count * hertz * FJ_PER_J),
        "average_power_w": totals.energy_fj * hertz / (max(1, counts.cycles) * FJ_PER_J),
        "peak_power_w": totals.peak.power_w(hertz),
        "sparsity": work.sparsity,
        "macs_per_token": (work.blocks + work.head) / count,
        "cores": totals.chip.cores,
        "cores_used": counts.cores_used,
        "energy_by_class_fj": totals.by_class,
        "energy_by_op_fj": totals.by_op,
    }


def _statistics(name: str, unit: str, values: tuple[int, ...], scale: int) -> Mapping[str, float]:
    return {
        f"{name}_{unit}": percentile(values, 50) / scale,
        f"{name}_p95_{unit}": percentile(values, 95) / scale,
        f"{name}_mean_{unit}": sum(values) / (len(values) * scale),
    }
