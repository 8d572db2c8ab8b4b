"""Several sequences in generation mode (S15): limits that are known, and what is in between."""

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from random_programs import Case, random_case
from test_engine_rwkv import compiled, small_chip

from seneca_sim.engine import reference
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.bound import lower_bounds
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from seneca_sim.program.verify import verify
from seneca_sim.results.tokens import tokens_of

TOKENS = 8


def rwkv(sequences: int, mode: str = "generation") -> tuple[Activity, Case]:
    program, stream = compiled("small", 4)
    program = replace(program, sequences=sequences)
    stream = EventStream(np.tile(stream.counts, TOKENS // stream.tokens))
    case = Case(small_chip(), program, stream, mode)
    return simulate(*case[:3], mode=mode), case  # type: ignore[arg-type]


def test_a_token_waits_for_its_own_sequence_alone() -> None:
    """Never more than B under way, and B are where they have been before."""
    for sequences in (1, 2, 3, 4):
        found, _ = rwkv(sequences)
        start, done = found.token_start, found.token_done
        assert (start[sequences:] >= done[:-sequences]).all()
        most = max(int((start <= t).sum() - (done <= t).sum()) for t in start)
        assert most == sequences


def test_as_many_sequences_as_tokens_are_a_pipeline() -> None:
    """Nobody waits for an answer any more."""
    assert rwkv(TOKENS)[0] == rwkv(TOKENS, "pipelined")[0] == rwkv(1, "pipelined")[0]


def test_more_sequences_never_take_longer_here() -> None:
    cycles = [rwkv(sequences)[0].cycles for sequences in (1, 2, 4, 8)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[3] < 0.7 * cycles[0]


@pytest.mark.parametrize("seed", range(8))
def test_counts_do_not_depend_on_sequences(seed: int) -> None:
    """Overlap moves time and nothing else, and both engines keep to the bounds."""
    case = random_case(Random(f"sequences.{seed}"))._replace(mode="generation")
    outcomes = []
    for sequences in (1, 2, 3):
        program = replace(case.program, sequences=sequences)
        found = reference.simulate(case.chip, program, case.stream, mode="generation")
        assert found == simulate(case.chip, program, case.stream, mode="generation")
        bounds = lower_bounds(case.chip, program, case.stream, "generation")
        assert max(bounds.values()) <= found.cycles
        outcomes.append(found)
    for found in outcomes[1:]:
        assert np.array_equal(found.token_ops, outcomes[0].token_ops)
        assert np.array_equal(found.item_ops, outcomes[0].item_ops)


def test_the_bound_of_a_sequence_is_the_sum_of_its_own_tokens() -> None:
    """All tokens are alike here, so with B sequences it is the largest share of them."""
    sums = {}
    for sequences in (1, 2, 3):
        _, case = rwkv(sequences)
        ways = lower_bounds(case.chip, case.program, case.stream, "generation")["token"]
        sums[sequences] = ways
    assert sums[1] > sums[2] >= sums[1] / 2
    assert sums[2] > sums[3] >= sums[1] / 3


def test_leakage_is_shared_evenly_where_tokens_overlap() -> None:
    class Leak:
        component, op, energy_fj = "leakage", "leak.sram", 800

    leak: Any = Leak()  # of a term, what is read
    for sequences, even in ((1, False), (2, True)):
        found, _case = rwkv(sequences)
        tokens = tokens_of((leak,), found, one_by_one=sequences == 1)
        assert sum(tokens.leakage_fj) == 800
        assert (set(tokens.leakage_fj) == {100}) is even


def test_no_sequence_is_refused() -> None:
    program: Program = replace(rwkv(1)[1].program, sequences=0)
    with pytest.raises(InputError, match="0 sequences; expected at least 1"):
        verify(program, small_chip())
