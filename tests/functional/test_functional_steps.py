"""Micro-kernels on values against PyTorch's own functions and numbers made by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.functional import steps
from seneca_sim.functional.parameters import TRANSFORMS, log_decay
from workloads.models.rwkv4 import wkv_loop


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


UNUSED = np.full(1, np.nan, np.float32)  # an operand that only BF16 needs


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize("kernel", steps.STEPS)
def test_every_step_has_a_cost(kernel):
    assert load_kernel(kernel).name == kernel


@pytest.mark.parametrize("sizes", [(24,), (8, 16), (8, 0, 8, 5), (1, 1, 1)])
@pytest.mark.parametrize("offset", [0, 300])
def test_moments_of_slices_make_up_a_layer_norm(sizes, offset):
    """Chan's combination, of slices of different sizes and far from 0."""
    x = random(1, sum(sizes)) + np.float32(offset)
    gamma, beta, y, stat = random(2, x.size), random(3, x.size), zeros(x.size), zeros(2)
    partials, at = zeros(2, len(sizes)), 0
    for i, size in enumerate(sizes):
        one = zeros(2)
        inverse = np.float32([1 / size if size else 0])
        steps.ln_stats(x[at : at + size], UNUSED, inverse, UNUSED, one)
        partials[:, i] = one
        at += size
    share, inverse = np.float32(sizes) / np.float32(x.size), np.float32([1 / x.size])
    steps.ln_combine(partials, share, inverse, UNUSED, stat)
    steps.ln_apply(stat, x, gamma, beta, y)
    tensors = [torch.from_numpy(a).double() for a in (x, gamma, beta)]
    expected = torch.layer_norm(tensors[0], (x.size,), *tensors[1:], 1e-5).numpy()
    assert np.abs(y - expected).max() <= (1e-6 if not offset else 1e-4) * np.abs(expected).max()


def test_moments_by_hand():
    out = zeros(2)
    steps.ln_stats(np.float32([1, 3]), UNUSED, np.float32([0.5]), UNUSED, out)
    assert out.tolist() == [2, 2]
    # {1, 3} and {5}: mean 3, variance (4 + 0 + 4) / 3.
    partials, share = np.float32([[2, 5], [2, 0]]), np.float32([2 / 3, 1 / 3])
    steps.ln_combine(partials, share, np.float32([1 / 3]), UNUSED, out)
    assert out == pytest.approx([3, (8 / 3 + 1e-5) ** -0.5], rel=1e-6)


def test_token_shift_by_hand():
    x, prev, mu = (np.array(v, np.float32) for v in ([1, 2], [5, 6], [0.25, 1]))
    out = zeros(2)
    steps.token_shift_mix(UNUSED, x, prev, mu, out)
    assert out.tolist() == [4, 2]
    steps.token_shift_save(x, prev)
    assert prev.tolist() == [1, 2]


def test_accumulators_are_empty_after_use():
    acc, x, out = np.array([-2, 3], np.float32), zeros(2), zeros(2)
    steps.relu2_fire(UNUSED, acc, out)
    assert (out.tolist(), acc.tolist()) == ([0, 9], [0, 0])
    acc[:] = 4
    steps.residual_add(x, acc)
    assert (x.tolist(), acc.tolist()) == ([4, 4], [0, 0])
    acc[:] = 5
    steps.send_acc(acc, out)
    assert (out.tolist(), acc.tolist()) == ([5, 5], [0, 0])
    r, v = zeros(2), np.array([2, 4], np.float32)
    steps.gate_residual(x, r, v)
    assert (x.tolist(), v.tolist()) == ([5, 6], [0, 0])
    steps.send_dense(x, out)
    assert out.tolist() == [5, 6]


def test_sigmoid_at_both_ends():
    x = np.array([-1000, -90, 0, 90, 1000], np.float32)
    assert steps.sigmoid(x) == pytest.approx(torch.sigmoid(torch.from_numpy(x)).numpy(), abs=1e-30)


