"""Steady state: what is said of many tokens from few, against the full run."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from seneca_sim.conformance.build import make_chip
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import InputError
from seneca_sim.program import EventStream
from seneca_sim.results.steady import extrapolate, rate_of, run_steady
from workloads.compiler import event_stream, lower, rwkv4_graph
from workloads.traces import synthesise
from workloads.traces.sites import BLOCK_SITES

SHAPE = {"layers": 2, "width": 32, "ffn": 128, "vocab": 32}
TOKENS = 160


@cache
def activity(mode: str, tokens: int, density: float = 0.4, sequences: int = 1) -> Activity:
    chip = make_chip(4, 4)
    program = lower(rwkv4_graph("r", SHAPE), chip, 4)
    trace = synthesise(
        {"family": "rwkv4", **SHAPE},  # type: ignore[arg-type]
        dict.fromkeys(BLOCK_SITES, density),
        tokens=TOKENS,
        seed=1,
    )
    stream = EventStream(event_stream(program, trace).counts[:, :tokens])
    program = replace(program, sequences=sequences)
    return simulate(chip, program, stream, mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "tolerance"), [("generation", 0.01), ("pipelined", 0.08)])
def test_within_the_stated_error(mode: str, tolerance: float) -> None:
    """Fewer tokens are run than asked for, and the full run lies within the error that is told."""
    steady, last = run_steady(lambda n: activity(mode, n), TOKENS, tolerance=tolerance)
    assert steady.found
    assert steady.tokens_run == last.token_done.size < TOKENS
    full = activity(mode, TOKENS).cycles
    assert 0 < steady.error <= tolerance
    assert abs(steady.total_cycles - full) <= steady.error * full


def test_tokens_that_are_alike() -> None:
    """Dense tokens all take the same time, so eight tell everything, without an error."""
    steady, _ = run_steady(lambda n: activity("generation", n, 1.0), TOKENS)
    assert (steady.tokens_run, steady.error) == (8, 0.0)
    assert steady.total_cycles == activity("generation", TOKENS, 1.0).cycles


def test_warm_up_is_left_out() -> None:
    """By hand: three slow tokens, then ten cycles each."""
    done = np.cumsum([100, 90, 80] + [10] * 17)
    run = replace(
        activity("generation", 20), token_start=done - 1, token_done=done, cycles=int(done[-1])
    )
    steady = extrapolate(run, 120)
    assert (steady.warm_up, steady.cycles_per_token, steady.error) == (3, 10, 0)
    assert steady.total_cycles == done[-1] + 100 * 10


def test_all_tokens_are_run_where_they_do_not_repeat() -> None:
    steady, last = run_steady(lambda n: activity("pipelined", n), 20, tolerance=1e-9)
    assert (steady.tokens_run, steady.error) == (20, 0)
    assert steady.total_cycles == last.cycles


def test_too_few_tokens() -> None:
    with pytest.raises(InputError, match="3 tokens run of 10; expected at least 4"):
        extrapolate(activity("generation", 3), 10)


@pytest.mark.parametrize(
    ("mode", "sequences"), [("pipelined", 1), ("generation", 1), ("generation", 4)]
)
def test_rate_of_a_few_tokens_holds_for_all(mode: str, sequences: int) -> None:
    """The rate of 64 tokens, and what it makes of 160, against the run of 160 tokens."""
    few = rate_of(activity(mode, 64, sequences=sequences), sequences)
    full = activity(mode, TOKENS, sequences=sequences)
    assert few is not None
    assert few.error is not None
    done = np.sort(full.token_done)
    rest = (done[-1] - done[few.warm_up - 1 if few.warm_up else 0]) / (TOKENS - max(1, few.warm_up))
    assert 0 < few.error < 0.12
    assert abs(few.cycles_per_token - rest) <= few.error * rest
    said = extrapolate(activity(mode, 64, sequences=sequences), TOKENS, sequences=sequences)
    assert abs(said.total_cycles - full.cycles) <= said.error * full.cycles


def test_whole_turns_are_looked_at() -> None:
    """By hand: three answers at once every 30 cycles are one in 10, without an error."""
    done = np.repeat(30 * np.arange(1, 41), 3)
    start = np.concatenate(([0, 0, 0], done[:-3]))
    run = replace(
        activity("generation", 20), token_start=start, token_done=done, cycles=int(done[-1])
    )
    rate = rate_of(run, 3)
    assert rate is not None
    assert (rate.cycles_per_token, rate.error) == (10, 0)
    assert (rate.tokens_run - rate.warm_up - rate.tail) % 3 == 0


def test_three_tokens_tell_no_rate() -> None:
    assert rate_of(activity("pipelined", 3)) is None
