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


def extrapolate(activity: Activity, tokens: int, tolerance: float = 0.01) -> Steady:
    """Say how long `tokens` tokens like those of a run take.

    The intervals between answers are looked at; in generation those are the latencies. The warm-up
    is the filling of the pipeline and the start without which the mean of the rest has the least
    standard error. The last tokens of a pipelined run, behind which nobody comes, are left out.

    Args:
        activity: of a run of at least four tokens, in any mode.
        tokens: at least as many.
        tolerance: relative error that is wanted.

    Raises:
        InputError: too few tokens.
    """
    done = np.sort(activity.token_done).astype(np.float64)
    count = done.size
    if count < 4 or tokens < count:
        raise InputError(
            f"steady state: {count} tokens run of {tokens}; expected at least 4, and no more run "
            "than asked for"
        )
    intervals = np.diff(np.concatenate(([float(activity.token_start.min())], done)))
    tail = _tail(activity)
    warm = min(count // 2, tail + _warm_up(intervals[tail : count - tail]))
    steady = intervals[warm : count - tail]
    mean, more = float(steady.mean()), tokens - count
    total = float(activity.cycles) + more * mean
    error = SIGMAS * _spread(steady, more, max(1, steady.size // BLOCKS) if tail else 1) / total
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
    sums = steady[: blocks * block].reshape(blocks, block).sum(axis=1)
    variance = float(sums.var(ddof=1)) / block
    return float(np.sqrt(variance * more * (1 + more / steady.size)))