@pytest.mark.parametrize("width", [1, 9])
def test_wkv_follows_torch_over_many_tokens(width):
    tokens = 200
    k, v, r = 3 * random(1, tokens, width), random(2, tokens, width), random(3, tokens, width)
    first = random(4, width)
    time_decay = np.random.default_rng(5).uniform(-6, 2, width).astype(np.float32)
    aa, bb, pp, out = zeros(width), zeros(width), np.full(width, -1e30, np.float32), zeros(width)
    decay, shift = (TRANSFORMS[f"wkv_{name}"][1](time_decay) for name in ("decay", "shift"))
    start = tuple(torch.from_numpy(s.copy())[None] for s in (aa, bb, pp))
    expected, after = wkv_loop(
        torch.from_numpy(k)[None],
        torch.from_numpy(v)[None],
        -torch.exp(torch.from_numpy(time_decay)),
        torch.from_numpy(first),
        start,
    )
    gate = torch.sigmoid(torch.from_numpy(r)).numpy()
    for t in range(tokens):
        rr, kk, vv = r[t].copy(), k[t].copy(), v[t].copy()
        steps.wkv(UNUSED, rr, kk, vv, first, decay, shift, aa, bb, pp, out)
        reference = gate[t] * expected[0, t].numpy()
        assert np.abs(out - reference).max() <= 3e-6 * np.abs(reference).max()
        assert not np.concatenate((rr, kk, vv)).any()
    for mine, theirs in zip((aa, bb, pp), after, strict=True):
        assert mine == pytest.approx(theirs[0].numpy(), rel=1e-5)


@given(st.lists(st.floats(-10, 3, width=32), min_size=1, max_size=50))
def test_the_decay_comes_back_from_memory(values):
    time_decay = np.array(values, np.float32)
    decay, shift = (TRANSFORMS[f"wkv_{name}"][1](time_decay) for name in ("decay", "shift"))
    w = -np.exp(time_decay.astype(np.float64))
    assert (np.abs(decay) <= 2**0.5 - 1 + 1e-6).all()
    assert (shift == np.round(w / np.log(2))).all()
    assert log_decay(decay, shift) == pytest.approx(w, rel=2e-7)


def test_slow_decays_come_back_to_the_last_bit():
    """A last bit of w moves the running maximum to one side for as long as a channel remembers."""
    time_decay = np.random.default_rng(1).uniform(-9, -4, 5000).astype(np.float32)
    decay, shift = (TRANSFORMS[f"wkv_{name}"][1](time_decay) for name in ("decay", "shift"))
    exact = (-np.exp(time_decay.astype(np.float64))).astype(np.float32)
    assert (log_decay(decay, shift) == exact).mean() > 0.99


def test_a_decay_faster_than_any_number_forgets():
    time_decay = np.array([5], np.float32)
    decay, shift = (TRANSFORMS[f"wkv_{name}"][1](time_decay) for name in ("decay", "shift"))
    assert (decay[0], shift[0]) == (-1, -32)
    aa, bb, pp, out = (np.array([x], np.float32) for x in (7, 3, 2, 0))
    steps.wkv(UNUSED, zeros(1), zeros(1), zeros(1) + 5, zeros(1), decay, shift, aa, bb, pp, out)
    assert (aa[0], bb[0], pp[0]) == (5, 1, 0)


@given(hnp.arrays(np.float32, (3, 8), elements=st.floats(-100, 100, width=16)), st.data())
def test_scale_rows_is_numpys_product_rounded(acc, data):
    """The micro-kernel itself: 4 cycles a row, one rounding."""
    scale = data.draw(hnp.arrays(np.float32, (3, 8), elements=st.floats(0, 2, width=16)))
    kernel = load_kernel("scale_rows")
    run = run_kernel(kernel, {"acc": acc, "scale": scale}, 3)
    assert np.array_equal(run.value("acc"), round_bf16(round_bf16(acc) * round_bf16(scale)))
    assert np.array_equal(run.value("scale"), round_bf16(scale))
    assert kernel.cost(rows=3).cycles == 12
