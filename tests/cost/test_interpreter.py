"""The interpreter: single instructions, and the short kernels, against NumPy and PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.cost.bf16 import from_bits, round_bf16, to_bits
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import build_kernel, load_kernel
from seneca_sim.cost.notation import parse
from seneca_sim.errors import InputError

HEAD = "kernel k\nmark: assumed\nsource: none\ndoc: none\n"
WORDS = st.integers(0, 0xFFFF)


def execute(instruction, *words):
    """The word that one instruction makes of words a and b."""
    text = HEAD + f"in: a, b\nout: y\nrow:\n  {instruction}\n"
    registers = {name: np.uint16(word) for name, word in zip("ab", (*words, 0), strict=False)}
    run = run_kernel(build_kernel(parse(text, "k.npe")), {}, 1, registers=registers)
    return int(run.registers["y"][0])


@given(st.floats(width=32, allow_nan=False))
def test_rounding_is_that_of_pytorch(value):
    wanted = torch.tensor(value, dtype=torch.float32).to(torch.bfloat16).view(torch.int16).item()
    assert int(to_bits(np.float32(value))) == wanted & 0xFFFF


def test_not_a_number_stays_one():
    assert int(to_bits(np.float32("nan"))) == 0x7FC0
    assert np.isnan(from_bits(np.uint16(0x7FC0)))


@given(WORDS, WORDS, st.sampled_from(["ADD", "SUB", "MUL"]))
def test_arithmetic_is_that_of_pytorch(a, b, mnemonic):
    function = {"ADD": torch.add, "SUB": torch.sub, "MUL": torch.mul}[mnemonic]
    x, y = (torch.tensor([w - ((w & 0x8000) << 1)], dtype=torch.int16) for w in (a, b))
    wanted = function(x.view(torch.bfloat16), y.view(torch.bfloat16))
    got = execute(f"{mnemonic} y, a, b", a, b)
    if torch.isnan(wanted).item():
        assert got == 0x7FC0
    else:
        assert got == wanted.view(torch.int16).item() & 0xFFFF


@given(WORDS, WORDS)
def test_byte_arithmetic_has_no_carry(a, b):
    low, high = (a - b) % 256, ((a >> 8) - (b >> 8)) % 256
    assert execute("SUB8 y, a, b", a, b) == high << 8 | low
    low, high = (a + b) % 256, ((a >> 8) + (b >> 8)) % 256
    assert execute("ADD8 y, a, b", a, b) == high << 8 | low
    low, high = (a & 255) * (b & 255) % 256, (a >> 8) * (b >> 8) % 256
    assert execute("MUL8 y, a, b", a, b) == high << 8 | low


@pytest.mark.parametrize(
    ("instruction", "words", "wanted"),
    [
        ("SHL y, a, 4", (0xABCD,), 0xBCD0),
        ("SHR y, a, 4", (0xABCD,), 0x0ABC),
        ("AND y, a, b", (0xABCD, 0x0FF0), 0x0BC0),
        ("ORR y, a, b", (0xA00D, 0x0FF0), 0xAFFD),
        ("ABS y, a", (0xC000,), 0x4000),
        ("MAX y, a, b", (0xC000, 0x3F80), 0x3F80),
        ("MIN y, a, b", (0xC000, 0x3F80), 0xC000),
        ("GTH y, a, b", (0x4000, 0x3F80), 0xFFFF),
        ("GTH y, a, b", (0x3F80, 0x3F80), 0),
        ("EQL y, a, b", (0x3F80, 0x3F80), 0xFFFF),
        ("I2F y, a", (0xFFFF,), 0xBF80),
        ("I2F y, a.b1", (0xFE01,), 0xC000),
        ("I2F y, a.n2", (0x0F00,), 0xBF80),
        ("ADD y, a, b.f0", (0x3F80, 0x0002), 0x4040),
        ("RND y, a", (0x3FE0,), 0x4000),
    ],
)
def test_instruction(instruction, words, wanted):
    assert execute(instruction, *words) == wanted


def test_event_bf16_accumulates_in_the_order_of_events():
    rng = np.random.default_rng(0)
    weight, value, acc = rng.normal(size=(5, 3, 8)), rng.normal(size=5), rng.normal(size=(3, 8))
    kernel = load_kernel("event_bf16")
    run = run_kernel(kernel, {"weight": weight, "value": value, "acc": acc}, 3, 5)
    wanted = torch.tensor(acc).bfloat16()
    for w, v in zip(torch.tensor(weight).bfloat16(), torch.tensor(value).bfloat16(), strict=True):
        wanted = wanted + w * v
    np.testing.assert_array_equal(run.value("acc"), wanted.float().numpy())


@pytest.mark.parametrize(
    ("name", "bits", "scale", "graded"),
    [
        ("event_int8", 8, 1, True),
        ("event_int4", 4, 1, True),
        ("event_int4_explicit", 4, 4096, True),
        ("event_binary_int4", 4, 1, False),
    ],
)
def test_packed_weights(name, bits, scale, graded):
    """Small integers throughout, so that the sums are exact."""
    rng = np.random.default_rng(0)
    per_word = 16 // bits
    weight = rng.integers(-8, 8, (4, 2, per_word, 8))
    value = rng.integers(-2, 3, 4)
    shifts = np.arange(per_word)[:, None] * bits
    packed = ((weight & (1 << bits) - 1) << shifts).sum(axis=2).astype(np.uint16)
    memory = {"weight": packed, "acc": np.zeros((2, per_word, 8))}
    run = run_kernel(load_kernel(name), memory | ({"value": value} if graded else {}), 2, 4)
    wanted = np.einsum("g,grpl->rpl", value if graded else np.ones(4), weight)
    np.testing.assert_array_equal(run.value("acc"), wanted * scale)


def test_a_store_leaves_the_loaded_register_alone():
    run = run_kernel(load_kernel("send_acc"), {"acc": np.full((1, 8), 3.0)}, 1)
    assert run.events[0].values.tolist() == [3.0] * 8
    assert run.events[0].fired.all()
    assert not run.value("acc").any()


def test_send_dense_keeps_the_vector():
    run = run_kernel(load_kernel("send_dense"), {"x": np.arange(16.0).reshape(2, 8)}, 2)
    assert [row.values[0] for row in run.events] == [0, 8]
    assert run.value("x")[1, 7] == 15


def test_relu2_fire():
    acc = np.array([[-2, -1, 0, 0.5, 1, 2, 3, 4]])
    run = run_kernel(load_kernel("relu2_fire"), {"acc": acc, "threshold": 1.0}, 1)
    assert run.events[0].values.tolist() == [0, 0, 0, 0.25, 1, 4, 9, 16]
    assert run.events[0].fired.tolist() == [False] * 5 + [True] * 3
    assert not run.value("acc").any()


def test_token_shift_mixes_then_saves():
    x, p, mu = np.full((1, 8), 2.0), np.full((1, 8), -2.0), np.arange(8.0).reshape(1, 8) / 8
    memory = {"x": x, "prev": p, "mu": mu, "threshold": 1.0}
    run = run_kernel(load_kernel("token_shift_mix"), memory, 1)
    assert run.events[0].values.tolist() == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5]
    assert run.events[0].fired.tolist() == [True, True] + [False] * 5 + [True]
    run = run_kernel(load_kernel("token_shift_save"), {"x": x, "prev": p}, 1)
    assert (run.value("prev") == 2).all()


def test_residual_add_resets_the_accumulator():
    memory = {"x": np.full((1, 8), 1.5), "acc": np.full((1, 8), 2.0)}
    run = run_kernel(load_kernel("residual_add"), memory, 1)
    assert (run.value("x") == 3.5).all()
    assert not run.value("acc").any()


def test_gate_residual():
    rng = np.random.default_rng(0)
    x, r, v = (round_bf16(rng.normal(size=(4, 8)) * s) for s in (1, 3, 1))
    run = run_kernel(load_kernel("gate_residual"), {"x": x, "r": r, "v": v}, 4)
    wanted = x + v / (1 + np.exp(-r.astype(np.float64)))
    np.testing.assert_allclose(run.value("x"), wanted, atol=0.02)
    assert not run.value("r").any()
    assert not run.value("v").any()


def test_missing_input_register():
    with pytest.raises(InputError, match="kernel exp: input register 'x' is missing"):
        run_kernel(load_kernel("exp"), {}, 1)


def test_shape_of_memory():
    with pytest.raises(InputError) as error:
        run_kernel(load_kernel("send_dense"), {"x": np.zeros((2, 4))}, 2)
    assert str(error.value) == "kernel send_dense: 'x' has shape (2, 4); expected (2, 8)"
