"""Energy and latency token by token, their statistics, and the power peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import TYPE_CHECKING

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.activity import Activity, Ints
from seneca_sim.program import Program
from seneca_sim.results.terms import Term, apportion

if TYPE_CHECKING:
    from seneca_sim.results.counts import Counts

LEAKS = ("leak.sram", "leak.registers")
IDLE = "idle.clock"


def background_counts(chip: Chip, program: Program, activity: Activity) -> dict[str, int]:
    """Core-cycles that leak, and idle ones whose clock tree runs (S20); nobody counts them."""
    active = int(activity.core_active.sum())
    return background_of(chip, len(used_cores(program)), activity.cycles, active)


def background_of(chip: Chip, used: int, cycles: int, active: int) -> dict[str, int]:
    """`background_counts` from the cores that are used, the cycles, and active core-cycles."""
    leaking = used if chip.core.gating == "power" else chip.cores
    counts = dict.fromkeys(LEAKS, leaking * cycles)
    if chip.core.gating == "none":
        counts[IDLE] = chip.cores * cycles - active
    return counts


def used_cores(program: Program) -> set[int]:
    """Cores that hold a part of the program."""
    return {stage.core for stage in program.stages}


@dataclass(frozen=True)
class Tokens:
    """One entry per token: cycles at start and end, dynamic energy and its share of leakage."""

    start: tuple[int, ...]
    done: tuple[int, ...]
    dynamic_fj: tuple[int, ...]
    leakage_fj: tuple[int, ...]

    @property
    def latency_cycles(self) -> tuple[int, ...]:
        """Cycles from the offer of a token to its answer."""
        return tuple(b - a for a, b in zip(self.start, self.done, strict=True))

    @property
    def energy_fj(self) -> tuple[int, ...]:
        """Dynamic energy and leakage."""
        return tuple(a + b for a, b in zip(self.dynamic_fj, self.leakage_fj, strict=True))


def tokens_of(terms: tuple[Term, ...], activity: Activity | Counts, *, one_by_one: bool) -> Tokens:
    """Share out every term of a run over its tokens; the shares add up to the run's energy.

    Leakage goes by time in generation of one sequence, from a token's start to the next one's, and
    evenly where tokens overlap.
    """
    count = activity.token_ops.shape[0]
    periods = _periods(activity) if one_by_one else [1] * count
    dynamic, leakage = [0] * count, [0] * count
    for term in terms:
        leaks = term.component == "leakage"
        weights = periods if leaks else activity.token_ops[:, OP_INDEX[term.op]].tolist()
        target = leakage if leaks else dynamic
        for token, energy in enumerate(apportion(term.energy_fj, weights)):
            target[token] += energy
    starts, ends = activity.token_start.tolist(), activity.token_done.tolist()
    return Tokens(tuple(starts), tuple(ends), tuple(dynamic), tuple(leakage))


def _periods(activity: Activity | Counts) -> list[int]:
    """Cycles from each token's start to the next one's; the first from 0, the last to the end."""
    edges = [0, *activity.token_start[1:].tolist(), activity.cycles]
    return [b - a for a, b in pairwise(edges)]


def percentile(values: Sequence[int], percent: int) -> int:
    """The least value that `percent` of all values do not exceed: always one of them.

    This is numpy's method ``inverted_cdf``.
    """
    rank = -(-percent * len(values) // 100)
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True)
class Peak:
    """The window of the highest power: its energy, leakage included, over its width."""

    energy_fj: int
    width_cycles: int

    def power_w(self, clock_hz: int) -> float:
        """Average power within the window."""
        return float(Fraction(self.energy_fj * clock_hz, self.width_cycles * 10**15))


def peak_of(
    activity: Activity | Counts, table: EnergyTable, chip: Chip, background: Mapping[str, int]
) -> Peak:
    """Find the window of the highest power; `background` goes on evenly all the time.

    All windows count with their full width, the last one too, so that a short rest at the end
    makes no peak; a run shorter than one window is its own window.
    """
    width = max(1, min(activity.window_cycles, activity.cycles))
    counts = activity.window_ops.sum(axis=0)
    prices = {
        op: table.row(op, chip).total if counts[index] else Fraction(0)
        for op, index in OP_INDEX.items()
        if op not in background
    }
    always = sum((table.row(op, chip).total * n for op, n in background.items()), Fraction(0))
    share = Fraction(width, max(1, activity.cycles))
    return Peak(round(_highest(activity.window_ops, prices) + always * share), width)


def _highest(window_ops: Ints, prices: Mapping[str, Fraction]) -> Fraction:
    """The highest priced row, exactly."""
    scale = lcm(*(price.denominator for price in prices.values()))
    whole = np.array([int(prices.get(op, Fraction(0)) * scale) for op in OPS], object)
    return Fraction(int(max(window_ops.astype(object) @ whole)), scale)
