"""The event-driven product against NumPy in doubles, PyTorch, and itself one event at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.functional.kernels import apply_events, fire


def problem(rows, columns, events, seed, gap=0, before=0):
    """A memory with a slice of random weights, random accumulators, and events on some columns."""
    rng = np.random.default_rng(seed)
    stride = rows + gap
    target = before + columns * stride
    words = rng.standard_normal(target + rows + 3).astype(np.float32)
    channels = np.sort(rng.choice(columns, events, replace=False)).astype(np.int64)
    values = rng.standard_normal(events).astype(np.float32)
    weights = words[before:target].reshape(columns, stride)[:, :rows].T.copy()
    return words, (target, before, stride, rows), channels, values, weights


@st.composite
def problems(draw):
    columns = draw(st.integers(1, 70))
    return problem(
        rows=draw(st.integers(0, 40)),
        columns=columns,
        events=draw(st.integers(0, columns)),
        seed=draw(st.integers(0, 2**32 - 1)),
        gap=draw(st.integers(0, 9)),
        before=draw(st.integers(0, 9)),
    )


def applied(words, place, channels, values):
    target, _, _, rows = place
    after = words.copy()
    apply_events(after, *place, channels, values)
    return after[target : target + rows], after


@given(problems())
def test_agrees_with_doubles_and_torch(one):
    words, place, channels, values, weights = one
    target, _, _, rows = place
    start = words[target : target + rows]
    acc, _ = applied(words, place, channels, values)
    exact = start + weights[:, channels].astype(np.float64) @ values.astype(np.float64)
    dense = np.zeros(weights.shape[1], np.float32)
    dense[channels] = values
    by_torch = torch.from_numpy(start) + torch.from_numpy(weights) @ torch.from_numpy(dense)
    # A sum of n terms of size 1 may lose n roundings; the largest is the yardstick.
    scale = max(np.abs(exact).max(initial=0), 1)
    assert np.abs(acc - exact).max(initial=0) <= 1e-5 * scale
    assert np.abs(acc - by_torch.numpy()).max(initial=0) <= 1e-5 * scale


@given(problems())
def test_four_at_a_time_is_one_at_a_time_to_the_last_bit(one):
    words, place, channels, values, weights = one
    target, _, _, rows = place
    acc = words[target : target + rows].copy()
    for channel, value in zip(channels, values, strict=True):
        acc += value * weights[:, channel]
    result, after = applied(words, place, channels, values)
    assert np.array_equal(result, acc)
    outside = np.ones(words.size, bool)
    outside[target : target + rows] = False
    assert np.array_equal(after[outside], words[outside])


@pytest.mark.parametrize("events", [0, 1, 2, 3, 4, 5, 7, 8, 9])
def test_by_hand(events):
    """Column c holds 10^c in its row 0 and 1 in row 1; every value is 2."""
    words = np.zeros(2 * 9 + 2, np.float32)
    words[0:18:2], words[1:18:2] = 10.0 ** np.arange(9), 1
    apply_events(words, 18, 0, 2, 2, np.arange(events), np.full(events, 2, np.float32))
    assert words[18] == sum(2 * 10**c for c in range(events))
    assert words[19] == 2 * events


def test_a_shape_of_the_real_thing():
    words, place, channels, values, weights = problem(128, 1024, 517, seed=1)
    acc, _ = applied(words, place, channels, values)
    start = words[place[0] : place[0] + 128]
    exact = start + weights[:, channels].astype(np.float64) @ values
    assert np.abs(acc - exact).max() <= 1e-5 * np.abs(exact).max()


def test_who_fires():
    x = np.array([0.5, -0.5, 0.25, 0, -0.75, 0.5000001], np.float32)
    channels, values = fire(x, 0.5, low=8)
    assert channels.tolist() == [12, 13]
    assert values.tolist() == [-0.75, np.float32(0.5000001)]
    assert fire(x, 0.0)[0].tolist() == [0, 1, 2, 4, 5]
    assert fire(x[:0], 0.0)[0].size == 0


def test_a_broken_value_fires():
    assert fire(np.array([np.nan, 0], np.float32), 1.0)[0].tolist() == [0]


@given(
    x=st.lists(st.floats(-2, 2, width=32), max_size=40),
    threshold=st.floats(0, 2),
)
def test_the_threshold_is_that_of_torch(x, threshold):
    """Thresholds are doubles and values are not: both must round the threshold alike."""
    tensor = torch.tensor(x, dtype=torch.float32)
    expected = torch.where(tensor.abs() <= threshold, 0.0, tensor)
    channels, values = fire(tensor.numpy(), threshold)
    full = np.zeros(len(x), np.float32)
    full[channels] = values
    assert np.array_equal(full, expected.numpy())
    assert (values != 0).all()


def test_a_strided_view_fires_like_a_copy():
    x = np.arange(-6, 6, dtype=np.float32)
    for mine, copied in zip(fire(x[1::2], 2.0), fire(x[1::2].copy(), 2.0), strict=True):
        assert np.array_equal(mine, copied)
