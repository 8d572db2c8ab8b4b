"""Values of several sequences on one program: each has its own states and starts from its own."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import Case, arrays, random_model, random_thresholds

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from workloads.compiler import MapSettings, lower, rwkv4_graph
from workloads.compiler.check import check_values, verdict
from workloads.models import Rwkv4Shape
from workloads.traces.record import record

SIZE, CONTEXT, TOKENS = (2, 24, 40, 17), 3, 4


def sequences(count: int) -> tuple[Case, tuple]:
    """A model, a program for `count` sequences, and what torch makes of a text for each."""
    shape = Rwkv4Shape(*SIZE)
    model, thresholds = random_model(shape, 1), random_thresholds(shape.layers, 1)
    texts = np.random.default_rng(7).integers(0, shape.vocab, (count, CONTEXT + TOKENS)).tolist()
    traces = tuple(record(model, t, CONTEXT, thresholds, "sparsified", name="r") for t in texts)
    how = MapSettings(cores_per_layer=2, batch=count)
    program = lower(rwkv4_graph("r", traces[0].shape), Chip("test"), settings=how)
    return Case(model, arrays(model), traces[0], program), traces


def test_three_sequences_agree_with_torch() -> None:
    case, traces = sequences(3)
    found = verdict(check_values(case.program, traces, case.weights))
    assert found.passed, found
    assert found.vectors == 3 * TOKENS * (7 * SIZE[0] + 3)


def test_states_of_others_are_noticed() -> None:
    """With the states of the first two exchanged nothing agrees any more."""
    case, (a, b, c) = sequences(3)
    mixed = replace(a, state=b.state), replace(b, state=a.state), c
    found = verdict(check_values(case.program, mixed, case.weights))
    assert not found.passed
    assert {check.token % 3 for check in found.failed} == {0, 1}


def test_a_trace_for_each_sequence_is_needed() -> None:
    case, traces = sequences(3)
    with pytest.raises(
        InputError, match="runs 3 sequences side by side, but there are traces of 2"
    ):
        check_values(case.program, traces[:2], case.weights)


def test_states_take_room_for_each_sequence() -> None:
    """By hand: BF16 words of att.prev and ffn.prev, pp, and two words each of aa and bb."""
    one, three = sequences(1)[0].program, sequences(3)[0].program
    for name in ("att.prev", "ffn.prev", "aa", "bb", "pp"):
        bits = [[r.bits for r in program.regions if r.name == name] for program in (one, three)]
        assert [3 * b for b in bits[0]] == bits[1], name
    grown = sum(three.memory_bits.values()) - sum(one.memory_bits.values())
    assert grown == 2 * sum(
        r.bits for r in one.regions if r.name in ("att.prev", "ffn.prev", "aa", "bb", "pp")
    )
