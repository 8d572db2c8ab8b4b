"""Synthetic traces: densities, streams per site, hot channels, what is refused."""

import numpy as np
import pytest

from seneca_sim.errors import InputError
from workloads.traces import BLOCK_SITES, block_sites, synthesise

SHAPE = {"family": "rwkv4", "layers": 2, "width": 200, "ffn": 300, "vocab": 3}
HALF = dict.fromkeys(BLOCK_SITES, 0.5)


def density(trace, name):
    site = trace.sites[name]
    return site.survivors / site.mask.size


def test_masks_only_at_every_block_site():
    trace = synthesise(SHAPE, HALF, tokens=3, seed=0)
    assert list(trace.sites) == list(block_sites(SHAPE))
    assert all(site.values is None for site in trace.sites.values())
    assert trace.tokens.tolist() == [0, 0, 0]
    assert trace.variant == "synthetic"


def test_the_full_name_wins_over_the_kind():
    trace = synthesise(SHAPE, {**HALF, "att.key": 0.2, "blocks.1.att.key": 0.9}, tokens=200, seed=3)
    # 40,000 draws: five standard deviations are 0.01 at most.
    assert density(trace, "blocks.0.att.key") == pytest.approx(0.2, abs=0.0125)
    assert density(trace, "blocks.1.att.key") == pytest.approx(0.9, abs=0.0125)
    assert density(trace, "blocks.1.ffn.val") == pytest.approx(0.5, abs=0.0125)


@pytest.mark.parametrize("hot_channels", [0, 0.5])
def test_densities_of_zero_and_one_are_exact(hot_channels):
    ends = {**HALF, "att.key": 0, "att.out": 1}
    trace = synthesise(SHAPE, ends, tokens=20, seed=3, hot_channels=hot_channels)
    assert density(trace, "blocks.0.att.key") == 0
    assert density(trace, "blocks.1.att.out") == 1


@pytest.mark.parametrize("hot_channels", [0, 0.5])
def test_the_same_seed_gives_the_same_trace(hot_channels):
    first, again, other = (
        synthesise(SHAPE, HALF, tokens=5, seed=s, hot_channels=hot_channels) for s in (1, 1, 2)
    )
    assert first == again
    assert first.sites["blocks.0.att.key"] != other.sites["blocks.0.att.key"]
    assert first.sites["blocks.0.att.key"] != first.sites["blocks.0.att.rec"]


def test_one_density_moves_no_other_mask():
    before = synthesise(SHAPE, HALF, tokens=5, seed=1)
    after = synthesise(SHAPE, {**HALF, "blocks.0.att.val": 0.1}, tokens=5, seed=1)
    changed = [n for n in before.sites if before.sites[n] != after.sites[n]]
    assert changed == ["blocks.0.att.val"]


@pytest.mark.parametrize("hot_channels", [0, 0.3, 0.8])
def test_channels_hot_channels_as_stated(hot_channels):
    shape = {"family": "rwkv4", "layers": 1, "width": 2000, "ffn": 1, "vocab": 1}
    tokens, d = 300, 0.3
    mask = synthesise(
        shape, {**HALF, "att.out": d}, tokens=tokens, seed=5, hot_channels=hot_channels
    )
    rates = mask.sites["blocks.0.att.out"].mask.mean(0)
    # Variance of a channel's rate: that of its probability, plus what is left of the coin's.
    v = hot_channels**2 * d * (1 - d)
    expected = v + (d * (1 - d) - v) / tokens
    assert rates.mean() == pytest.approx(d, abs=5 * np.sqrt(expected / 2000))
    assert rates.var() == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"densities": {"att.key": 0.5}}, "no density for site blocks.0.att.rec; give"),
        ({"densities": {**HALF, "ffn.val": 1.5}}, "density of blocks.0.ffn.val is 1.5; expected"),
        ({"densities": {**HALF, "atn.key": 0}}, "unknown site 'atn.key'; did you mean 'att.key'?"),
        ({"tokens": 0}, "tokens is 0; expected at least 1"),
        ({"seed": -1}, "seed is -1; expected an integer >= 0"),
        ({"hot_channels": 1.01}, "hot_channels is 1.01; expected 0 to 1"),
        ({"token_correlation": 1}, "token_correlation is 1; expected 0 <= token_correlation < 1"),
        ({"token_correlation": -0.1}, "token_correlation is -0.1; expected 0 <="),
    ],
)
def test_what_is_refused(change, message):
    arguments = {"densities": HALF, "tokens": 2, "seed": 0} | change
    with pytest.raises(InputError) as caught:
        synthesise(SHAPE, **arguments)
    assert str(caught.value).startswith(message)
