"""The scheme of INT8 and INT4 weights, by hand and by property."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.errors import InputError
from seneca_sim.functional.quantise import quantise

MATRICES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
    elements=st.floats(-100, 100, width=32),
)


def test_by_hand():
    """Largest 127: scale 1. 2.5 and 3.5 are ties and go to even. Zeros stay zeros."""
    weights, scales = quantise(np.array([[127, 2.5, 3.5, -2.5], [0, 0, 0, 0]]), 8)
    assert scales.tolist() == [1, 0]
    assert weights.tolist() == [[127, 2, 4, -2], [0, 0, 0, 0]]
    weights, scales = quantise(np.array([[-14, 5, 1, 13.1]]), 4)
    assert scales.tolist() == [2]
    assert weights.tolist() == [[-7, 2, 0, 7]]


def test_the_scale_is_a_bf16_number():
    """1/127 is 0.007874...; the nearest BF16 number is 129/16384."""
    weights, scales = quantise(np.array([[1.0, 0.5]]), 8)
    assert scales[0] == 129 / 16384
    assert weights.tolist() == [[127, 64]]  # 0.5 * 16384 / 129 = 63.504


@given(MATRICES, st.sampled_from([8, 4]))
def test_every_weight_is_near_and_none_is_out_of_range(matrix, bits):
    weights, scales = whole = quantise(matrix, bits)
    top = {8: 127, 4: 7}[bits]
    assert weights.dtype == np.int8
    assert np.abs(weights.astype(int)).max(initial=0) <= top
    assert np.array_equal(round_bf16(scales), scales)
    # Half a step, and what the rounding of the scale clips off the largest: 2^-9 of it.
    peaks = np.abs(matrix).max(axis=1, initial=0)
    assert (
        np.abs(whole.dequantised() - matrix) <= (scales * 0.501 + peaks * 2.0**-8 + 1e-38)[:, None]
    ).all()


@given(MATRICES, st.sampled_from([8, 4]))
def test_quantising_twice_is_quantising_once(matrix, bits):
    once = quantise(matrix, bits)
    peaks = np.abs(matrix).max(axis=1, initial=0)
    assume(((peaks == 0) | (peaks > 1e-30)).all())  # denormal scales have no bits to spare
    twice = quantise(once.dequantised(), bits)
    assert np.array_equal(once.weights, twice.weights)
    assert np.array_equal(once.scales, twice.scales)


@given(MATRICES, st.sampled_from([8, 4]))
def test_a_slice_of_outputs_has_its_own_scales(matrix, bits):
    part = slice(len(matrix) // 3, None)
    whole, piece = quantise(matrix, bits), quantise(matrix[part], bits)
    assert np.array_equal(whole.weights[part], piece.weights)
    assert np.array_equal(whole.scales[part], piece.scales)


def test_what_cannot_be_quantised():
    with pytest.raises(InputError, match="quantised weights have 8 or 4 bits, not 3"):
        quantise(np.ones((2, 2)), 3)
    with pytest.raises(InputError, match="3 axes; only matrices"):
        quantise(np.ones((2, 2, 2)), 8)
    with pytest.raises(InputError, match="output channel 1 is not finite; it has no scale"):
        quantise(np.array([[1.0], [np.inf]]), 8)
    with pytest.raises(InputError, match="output channel 0 is not finite"):
        quantise(np.array([[np.nan], [1]]), 4)
