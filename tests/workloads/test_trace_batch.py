"""Traces of several sequences: tokens take turns, pieces do not overlap, values stay with masks."""

from dataclasses import replace

import numpy as np
import pytest

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.job.drawn import Drawing, draw_variant
from workloads.job.inputs import shipped_inputs
from workloads.traces import ActivationTrace, SiteTrace, in_pieces, in_turns, synthesise
from workloads.traces.sites import BLOCK_SITES

SHAPE = {"family": "rwkv4", "layers": 1, "width": 8, "ffn": 16, "vocab": 32}


def numbered(tokens: int) -> ActivationTrace:
    """Token ids 0, 1, 2 …; every value of a token is its id."""
    trace = synthesise(SHAPE, dict.fromkeys(BLOCK_SITES, 0.5), tokens=tokens, seed=3)  # type: ignore[arg-type]
    sites = {
        name: SiteTrace(s.width, s.mask, np.repeat(np.arange(tokens), s.mask.sum(1)).astype("f4"))
        for name, s in trace.sites.items()
    }
    return replace(trace, tokens=np.arange(tokens, dtype=np.int32), sites=sites)


def test_tokens_take_turns() -> None:
    trace = numbered(8)
    mixed = in_pieces(trace, 3)  # pieces 0 1, 2 3, 4 5; 6 and 7 are left out
    assert mixed.tokens.tolist() == [0, 2, 4, 1, 3, 5]
    for name, site in mixed.sites.items():
        assert np.array_equal(site.filled(), trace.sites[name].filled()[mixed.tokens])
        assert np.array_equal(site.mask, trace.sites[name].mask[mixed.tokens])


def test_one_sequence_is_the_trace_itself() -> None:
    trace = numbered(4)
    assert in_pieces(trace, 1) is trace
    assert in_turns([trace]) is trace


def test_what_is_refused() -> None:
    trace = numbered(4)
    with pytest.raises(InputError, match=r"mapping.batch is 5, but the trace has 4 tokens"):
        in_pieces(trace, 5)
    with pytest.raises(InputError, match="differ in model, variant, sites or length"):
        in_turns([trace, trace.slice(0, 2)])
    with pytest.raises(InputError, match="at least one trace"):
        in_turns([])


def test_sequences_of_a_shape_are_pieces_of_one_drawing() -> None:
    card = zoo.load_shape("rwkv4-169m")
    drawn = draw_variant(card, "sparsified", Drawing(2, batch=3))
    whole = draw_variant(card, "sparsified", Drawing(6))
    name = "blocks.0.att.key"
    order = [0, 2, 4, 1, 3, 5]
    assert np.array_equal(drawn.sites[name].mask, whole.sites[name].mask[order])


def test_sequences_of_a_text_have_windows_of_their_own() -> None:
    one, three = shipped_inputs(context=4, tokens=2), shipped_inputs(context=4, tokens=2, batch=3)
    assert [len(w) for w in three.windows] == [6, 6, 6]
    assert b"".join(three.windows) == three.window == one.text[:18]
    assert three.windows[0] == one.window
    with pytest.raises(InputError, match="4 of context and 2000 tokens for each of 3 sequences"):
        shipped_inputs(context=4, tokens=2000, batch=3)
