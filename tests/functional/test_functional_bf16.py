"""The compiled BF16 functions against the micro-kernels' own texts, bit for bit."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.cost.bf16 import from_bits, to_bits
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import build_kernel, load_kernel
from seneca_sim.cost.notation import parse
from seneca_sim.errors import InputError
from seneca_sim.functional import bf16, bf16_functions, bf16_steps, bf16_steps_heads
from seneca_sim.functional.bf16_events import (
    apply_events_bf16,
    apply_packed_events,
    fire_bf16,
)
from seneca_sim.functional.binding import operands
from seneca_sim.functional.interpreted import interpreted_events, interpreted_step
from seneca_sim.functional.packing import pack_weights

STEPS = {**bf16_steps.STEPS, **bf16_steps_heads.STEPS}
TEXTS = sorted(set(STEPS) - {"attention_append"})  # which the controller has a part in
EVERY = np.arange(1 << 16).astype(np.uint16)
seeds = st.integers(0, 2**32 - 1)


def sane(rng, *shape):
    """Words of numbers of a size that models compute with."""
    return to_bits(rng.standard_normal(shape) * np.exp2(rng.integers(-6, 7, shape)))


def wild(rng, *shape):
    """Any words: denormals, infinities, every NaN."""
    return rng.integers(0, 1 << 16, shape).astype(np.uint16)


# -- single operations -----------------------------------------------------------------------


def on_numbers(function):
    return lambda a, b: bf16.word(function(bf16.number(a), bf16.number(b)))


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from([sane, wild]))
@pytest.mark.parametrize(
    ("instruction", "function"),
    [
        ("ADD y, a, b", on_numbers(bf16.add)),
        ("SUB y, a, b", on_numbers(bf16.sub)),
        ("MUL y, a, b", on_numbers(bf16.mul)),
        ("MAX y, a, b", on_numbers(bf16.largest)),
        ("MIN y, a, b", on_numbers(bf16.smallest)),
        ("SUB8 y, a, b", bf16.sub_bytes),
        ("SHL y, a, 7", lambda a, b: bf16.shift_left(a, 7)),
        ("SHR y, a, 7", lambda a, b: bf16.shift_right(a, 7)),
    ],
)
def test_scalars_are_the_instructions(instruction, function, seed, draw):
    text = f"kernel k\nmark: assumed\nsource: -\ndoc: -\nin: a, b\nout: y\nrow:\n  {instruction}\n"
    a, b = draw(np.random.default_rng(seed), 2, 64)
    a[:8], b[:8] = np.uint16([0, 0x8000] * 4), np.uint16([0, 0, 0x8000, 0x8000] * 2)
    run = run_kernel(build_kernel(parse(text, "k.npe"), 64), {}, 1, registers={"a": a, "b": b})
    with np.errstate(all="ignore"):
        mine = [int(function(x, y)) for x, y in zip(a, b, strict=True)]
    assert mine == run.registers["y"].tolist()


@settings(deadline=None)
@given(st.floats(width=32))
def test_rounding_is_that_of_arrays(value):
    x = np.float32(value)
    assert int(bf16.word(bf16.rounded(x))) == int(to_bits(x))


def test_every_word_is_a_number_and_back():
    numbers = from_bits(EVERY)
    assert all(int(bf16.word(bf16.number(w))) == w for w in EVERY[~np.isnan(numbers)][::97])


@pytest.mark.parametrize("name", ["exp", "reciprocal", "rsqrt", "sigmoid", "tanh"])
def test_functions_on_every_word(name):
    """All 65,536 arguments at once, one lane for each."""
    kernel = load_kernel(name, EVERY.size)
    run = run_kernel(kernel, {}, 1, registers={"x": EVERY})
    mine = getattr(bf16_functions, f"{name}_words")(EVERY)
    assert np.array_equal(mine, run.registers["y"])


@given(seeds, st.sampled_from([sane, wild]))
def test_two_word_decay(seed, draw):
    rng = np.random.default_rng(seed)
    given_words = dict(zip(("high", "low", "decay", "x"), draw(rng, 4, 64), strict=True))
    run = run_kernel(load_kernel("two_word_decay", 64), {}, 1, registers=given_words)
    for i, numbers in enumerate(zip(*map(from_bits, given_words.values()), strict=True)):
        high, low = bf16_functions.two_word_decay(*numbers)
        assert int(bf16.word(high)) == run.registers["high_out"][i]
        assert int(bf16.word(low)) == run.registers["low_out"][i]


# -- stages ----------------------------------------------------------------------------------


def operand(rng, draw, axes, rows, lanes):
    """What a kernel takes eight columns of has sixteen: it runs twice."""
    counts = [16 if axis == "8" else int(axis) for axis in axes if axis.isdigit()]
    if "row" in axes:
        return draw(rng, *counts, rows * lanes)
    return draw(rng, lanes if "lane" in axes else counts[0] if counts else 1)


@settings(max_examples=20, deadline=None)
@given(
    seed=seeds,
    draw=st.sampled_from([sane, wild]),
    lanes=st.sampled_from([1, 2, 8, 16]),
    rows=st.integers(0, 5),
    short=st.integers(0, 7),
)
@pytest.mark.parametrize("name", TEXTS)
def test_steps_are_the_kernels(name, seed, draw, lanes, rows, short):
    """All of memory and what is sent, for random words; the output buffer ends inside a row."""
    rng, kernel = np.random.default_rng(seed), load_kernel(name, lanes)
    memory = [operand(rng, draw, axes, rows, lanes) for _, axes in kernel.memory]
    if kernel.captures:
        once = name in ("ln_stats", "ln_combine")
        memory.append(np.zeros(2 if once else max(0, rows * lanes - short), np.uint16))
    mine, theirs = ([words.copy() for words in memory] for _ in range(2))
    STEPS[name](*mine)
    interpreted_step(name, lanes)(*theirs)
    for what, a, b in zip(operands(kernel), mine, theirs, strict=True):
        assert np.array_equal(a, b), what


@given(seeds, st.sampled_from([sane, wild]), st.sampled_from([0.0, 0.5, 3.0]))
def test_who_fires_is_who_the_kernel_captures(seed, draw, threshold):
    x = draw(np.random.default_rng(seed), 3, 8)
    run = run_kernel(load_kernel("fire"), {"x": x, "threshold": threshold}, 3)
    fired = np.concatenate([event.fired for event in run.events])
    channels, values = fire_bf16(x.reshape(-1), np.float32(threshold), low=5)
    assert (channels - 5).tolist() == np.flatnonzero(fired).tolist()
    assert np.array_equal(values, x.reshape(-1)[fired])


def test_a_nan_stays_silent_as_on_the_chip():
    assert fire_bf16(to_bits([np.nan, 2, -np.inf]), np.float32(1))[0].tolist() == [1, 2]


# -- events ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    draw=st.sampled_from([sane, wild]),
    lanes=st.sampled_from([1, 4, 8]),
    rows=st.integers(0, 5),
    columns=st.integers(1, 40),
    gap=st.integers(0, 9),
    group=st.integers(1, 20),
)
def test_bf16_events_are_the_kernel_for_any_group(seed, draw, lanes, rows, columns, gap, group):
    rng = np.random.default_rng(seed)
    count, stride = rows * lanes, rows * lanes + gap
    words = draw(rng, columns * stride + count + 3)
    channels = np.flatnonzero(rng.random(columns) < 0.6).astype(np.int64)
    values = draw(rng, channels.size)
    mine, theirs = words.copy(), words.copy()
    place = columns * stride, 0, stride
    apply_events_bf16(mine, *place, count, channels, values)
    interpreted_events(theirs, *place, rows, channels, values, lanes=lanes, group=group)
    assert np.array_equal(mine, theirs)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, draw=st.sampled_from([sane, wild]), rows=st.integers(1, 4), n=st.integers(0, 20))
@pytest.mark.parametrize(
    ("name", "bits", "binary", "explicit"),
    [
        ("event_int8", 8, False, False),
        ("event_int8_explicit", 8, False, True),
        ("event_binary_int8", 8, True, False),
        ("event_binary_int8_explicit", 8, True, True),
        ("event_int4", 4, False, False),
        ("event_int4_explicit", 4, False, True),
        ("event_binary_int4", 4, True, False),
        ("event_binary_int4_explicit", 4, True, True),
    ],
)
def test_packed_events_are_the_kernels(name, bits, binary, explicit, seed, draw, rows, n):
    rng, lanes, width = np.random.default_rng(seed), 8, 16 // bits
    weights = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (rows * width * lanes - 3, 25))
    packed = pack_weights(weights, bits, lanes)
    acc, values = draw(rng, rows * width * lanes), None if binary else draw(rng, n)
    channels = np.sort(rng.choice(25, n, replace=False)).astype(np.int64)
    words = np.concatenate([packed.reshape(-1), acc])
    stride = rows * lanes
    apply_packed_events(
        words, 25 * stride, 0, stride, rows, lanes, channels, values, bits=bits, explicit=explicit
    )
    memory = {
        "weight": packed[channels].reshape(n, rows, lanes),
        "acc": acc.reshape(rows, width, lanes),
    }
    memory |= {} if binary else {"value": values}
    run = run_kernel(load_kernel(name), memory, rows, n)
    assert np.array_equal(words[25 * stride :], run.memory["acc"].reshape(-1))


def test_binary_bf16_events_are_events_of_value_one():
    rng = np.random.default_rng(0)
    weight, acc = sane(rng, 9, 2, 8), sane(rng, 2, 8)
    run = run_kernel(load_kernel("event_binary_bf16"), {"weight": weight, "acc": acc}, 2, 9)
    graded = {"weight": weight, "acc": acc, "value": np.ones(9)}
    same = run_kernel(load_kernel("event_bf16"), graded, 2, 9)
    assert np.array_equal(run.memory["acc"], same.memory["acc"])


@pytest.mark.parametrize("bits", [8, 4])
def test_packed_sums_of_small_integers_are_exact(bits):
    rng, low = np.random.default_rng(1), -(1 << (bits - 1))
    weights = rng.integers(max(low, -8), min(-low, 8), (50, 20))
    packed = pack_weights(weights, bits, 8)
    rows = packed.shape[1] // 8
    words = np.concatenate([packed.reshape(-1), np.zeros(rows * 8 * 16 // bits, np.uint16)])
    channels, values = np.arange(0, 20, 3), rng.integers(-1, 2, 7)
    apply_packed_events(
        words, packed.size, 0, rows * 8, rows, 8, channels, to_bits(values), bits=bits
    )
    assert from_bits(words[packed.size :][:50]).tolist() == (weights[:, ::3] @ values).tolist()


def test_packed_events_are_checked():
    words, none = np.zeros(64, np.uint16), np.zeros(0, np.int64)
    with pytest.raises(InputError, match="packed weights have 8 or 4 bits, not 2"):
        apply_packed_events(words, 0, 0, 8, 1, 8, none, None, bits=2)
    with pytest.raises(InputError, match="a slice of 4 x 8 words does not lie in the memory"):
        apply_packed_events(words, 32, 0, 32, 4, 8, none, None, bits=8)
    with pytest.raises(InputError, match=r"weights do not fit 4 bits: .*-8 to 7"):
        pack_weights(np.array([[8]]), 4, 8)


def test_rounding_after_every_operation_by_hand():
    """256 + 1 is a tie, which goes to 256, three times; the exact sum is 259."""
    words = to_bits([1, 1, 1, 256])
    apply_events_bf16(words, 3, 0, 1, 1, np.arange(3), to_bits([1, 1, 1]))
    assert from_bits(words)[3] == 256


def test_without_numba_the_bits_are_the_same():
    code = (
        "import numpy as np, zlib\n"
        "from seneca_sim.functional.bf16_steps import STEPS\n"
        "from seneca_sim.functional.bf16_events import apply_events_bf16\n"
        "from seneca_sim.cost.bf16 import to_bits\n"
        "rng = np.random.default_rng(3)\n"
        "m = [to_bits(rng.standard_normal(s)) for s in [1] + [32] * 6 + [(2, 32)] * 2 + [32, 32]]\n"
        "w = to_bits(rng.standard_normal(96))\n"
        "with np.errstate(all='ignore'):\n"
        "    STEPS['wkv'](*m)\n"
        "    apply_events_bf16(w, 80, 0, 16, 16, np.arange(5), w[:5].copy())\n"
        "print(zlib.crc32(b''.join(x.tobytes() for x in [*m, w])))\n"
    )

    def crc(off):
        environment = os.environ | {"NUMBA_DISABLE_JIT": off}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert crc("1") == crc("0")
