"""Thresholds, quantiles, statistics and the loss, each against numbers found another way."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.models import SITES, Rwkv4, Rwkv4Shape, load_model, site_names
from workloads.models.sited import sited
from workloads.sparsity.batches import as_tokens, batches, text_hash
from workloads.sparsity.calibrate import batch_quantiles, mean_over_batches, token_quantiles
from workloads.sparsity.evaluate import bits_per_byte, evaluate
from workloads.sparsity.stats import ZeroCount, ZeroCounter, mean_by_kind, weighted_sparsity
from workloads.sparsity.thresholds import apply_threshold, check_thresholds, threshold_tap

floats = st.floats(-4, 4, width=32)


def test_the_threshold_is_strict_and_keeps_signs() -> None:
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.0000001])
    assert apply_threshold(x, 1.0).tolist() == [-2, 0, 0, 0, 0, 0, 1.0000001192092896]
    assert apply_threshold(x, 0.0).tolist() == x.tolist()
    assert math.isnan(apply_threshold(torch.tensor([math.nan]), 1.0).item())


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=floats))
@settings(deadline=None)
def test_quantiles_are_those_of_numpy(x: np.ndarray) -> None:
    densities = (0.95, 0.9, 0.5, 0.1, 0.01, 1.0)
    ours = token_quantiles(torch.from_numpy(x), densities)
    theirs = np.quantile(np.abs(x), [1 - k for k in densities], axis=1).T
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_threshold_is_a_mean_over_tokens_then_batches() -> None:
    """Quantile 0.5 of tokens: 2 and 4, then 12. Means: 3 and 12, then 7.5."""
    one = torch.tensor([[[-1.0, 2.0, 3.0], [0.0, 4.0, -5.0]]])
    two = torch.tensor([[[12.0, -12.0, 12.0]]])
    assert mean_over_batches([batch_quantiles(x, [0.5], "x") for x in (one, two)], "x") == [7.5]
    # Between order statistics: half-way from 1 to 2 is at quantile 0.25.
    assert batch_quantiles(one[:, :1], [0.75], "x").tolist() == [1.5]


def test_broken_activations_are_named() -> None:
    bad = torch.tensor([[1.0, math.nan]])
    with pytest.raises(InputError, match=r"^blocks\.0\.att\.key: NaN or infinity among the act"):
        batch_quantiles(bad, [0.5], "blocks.0.att.key")
    with pytest.raises(InputError, match=r"^blocks\.0\.att\.key: no activations"):
        mean_over_batches([], "blocks.0.att.key")


def test_unknown_sites_and_senseless_thresholds(small_shape: Rwkv4Shape) -> None:
    names = site_names(small_shape.layers)
    with pytest.raises(
        InputError,
        match=r"unknown site 'blocks\.1\.att\.kee'; did you mean 'blocks\.1\.att\.key'\?",
    ):
        check_thresholds({"blocks.1.att.kee": 0.1}, names)
    with pytest.raises(InputError, match=r"unknown site 'q'; sites are blocks\.0\.att\.key … "):
        check_thresholds({"q": 0.1}, names)
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match=r"blocks\.0\.att\.key is .*expected a number from 0"):
            check_thresholds({"blocks.0.att.key": value}, names)


@given(st.integers(2, 60), st.integers(1, 20), st.integers(1, 4))
@settings(deadline=None)
def test_every_token_but_the_first_is_predicted_once(length: int, window: int, size: int) -> None:
    work = batches(torch.arange(length), window, size)
    targets = torch.cat([b.targets.flatten() for b in work])
    assert targets.tolist() == list(range(1, length))
    for batch in work:
        assert torch.equal(batch.inputs + 1, batch.targets)
        assert batch.inputs.shape[0] <= size
        assert batch.inputs.shape[1] <= window


@pytest.mark.parametrize(("text", "word"), [(b"", "empty"), (b"a", "one token long")])
def test_text_that_predicts_nothing(small_model: Rwkv4, text: bytes, word: str) -> None:
    with pytest.raises(InputError, match=f"^text: it is {word}; at least two are needed"):
        bits_per_byte(small_model, text)


def test_bytes_need_a_model_over_bytes(make_weights: Callable[..., dict[str, Tensor]]) -> None:
    shape = Rwkv4Shape(1, 4, 8, 10)
    model = Rwkv4(shape, make_weights(shape))
    with pytest.raises(InputError, match=r"^text: bytes need a model with a vocabulary of 256"):
        bits_per_byte(model, b"abc")
    assert evaluate(model, torch.tensor([1, 2, 3])).predicted == 2


def test_hashes_of_text() -> None:
    assert text_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert text_hash(torch.tensor([0x64636261])) == text_hash(b"abcd")


@pytest.mark.parametrize("window", [7, 300, 1000])
def test_the_loss_is_that_of_steps(small_model: Rwkv4, window: int) -> None:
    data = bytes(range(256)) * 2 + b"end"
    total, tokens = 0.0, as_tokens(data, 256).tolist()
    for i, (token, target) in enumerate(itertools.pairwise(tokens)):
        state = None if i % window == 0 else state  # noqa: F821 - of the step before
        logits, state = small_model.step(token, state)
        total -= math.log(torch.softmax(logits.double(), 0)[target])
    found = evaluate(small_model, data, window=window, batch=2)
    assert found.predicted == len(data) - 1
    assert found.nats == pytest.approx(total / (len(data) - 1), abs=1e-6)
    assert found.bits == pytest.approx(found.nats * 1.4426950408889634)


def test_a_uniform_model_costs_eight_bits(small_weights: dict[str, Tensor]) -> None:
    weights = {**small_weights, "head.weight": torch.zeros(256, 8)}
    assert bits_per_byte(Rwkv4(Rwkv4Shape(2, 8, 20, 256), weights), b"hello") == pytest.approx(8)


def test_a_huge_threshold_silences_a_site(small_model: Rwkv4) -> None:
    everything = dict.fromkeys(site_names(2), 1e9)
    found = evaluate(small_model, b"some text", everything)
    assert found.sparsity == 1
    assert all(count == ZeroCount(count.total, count.total) for count in found.zeros.values())
    assert found.zeros["blocks.1.ffn.val"].total == 8 * 20


def test_broken_weights_are_found_at_their_site(small_weights: dict[str, Tensor]) -> None:
    key = "blocks.1.att.time_mix_k"
    weights = {**small_weights, key: torch.full((8,), math.nan)}
    with pytest.raises(InputError, match=r"^blocks\.1\.att\.key: NaN or infinity"):
        evaluate(Rwkv4(Rwkv4Shape(2, 8, 20, 256), weights), b"text", {"blocks.1.att.key": 0.5})


def test_weights_of_the_average_are_thirteenths(
    make_weights: Callable[..., dict[str, Tensor]],
) -> None:
    shape = Rwkv4Shape(layers=1, width=4, ffn=16, vocab=256)
    model = sited(Rwkv4(shape, make_weights(shape)))
    counts = {name: ZeroCount(0, 10) for name in site_names(1)}
    assert weighted_sparsity(counts, model) == 0
    for site, share in {"att.out": 1, "ffn.rec": 1, "ffn.key": 4, "ffn.val": 4}.items():
        one = {**counts, f"blocks.0.{site}": ZeroCount(5, 10)}
        assert weighted_sparsity(one, model) == pytest.approx(share / 26)


def test_the_published_average_from_the_published_zeros(
    make_weights: Callable[..., dict[str, Tensor]],
) -> None:
    """Zeros per site of the 3B model, and 62.97 %, are from the paper's tables."""
    zeros = (0.616, 0.495, 0.487, 0.737, 0.559, 0.386, 0.937)
    counts = {
        n: ZeroCount(round(z * 1000), 1000) for n, z in zip(site_names(1), zeros, strict=True)
    }
    shape = Rwkv4Shape(1, 256 // 16, 1024 // 16, 2)  # only the ratio of F to D matters
    model = sited(Rwkv4(shape, make_weights(shape)))
    assert weighted_sparsity(counts, model) == pytest.approx(0.6297, abs=5e-5)
    assert mean_by_kind(counts, model.sites) == dict(zip(SITES, zeros, strict=True))


def test_zeros_are_counted_after_the_threshold() -> None:
    counter = ZeroCounter(
        threshold_tap({"blocks.0.att.key": 1.0}), ["blocks.0.att.key", "blocks.0.att.rec"]
    )
    x = torch.tensor([0.0, 0.5, 2.0])
    assert counter.tap("blocks.0.att.key", x).tolist() == [0, 0, 2]
    counter.tap("blocks.0.att.key", x)
    counter.tap("blocks.0.att.rec", x)
    counter.tap("emb", x)
    assert counter.counts == {
        "blocks.0.att.key": ZeroCount(4, 6),
        "blocks.0.att.rec": ZeroCount(1, 3),
    }


def test_the_shipped_model_compresses_held_out_text() -> None:
    """`xz -6` needs 1.97 bits a byte; relu squared is sparse by itself, nothing else is."""
    model = load_model(zoo.weights_path("rwkv4-byte-6x256"))
    seen: list[tuple[int, int, str]] = []
    found = evaluate(
        model, zoo.evaluation_text()[:4097], progress=lambda *args: seen.append(args), batch=2
    )
    assert seen == [(1, 2, "evaluating"), (2, 2, "evaluating")]
    assert found.bits < 1.5
    by_site = mean_by_kind(found.zeros, sited(model).sites)
    assert by_site.pop("ffn.val") == pytest.approx(0.84, abs=0.02)
    assert max(by_site.values()) < 0.001
    assert found.sparsity == pytest.approx(0.257, abs=0.005)
