"""Statistical traces: density, correlation and hot channels as asked for, bytes that stay.

Bounds are five standard deviations of the estimate under the stated model, for fixed seeds.
"""

import hashlib
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.config import Mark
from seneca_sim.errors import InputError
from workloads import zoo
from workloads.families import FAMILIES, Shape
from workloads.traces import (
    average_sparsity,
    block_sites,
    count_macs,
    mac_ratio,
    read_trace,
    statistical_trace,
    synthesise,
    trace_shape,
    write_trace,
)
from workloads.zoo.densities import Densities

SHAPE = Shape("rwkv4", layers=1, width=4000, ffn=1, vocab=1)
SITE = "blocks.0.att.key"


def flat(density: float, shape: Shape = SHAPE, variant: str = "natural") -> Densities:
    kinds = FAMILIES[shape.family].kinds
    by_layer = dict.fromkeys(kinds, (density,) * shape.layers)
    return Densities(variant, Mark.USER, "", by_layer)


def mask_of(density: float, tokens: int, seed: int, **options: float) -> np.ndarray:
    return statistical_trace(SHAPE, flat(density), tokens, seed, **options).sites[SITE].mask


@pytest.mark.parametrize("density", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_the_density_stays_and_neighbours_are_correlated_as_asked(
    density: float, correlation: float
) -> None:
    tokens = 60
    mask = mask_of(density, tokens, 1, token_correlation=correlation).astype(float)
    variance = density * (1 - density)
    # Of each token alone: 4,000 independent bits.
    assert np.abs(mask.mean(1) - density).max() < 5 * sqrt(variance / 4000)
    # Over all tokens a chain's mean varies (1 + c) / (1 - c) times as much.
    spread = sqrt(variance / mask.size * (1 + correlation) / (1 - correlation))
    assert abs(mask.mean() - density) < 5 * spread
    # Lag k: c^k. Channels are independent, tokens of one are not: one value for each channel.
    centred = mask - density
    for lag in (1, 2, 5):
        products = (centred[:-lag] * centred[lag:]).mean(0)
        error = products.std() / sqrt(4000) / variance
        assert abs(products.mean() / variance - correlation**lag) < 5 * error
        assert error < 0.025


@pytest.mark.parametrize("hot", [0.2, 0.57, 0.58, 0.9, 1.0])
def test_channels_keep_the_mean_and_have_the_variance(hot: float) -> None:
    density, tokens = 0.3, 200
    rates = mask_of(density, tokens, 2, hot_channels=hot).mean(0)
    top = density * (1 - density)
    between = hot**2 * top
    expected = between + (top - between) / tokens
    assert rates.mean() == pytest.approx(density, abs=5 * sqrt(expected / 4000))
    assert rates.var() == pytest.approx(expected, rel=0.1)


def test_full_heat_leaves_channels_that_are_always_or_never_busy() -> None:
    mask = mask_of(0.3, 50, 3, hot_channels=1.0)
    rates = mask.mean(0)
    assert {*np.unique(rates)} == {0.0, 1.0}
    assert rates.mean() == pytest.approx(0.3, abs=5 * sqrt(0.21 / 4000))


def test_both_options_together_leave_the_correlation_within_a_channel() -> None:
    density, correlation, hot = 0.4, 0.5, 0.6
    mask = mask_of(density, 400, 4, token_correlation=correlation, hot_channels=hot).astype(float)
    centred = mask - density
    # Pooled around the density of the site: h² + (1 - h²) c.
    pooled = (centred[:-1] * centred[1:]).mean() / (density * (1 - density))
    assert pooled == pytest.approx(0.36 + 0.64 * 0.5, abs=0.02)


CASE = {"token_correlation": st.floats(0, 0.99), "hot_channels": st.floats(0, 1)}


@settings(deadline=None, max_examples=40)
@given(low=st.floats(0, 1), high=st.floats(0, 1), seed=st.integers(0, 99), **CASE)
def test_a_sparser_variant_of_the_same_seed_sends_a_subset(
    low: float, high: float, seed: int, token_correlation: float, hot_channels: float
) -> None:
    shape = Shape("opt", layers=2, width=8, ffn=16, vocab=3, heads=2, positions=4)
    options = {"token_correlation": token_correlation, "hot_channels": hot_channels}
    sparse, full = (
        statistical_trace(shape, flat(d, shape), 5, seed, **options)
        for d in sorted((low, high))
    )  # fmt: skip
    for name in block_sites(trace_shape(shape)):
        assert not (sparse.sites[name].mask & ~full.sites[name].mask).any()


def doubles(stream: np.random.SeedSequence):
    """PCG64's raw 64-bit words as doubles: what NumPy promises never to change."""
    generator = np.random.PCG64(stream)
    while True:
        yield (int(generator.random_raw()) >> 11) * 2.0**-53


def test_bits_by_a_second_hand_written_chain() -> None:
    density, c, hot, tokens = 0.35, 0.4, 0.7, 6
    shape = Shape("rwkv4", layers=1, width=9, ffn=5, vocab=2)
    trace = statistical_trace(
        shape, flat(density, shape), tokens, 11, token_correlation=c, hot_channels=hot
    )
    low = (sqrt(12 * hot * hot - 3) - 1) / 2
    streams = np.random.SeedSequence(11).spawn(7)
    for stream, site in zip(streams, trace.sites.values(), strict=True):
        draw = doubles(stream)
        heat = [next(draw) < density for _ in range(site.width)]
        pull = [low + (1 - low) * next(draw) for _ in range(site.width)]
        share = [density + v * (h - density) for v, h in zip(pull, heat, strict=True)]
        last: list[bool] = []
        for token in range(tokens):
            chance = share
            if token:
                chance = [p + c * (b - p) for p, b in zip(share, last, strict=True)]
            last = [next(draw) < p for p in chance]
            assert site.mask[token].tolist() == last


def test_bytes_stay() -> None:
    card = zoo.load_shape("rwkv4-169m")
    trace = statistical_trace(
        card.shape, card.densities("sparsified"), 2, 1, token_correlation=0.3, hot_channels=0.5
    )
    digest = hashlib.sha256()
    for site in trace.sites.values():
        digest.update(np.packbits(site.mask).tobytes())
    assert digest.hexdigest()[:16] == "a22f2fc5ea3add0b"


def test_3b_drawn_has_the_published_averages_and_ratio() -> None:
    card = zoo.load_shape("rwkv4-3b")
    natural, sparse = (
        statistical_trace(card.shape, card.densities(v), 2, 1, name=card.name)
        for v in ("natural", "sparsified")
    )
    # 2 x 819,200 bits; the weighted share of zeros has a standard deviation of about 0.0003.
    assert average_sparsity(natural) == pytest.approx(0.2863, abs=0.001)
    assert average_sparsity(sparse) == pytest.approx(0.6297, abs=0.0015)
    assert mac_ratio(natural, sparse) == pytest.approx(1.927, abs=0.008)
    assert mac_ratio(natural, sparse, head=True) == pytest.approx(1.8226, abs=0.008)
    layer = sparse.sites["blocks.30.att.val"]  # 0.9 chosen, the largest: 0.9 - 0.528125 + 0.513
    assert layer.survivors / layer.mask.size == pytest.approx(0.884875, abs=5 * sqrt(0.102 / 5120))
    assert (natural.variant, sparse.variant) == ("natural", "sparsified")
    assert sparse.model.startswith("rwkv4-3b (sparsified, drawn: seed=1, ")


def test_opt_by_hand_and_through_a_file(tmp_path) -> None:
    shape = Shape("opt", layers=2, width=4, ffn=8, vocab=5, heads=2, positions=6, embedding=3)
    densities = {"self_attn.qkv": 1.0, "fc1": 0.0, "layers.1.fc1": 1.0, "fc2": 0.0}
    trace = synthesise(trace_shape(shape), densities, tokens=3, seed=0)
    # A token: qkv 2 x 3 x 16, out 2 x 16, fc1 of layer 1 4 x 8, none at fc2; dense 2 x (64 + 64).
    macs = count_macs(trace)
    assert (macs.surviving, macs.dense) == (3 * (96 + 32 + 32), 3 * 256)
    assert macs.head == 3 * (5 * 3 + 2 * 3 * 4)
    # 3 : 1 : 4 (fc2 is twice, not four times as wide here, so 3 x 4 : 4 : 8): zeros 2 x 8 + 4.
    assert average_sparsity(trace) == pytest.approx(20 / 48)
    assert list(trace.sites) == [
        f"layers.{n}.{kind}" for n in (0, 1) for kind in ("self_attn.qkv", "fc1", "fc2")
    ]
    write_trace(tmp_path / "opt.trace", trace)
    assert read_trace(tmp_path / "opt.trace") == trace


def test_rwkv7_by_hand() -> None:
    shape = Shape("rwkv7", 2, 4, 16, 5, heads=2, rank_decay=1, rank_rate=2, rank_value=3,
                  rank_gate=4)  # fmt: skip
    kinds = FAMILIES["rwkv7"].kinds
    trace = synthesise(trace_shape(shape), dict.fromkeys(kinds, 0.0), tokens=1, seed=0)
    macs = count_macs(trace)
    # What is left: second halves of the low-rank maps, 4 x (1 + 2 + 4), and 4 x 3 in block 1.
    assert macs.surviving == 2 * 28 + 12
    assert macs.dense == FAMILIES["rwkv7"].block_macs(shape)
    one = synthesise(trace_shape(shape), {**dict.fromkeys(kinds, 0.0), "att.val": 1.0},
                     tokens=1, seed=0)  # fmt: skip
    # att.val wakes W_v in both blocks and the value residual's first half in block 1.
    assert count_macs(one).surviving - macs.surviving == 2 * 16 + 4 * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "tokens is 0; expected at least 1"),
        ({"seed": -2}, "seed is -2; expected an integer >= 0"),
        ({"token_correlation": 1.0}, "token_correlation is 1.0; expected 0 <="),
        ({"hot_channels": -0.5}, "hot_channels is -0.5; expected 0 to 1"),
    ],
)
def test_what_is_refused(options: dict[str, float], message: str) -> None:
    arguments = {"tokens": 2, "seed": 0, **options}
    with pytest.raises(InputError) as caught:
        statistical_trace(SHAPE, flat(0.5), **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
