"""Steady state: run some tokens, see that they repeat, and say what more of them would take.

Tokens of one trace differ, because their events do; what repeats is their mean. The error that is
stated is three standard errors of the extrapolated time, from the spread of the tokens that were
run, so it holds for tokens drawn like these and for no others. Tokens in a pipeline are not
independent: they leave in bursts. So the spread is that of sums over blocks of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.activity import Activity
from seneca_sim.errors import InputError

Floats = NDArray[np.float64]
SIGMAS = 3.0
FIRST_TOKENS = 8
BLOCKS = 8
"""Blocks whose sums give the spread of a pipeline."""


@dataclass(frozen=True)
class Steady:
    """What a run says of a longer one.

    Attributes:
        tokens_run: tokens that were simulated.
        tokens: tokens that it is said of.
        warm_up: tokens at the start that are not like the others.
        cycles_per_token: in steady state.
        total_cycles: of all tokens; what was run is counted, the rest extrapolated.
        error: of `total_cycles`, relative, three standard errors; 0 where nothing is extrapolated.
        found: whether the error came below what was asked for.
    """

    tokens_run: int
    tokens: int
    warm_up: int
    cycles_per_token: float
    total_cycles: float
    error: float
    found: bool


@dataclass(frozen=True)
class Rate:
    """How fast tokens like those of a run follow each other, for as long as one likes.

    Attributes:
        cycles_per_token: from answer to answer, mean.
        error: relative, three standard errors of that mean; None where too few tokens tell one.
        tokens_run: tokens that were simulated.
        warm_up: of them, those at the start that were left out.
        tail: of them, those at the end that were left out.
    """

    cycles_per_token: float
    error: float | None
    tokens_run: int
    warm_up: int
    tail: int


def rate_of(activity: Activity, sequences: int = 1) -> Rate | None:
    """The steady rate of a run; None for fewer than four tokens.

    Args:
        activity: of a run in any mode.
        sequences: that ran side by side; their answers come in bursts, so whole turns are looked
            at.
    """
    count = int(activity.token_done.size)
    if count < 4:
        return None
    warm, tail, steady = _steady(activity, sequences)
    block = _block(steady.size, sequences, overlap=tail > 0)
    mean, blocks = float(steady.mean()), steady.size // block
    error = None
    if blocks > 1:
        error = SIGMAS * float(np.sqrt(_variance(steady, block) / steady.size)) / mean
    return Rate(mean, error, count, warm, tail)


def extrapolate(
    activity: Activity, tokens: int, tolerance: float = 0.01, *, sequences: int = 1
) -> Steady:
    """Say how long `tokens` tokens like those of a run take.

    The intervals between answers are looked at; in generation those are the latencies. The warm-up
    is the filling of the pipeline and the start without which the mean of the rest has the least
    standard error. The last tokens of a pipelined run, behind which nobody comes, are left out.

    Args:
        activity: of a run of at least four tokens, in any mode.
        tokens: at least as many.
        tolerance: relative error that is wanted.
        sequences: that ran side by side.

    Raises:
        InputError: too few tokens.
    """
    count = activity.token_done.size
    if count < 4 or tokens < count:
        raise InputError(
            f"steady state: {count} tokens run of {tokens}; expected at least 4, and no more run "
            "than asked for"
        )
    warm, tail, steady = _steady(activity, sequences)
    mean, more = float(steady.mean()), tokens - count
    total = float(activity.cycles) + more * mean
    block = _block(steady.size, sequences, overlap=tail > 0)
    error = SIGMAS * _spread(steady, more, block) / total
    return Steady(count, tokens, warm, mean, total, error, error <= tolerance)


def run_steady(
    run: Callable[[int], Activity],
    tokens: int,
    *,
    tolerance: float = 0.01,
    first: int = FIRST_TOKENS,
) -> tuple[Steady, Activity]:
    """Run more and more tokens until the rest can be extrapolated, at most all of them.

    Args:
        run: simulates so many tokens from the start.
        tokens: how many the answer is for.
        tolerance: relative error that is wanted.
        first: tokens of the first try; each further one has twice as many.

    Returns:
        The answer, and the activity of the last try.
    """
    count = min(tokens, max(4, first))
    while True:
        activity = run(count)
        if count == tokens:
            cycles = float(activity.cycles)
            return Steady(count, tokens, 0, cycles / count, cycles, 0.0, True), activity
        steady = extrapolate(activity, tokens, tolerance)
        if steady.found:
            return steady, activity
        count = min(tokens, 2 * count)


def _steady(activity: Activity, sequences: int) -> tuple[int, int, Floats]:
    """Tokens left out at the start and at the end, and the intervals between the others' answers.

    Whole turns of the sequences are kept, where there are any.
    """
    done = np.sort(activity.token_done).astype(np.float64)
    count = done.size
    intervals = np.diff(np.concatenate(([float(activity.token_start.min())], done)))
    tail = _tail(activity)
    warm = min(count // 2, tail + _warm_up(intervals[tail : count - tail]))
    kept = count - tail - warm
    warm += kept % sequences if kept > sequences else 0
    return warm, tail, intervals[warm : count - tail]


def _block(size: int, sequences: int, *, overlap: bool) -> int:
    """Tokens of a block: one where tokens are alone, else whole turns, `BLOCKS` of them in all."""
    if not overlap:
        return 1
    return max(1, -(-(size // BLOCKS) // sequences)) * sequences


def _tail(activity: Activity) -> int:
    """Tokens at the end that overlap with no later one: as many as were ever under way at once."""
    start, done = np.sort(activity.token_start), np.sort(activity.token_done)
    under_way = np.searchsorted(start, done, side="right") - np.arange(done.size)
    return int(min(under_way.max(initial=1) - 1, done.size // 4))


def _warm_up(intervals: Floats) -> int:
    """Where to cut the start: the least standard error of what is left (MSER, White 1997)."""
    cuts = range(max(1, intervals.size // 2))
    errors = [float(intervals[cut:].var()) / (intervals.size - cut) for cut in cuts]
    return int(np.argmin(errors))


def _spread(steady: Floats, more: int, block: int) -> float:
    """Standard error of the sum of `more` tokens: their own spread, and that of the mean."""
    blocks = steady.size // block
    if more == 0 or blocks < 2:
        return 0.0 if more == 0 else float(steady.sum())
    return float(np.sqrt(_variance(steady, block) * more * (1 + more / steady.size)))


def _variance(steady: Floats, block: int) -> float:
    """Variance of a token's interval, from the sums of at least two blocks of them."""
    blocks = steady.size // block
    sums = steady[: blocks * block].reshape(blocks, block).sum(axis=1)
    return float(sums.var(ddof=1)) / block
