"""Spread over channels and tokens: by hand, and against an independent generator."""

import numpy as np
import pytest

from workloads.traces import ActivationTrace, SiteTrace, channel_stats, synthesise
from workloads.traces.channels import gini

SHAPE = {"family": "rwkv4", "layers": 1, "width": 4, "ffn": 4, "vocab": 9}


def trace_of(mask: np.ndarray, layers: int = 1) -> ActivationTrace:
    """The same mask at every site."""
    shape = {**SHAPE, "layers": layers, "width": mask.shape[1], "ffn": mask.shape[1]}
    names = synthesise(shape, dict.fromkeys(KINDS, 0.5), tokens=1, seed=0).sites
    sites = {name: SiteTrace(mask.shape[1], mask) for name in names}
    return ActivationTrace(shape, "m", "natural", np.zeros(mask.shape[0], np.int32), sites)


KINDS = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([3, 3, 3], 0), ([0, 0, 0, 8], 0.75), ([1, 2, 3, 4], 0.25), ([0, 0], 0), ([5], 0)],
)
def test_gini_by_hand(counts: list[int], expected: float) -> None:
    assert gini(np.array(counts)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_gini_is_the_mean_difference_of_pairs(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 50, 30)
    pairs = np.abs(counts[:, None] - counts[None, :]).mean()
    assert gini(counts) == pytest.approx(pairs / (2 * counts.mean()))


def test_a_mask_by_hand() -> None:
    mask = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 1], [1, 0, 1, 0]], bool)
    row = channel_stats(trace_of(mask, layers=2))[0]
    # Events by channel: 4, 0, 3, 1.
    assert (row.site, row.density, row.always, row.never) == ("att.key", 0.5, 0.25, 0.25)
    assert row.variance == pytest.approx(np.var([1, 0, 0.75, 0.25]))
    assert row.gini == pytest.approx(0.4375)  # differences of pairs 4, 1, 3, 3, 1, 2: 28 / 16 / 4


def test_nothing_is_estimated_from_too_little() -> None:
    few = channel_stats(trace_of(np.array([[1, 0], [0, 1]], bool)))[0]
    flat = channel_stats(trace_of(np.ones((9, 3), bool)))[0]
    for row in (few, flat):
        assert (row.token_correlation, row.hot_channels) == (None, None)
    frozen = channel_stats(trace_of(np.tile(np.array([True, False, False]), (9, 1))))[0]
    assert (frozen.token_correlation, frozen.hot_channels) == (0.0, 1.0)


def runs(rng: np.random.Generator, tokens: int, shares: np.ndarray, keep: float) -> np.ndarray:
    """Bits held with probability `keep`, else drawn anew: another way to the same chain."""
    mask = np.empty((tokens, shares.size), bool)
    mask[0] = rng.random(shares.size) < shares
    for t in range(1, tokens):
        fresh = rng.random(shares.size) < shares
        mask[t] = np.where(rng.random(shares.size) < keep, mask[t - 1], fresh)
    return mask


@pytest.mark.parametrize("keep", [0.0, 0.35, 0.7])
@pytest.mark.parametrize("heat", [0.0, 0.4, 0.8])
def test_the_options_of_a_drawing_are_found_again(keep: float, heat: float) -> None:
    rng = np.random.default_rng(5)
    d, width = 0.3, 3000
    shares = np.full(width, d)
    if heat:  # Beta of mean d and standard deviation heat x sqrt(d (1 - d))
        total = 1 / heat**2 - 1
        shares = rng.beta(d * total, (1 - d) * total, width)
    row = channel_stats(trace_of(runs(rng, 60, shares, keep)))[0]
    assert row.token_correlation == pytest.approx(keep, abs=0.02)
    assert row.hot_channels == pytest.approx(heat, abs=0.06 if heat == 0 else 0.03)
