"""Values of several sequences on one program: each has its own states and starts from its own."""

from dataclasses import replace

import numpy as np
import pytest

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from workloads.compiler import MapSettings, lower, rwkv4_graph
from workloads.compiler.check import check_values, verdict
from workloads.traces.record import record

SIZE, CONTEXT, TOKENS = (2, 24, 40, 17), 3, 4
STATES = ("att.prev", "ffn.prev", "aa", "bb", "pp")


@pytest.fixture(scope="module")
def known(make_case):
    return make_case(SIZE, 2, seed=1)


def program_for(case, count):
    how = MapSettings(cores_per_layer=2, batch=count)
    return lower(rwkv4_graph("r", case.trace.shape), Chip("test"), settings=how)


@pytest.fixture(scope="module")
def three(known):
    """A program for three sequences, and what torch makes of a text for each."""
    texts = np.random.default_rng(7).integers(0, SIZE[3], (3, CONTEXT + TOKENS)).tolist()
    thresholds = known.trace.thresholds
    traces = [record(known.model, t, CONTEXT, thresholds, "sparsified", name="r") for t in texts]
    return program_for(known, 3), traces, known.weights


def test_three_sequences_agree_with_torch(three) -> None:
    found = verdict(check_values(*three))
    assert found.passed, found
    assert found.vectors == 3 * TOKENS * (7 * SIZE[0] + 3)


def test_states_of_others_are_noticed(three) -> None:
    """With the states of the first two exchanged neither agrees any more, and the third does."""
    program, (a, b, c), weights = three
    mixed = replace(a, state=b.state), replace(b, state=a.state), c
    found = verdict(check_values(program, mixed, weights))
    assert {check.token % 3 for check in found.failed} == {0, 1}


def test_a_trace_for_each_sequence_is_needed(three) -> None:
    program, traces, weights = three
    with pytest.raises(InputError, match="runs 3 sequences side by side, but there are traces"):
        check_values(program, traces[:2], weights)


def test_states_take_room_for_each_sequence(three, known) -> None:
    """The memory map grows by the states of two more sequences, and by nothing else."""
    one = program_for(known, 1)
    states = sum(r.bits for r in one.regions if r.name in STATES)
    assert states > 0
    grown = sum(three[0].memory_bits.values()) - sum(one.memory_bits.values())
    assert grown == 2 * states
