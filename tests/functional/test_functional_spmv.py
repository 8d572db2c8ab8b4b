"""Event-driven products with fp32 sums: against doubles, NumPy's own order, and by hand."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.cost.bf16 import from_bits, to_bits
from seneca_sim.errors import InputError
from seneca_sim.functional.spmv import FORMATS, EventMatrix, aligned

SIZES = st.integers(0, 70)


def events(rng, inputs, share):
    """Ascending channels, none, some or all, and values of both signs, a zero among them."""
    channels = np.flatnonzero(rng.random(inputs) < share).astype(np.int64)
    values = rng.standard_normal(channels.size).astype(np.float32)
    values[:1] = 0
    return channels, values


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    outputs=SIZES,
    inputs=SIZES,
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
@pytest.mark.parametrize("weights", FORMATS)
def test_agrees_with_doubles(weights, seed, outputs, inputs, share):
    rng = np.random.default_rng(seed)
    matrix = EventMatrix.of(rng.standard_normal((outputs, inputs)), weights)
    channels, values = events(rng, inputs, share)
    exact = matrix.dense()[:, channels].astype(np.float64) @ values
    # A sum of n terms loses n roundings of its largest partial sum, and the scale one more.
    size = np.abs(matrix.dense()[:, channels].astype(np.float64)) @ np.abs(values)
    error = np.abs(matrix.product(channels, values) - exact)
    assert (error <= (channels.size + 2) * 2.0**-24 * size + 1e-30).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), outputs=SIZES, inputs=SIZES)
@pytest.mark.parametrize("weights", FORMATS)
def test_order_is_one_event_after_another(weights, seed, outputs, inputs):
    """To the last bit: each product rounded, then added, from accumulators that hold something."""
    rng = np.random.default_rng(seed)
    matrix = EventMatrix.of(rng.standard_normal((outputs, inputs)), weights)
    channels, values = events(rng, inputs, 0.6)
    start = rng.standard_normal(outputs).astype(np.float32)
    held = matrix.dense() if matrix.scales is None else whole_numbers(matrix)
    one_by_one, acc = start.copy(), start.copy()
    for channel, value in zip(channels, values, strict=True):
        one_by_one += value * held[:, channel]
    matrix.accumulate(acc, channels, values)
    assert np.array_equal(acc, one_by_one)


def whole_numbers(matrix):
    numbers = matrix.dense()
    used = matrix.scales > 0
    numbers[used] /= matrix.scales[used, None]
    return np.rint(numbers)


def test_layouts_by_hand():
    matrix = np.array([[127, -3], [1, 2], [-127, 127]], np.float32)
    eight = EventMatrix.of(matrix, "int8")
    assert eight.columns[:, :3].tolist() == [[127, 64, -127], [-3, 127, 127]]
    assert eight.scales.tolist() == [1, from_bits(to_bits(2 / 127)), 1]
    four = EventMatrix.of(np.array([[7, -3], [7, 2], [-7, 1]], np.float32), "int4")
    assert four.columns[:, :2].tolist() == [[0x97, 0x07], [0x1D, 0x02]]
    assert four.dense().tolist() == [[7, -3], [7, 2], [-7, 1]]
    sixteen = EventMatrix.of(matrix, "bf16")
    assert sixteen.columns[:, :3].tolist() == [to_bits(column).tolist() for column in matrix.T]


def test_every_weight_of_every_format_is_read_right():
    """One event of value 1 gives the weights themselves: all words, bytes, pairs of nibbles."""
    one = np.zeros(1, np.int64), np.ones(1, np.float32)
    words = np.arange(1 << 16, dtype=np.uint16)
    words = words[np.isfinite(from_bits(words))]
    words[words == 0x8000] = 0  # 0 + -0 is 0
    product = EventMatrix("bf16", words.size, words[None]).product(*one)
    assert np.array_equal(product.view(np.uint32), words.astype(np.uint32) << 16)
    every = np.arange(-128, 128).astype(np.int8)
    assert np.array_equal(EventMatrix("int8", 256, every[None]).product(*one), every)
    pairs = np.arange(256, dtype=np.uint8)
    nibbles = np.concatenate([pairs & 15, pairs >> 4]).astype(np.int64)
    wanted = np.where(nibbles < 8, nibbles, nibbles - 16)
    assert np.array_equal(EventMatrix("int4", 512, pairs[None]).product(*one), wanted)


def test_a_large_product_and_where_columns_lie():
    rng = np.random.default_rng(5)
    full = rng.standard_normal((1001, 300)).astype(np.float32)
    channels, values = events(rng, 300, 0.5)
    for weights in FORMATS:
        matrix = EventMatrix.of(full, weights)
        assert matrix.columns.ctypes.data % 64 == matrix.columns.strides[0] % 64 == 0
        exact = matrix.dense()[:, channels].astype(np.float64) @ values
        assert np.abs(matrix.product(channels, values) - exact).max() < 1e-4


def test_what_does_not_fit_is_refused():
    matrix = EventMatrix.of(np.ones((3, 2)), "bf16")
    acc, one = aligned((3,), np.float32), np.ones(1, np.float32)
    with pytest.raises(InputError, match="events: channel 2; expected 0 to 1"):
        matrix.accumulate(acc, np.array([2]), one)
    with pytest.raises(InputError, match="events: channel -1; expected 0 to 1"):
        matrix.accumulate(acc, np.array([-1]), one)
    with pytest.raises(InputError, match="2 accumulators, 1 channels and 1 values; expected 3 acc"):
        matrix.accumulate(acc[:2], np.array([0]), one)
    with pytest.raises(InputError, match="no weight format 'fp8'; expected one of fp32, bf16, int"):
        EventMatrix.of(np.ones((3, 2)), "fp8")
    with pytest.raises(InputError, match="weights: 1 axes; expected outputs x inputs"):
        EventMatrix.of(np.ones(3), "fp32")


def test_without_numba_the_bits_are_the_same():
    code = (
        "import numpy as np, zlib\n"
        "from seneca_sim.functional.spmv import FORMATS, EventMatrix\n"
        "rng = np.random.default_rng(3)\n"
        "w, x = rng.standard_normal((13, 11)), rng.standard_normal(11).astype(np.float32)\n"
        "c = np.arange(11)\n"
        "print(zlib.crc32(b''.join(EventMatrix.of(w, f).product(c, x).tobytes() "
        "for f in FORMATS)))\n"
    )
    crcs = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=os.environ | {"NUMBA_DISABLE_JIT": off},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for off in "01"
    }
    assert len(crcs) == 1


def test_the_benchmark_compares_like_with_like():
    """Counters and names, no clock: what is timed against what, and which rows have targets."""
    from seneca_sim.functional.bench_spmv import spmv_rows

    seen = []

    def dense(matrix, vector):
        seen.append((matrix.shape, vector.shape))
        return lambda: matrix @ vector

    rows = spmv_rows(dense, outputs=64, inputs=32, zeros=(0.5, 0.9), rounds=1, calls=1)
    assert seen == [((64, 32), (32,))]
    kinds = [(r["weights"], r["sums"], r["zeros"], r["dense"]) for r in rows if "target" in r]
    assert kinds == [
        ("fp32", "fp32", 0.5, "numpy fp32"),
        ("bf16", "fp32", 0.5, "torch BF16"),
        ("fp32", "fp32", 0.9, "numpy fp32"),
        ("bf16", "fp32", 0.9, "torch BF16"),
    ]
    assert [r["target"] for r in rows if "target" in r] == [1.5, 4, 7, 15]
    assert len(rows) == 14
    assert all(r["ratio"] == r["dense_seconds"] / r["seconds"] for r in rows)
    assert not any(
        "target" in r and r["weights"] == "bf16"
        for r in spmv_rows(outputs=8, inputs=4, zeros=(0.5,), rounds=1, calls=1)
    )
