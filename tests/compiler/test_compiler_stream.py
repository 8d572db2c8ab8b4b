"""Events of a trace, counted again from its masks, and traces that do not belong."""

import re
from dataclasses import replace

import numpy as np
import pytest
from builders import make_chip

from seneca_sim.engine.reference import simulate
from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from workloads.compiler import event_stream, lower, rwkv4_graph
from workloads.traces import ActivationTrace, synthesise
from workloads.traces.sites import BLOCK_SITES

SHAPE = {"layers": 2, "width": 24, "ffn": 90, "vocab": 50}


def program() -> Program:
    return lower(rwkv4_graph("r", SHAPE), make_chip(3, 3), 3)


def trace(tokens: int = 5, **shape: int) -> ActivationTrace:
    sizes = {"family": "rwkv4", **SHAPE, **shape}
    return synthesise(sizes, dict.fromkeys(BLOCK_SITES, 0.5), tokens=tokens, seed=7)  # type: ignore[arg-type]


def test_counts_are_those_of_the_masks() -> None:
    """Channel by channel: each kept channel of a sparse site is an event, each dense one always."""
    placed, recorded = program(), trace()
    stream = event_stream(placed, recorded)
    for route, row in zip(placed.routes, stream.counts, strict=True):
        name = placed.sites[route.site].name
        for token in range(5):
            if name in recorded.sites:
                mask = recorded.sites[name].mask[token]
                expected = sum(bool(mask[c]) for c in range(route.low, route.high))
            else:
                expected = route.high - route.low
            assert row[token] == expected, (name, token)


def test_totals_of_a_site() -> None:
    """All routes of a sparse site together send what its mask keeps; the logits are all sent."""
    placed, recorded = program(), trace()
    stream = event_stream(placed, recorded)
    totals: dict[str, int] = {}
    for route, row in zip(placed.routes, stream.counts, strict=True):
        name = placed.sites[route.site].name
        totals[name] = totals.get(name, 0) + int(row.sum())
    for name, site in recorded.sites.items():
        assert totals[name] == int(np.asarray(site.mask).sum())
    assert totals["emb"] == totals["head"] == totals["blocks.1.x"] == 5 * 24
    assert totals["logits"] == 5 * 50
    assert totals["blocks.0.ln0.partial"] == 5 * 2 * 3
    assert totals["emb.credit"] == 0


def test_a_trace_of_another_shape() -> None:
    message = "width is 32, but program r has 24; record the trace on this model"
    with pytest.raises(InputError, match=message):
        event_stream(program(), trace(width=32))
    with pytest.raises(InputError, match="layers is 3, but program r has 2"):
        event_stream(program(), trace(layers=3))


def test_a_trace_without_a_site() -> None:
    recorded = trace()
    sites = {name: site for name, site in recorded.sites.items() if name != "blocks.1.att.out"}
    with pytest.raises(InputError, match=re.escape("blocks.1.att.out")):
        event_stream(program(), replace(recorded, sites=sites))


def test_more_events_than_channels_are_refused() -> None:
    """Nobody could have made such a stream from this program."""
    chip, placed = make_chip(3, 3), program()
    stream = event_stream(placed, trace(1))
    counts = stream.counts.copy()
    counts[0] = 9
    message = (
        "event stream: 9 events on route 0 of emb, which has 8 channels; "
        "make the stream from this program"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        simulate(chip, placed, EventStream(counts))


def test_inputs_that_do_not_fit_each_other() -> None:
    chip, placed = make_chip(3, 3), program()
    stream = event_stream(placed, trace(1))
    with pytest.raises(InputError, match="placed on 9 cores, but chip test has 4"):
        simulate(make_chip(2, 2), placed, stream)
    with pytest.raises(InputError, match=f"1 routes, but program r has {len(placed.routes)}"):
        simulate(chip, placed, EventStream(stream.counts[:1]))
    with pytest.raises(InputError, match="no token to run"):
        simulate(chip, placed, EventStream(stream.counts[:, :0]))
    with pytest.raises(InputError, match="unknown token mode 'batch'"):
        simulate(chip, placed, stream, mode="batch")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="power window of 0 cycles"):
        simulate(chip, placed, stream, window_cycles=0)
