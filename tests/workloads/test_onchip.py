"""Bits per byte on the chip: against a program run by hand, and beside torch."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.errors import InputError
from workloads import zoo
from workloads.compiler import lower, rwkv4_graph
from workloads.compiler.check import run_tokens
from workloads.job.dense import torch_bf16
from workloads.job.onchip import OnChip, bits_per_byte, code_lengths, fewest_cores
from workloads.models import Rwkv4, Rwkv4Shape, load_model
from workloads.models.layout import expected_shapes
from workloads.sparsity.evaluate import bits_per_byte as torch_bits_per_byte

NAME = "rwkv4-byte-6x256"
TEXT = b"It is a truth universally acknowledged"


def small_model(vocab=256):
    gen, shape = torch.Generator().manual_seed(4), Rwkv4Shape(2, 24, 40, vocab)
    sizes = expected_shapes(shape).items()
    weights = {name: 0.3 * torch.randn(size, generator=gen) for name, size in sizes}
    return Rwkv4(shape, weights)


@pytest.fixture(scope="module")
def shipped():
    return load_model(zoo.weights_path(NAME))


@pytest.mark.parametrize(("cores", "state_words"), [(1, 2), (3, 1)])
def test_it_is_the_program_on_any_chip_with_so_many_cores(cores, state_words):
    model = small_model()
    thresholds = {"blocks.0.ffn.val": 0.01, "blocks.1.att.key": 0.2}
    graph = rwkv4_graph("x", {"layers": 2, "width": 24, "ffn": 40, "vocab": 256},
                        state_words=state_words)  # fmt: skip
    program = lower(graph, Chip("any", 5, 5, core=CoreSpec(data_memory_bits=2**25)), cores)
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    run = run_tokens(program, weights, list(TEXT), thresholds=thresholds, precision="bf16")
    logits = torch.tensor(np.array([v["logits"] for v in run])[:-1], dtype=torch.float64)
    wanted = float(cross_entropy(logits, torch.tensor(list(TEXT[1:])))) / math.log(2)
    given = bits_per_byte(model, TEXT, 16, thresholds, state_words, cores=cores)
    assert given == pytest.approx(wanted, rel=1e-12)


def test_windows_start_from_the_empty_state():
    model, seen = small_model(), []
    chip = OnChip.of(model, 8)
    note = lambda *at: seen.append(at)  # noqa: E731
    lengths = chip.code_lengths(TEXT, window=16, progress=note)
    assert lengths.size == len(TEXT) - 1
    for start in (0, 16, 32):
        piece = chip.code_lengths(TEXT[start : start + 17])
        assert np.array_equal(lengths[start : start + 16], piece)
    assert seen == [(n, 3, f"on chip, window {n} of 3") for n in (1, 2, 3)]
    assert bits_per_byte(model, TEXT, 8, window=16) == lengths.mean()


def test_running_twice_changes_nothing():
    chip = OnChip.of(small_model(), 4)
    first, second = (np.array(list(chip.logits(TEXT))) for _ in range(2))
    assert np.array_equal(first, second)


def test_int8_is_as_near_to_torch_as_bf16_and_int4_is_not(shipped):
    """The first 48 bytes; docs/functional.md has the figures for thousands."""
    text = zoo.evaluation_text()[:49]
    with torch.no_grad():
        exact = shipped.sequence(torch.tensor([list(text[:-1])]))[0][0].numpy()
    errors = []
    for bits in (16, 8, 4):
        logits = np.array(list(OnChip.of(shipped, bits).logits(text[:-1])))
        errors.append(float(np.sqrt(np.mean((logits - exact) ** 2) / np.mean(exact**2))))
    assert all(0.005 < error < 0.05 for error in errors[:2])  # at INT8 sums round, not weights
    assert 2 * errors[1] < errors[2] < 0.3


@pytest.mark.nightly
@pytest.mark.parametrize(("bits", "limit"), [(16, 0.02), (8, 0.02), (4, 0.3)])
def test_accuracy_of_the_shipped_model(shipped, bits, limit):
    text = zoo.evaluation_text()[:4097]
    given = bits_per_byte(shipped, text, bits)
    assert given == pytest.approx(torch_bits_per_byte(shipped, text), abs=limit)


def test_code_lengths_by_hand():
    """Two equal logits: one bit; 3 against 1 in probability: log2(4/3) and 2 bits."""
    logits = np.array([[0, 0], [np.log(3), 0], [np.log(3), 0]], np.float32)
    assert code_lengths(logits, [1, 0, 1]) == pytest.approx([1, np.log2(4 / 3), 2])


def test_cores_that_layer_norm_needs():
    """A lane adds up 64 terms at most, 8 lanes 512 channels."""
    assert [fewest_cores(n) for n in (1, 512, 513, 2560)] == [1, 1, 2, 5]


def test_what_cannot_be_asked():
    model = small_model()
    with pytest.raises(InputError, match="text: 1 tokens in windows of 1024; at least two tokens"):
        bits_per_byte(model, b"x")
    with pytest.raises(InputError, match="weights of 3 bits; expected 16, 8 or 4"):
        bits_per_byte(model, TEXT, 3)
    with pytest.raises(InputError, match=r"blocks\.0\.att\.kex"):
        bits_per_byte(model, TEXT, thresholds={"blocks.0.att.kex": 0.1})
    with pytest.raises(InputError, match="model: a vocabulary of 100; bits per byte need one of"):
        bits_per_byte(small_model(100), TEXT)


def test_the_dense_product_is_that_of_torch():
    rng = np.random.default_rng(0)
    matrix, vector = rng.integers(-8, 8, (5, 9)), rng.integers(-8, 8, 9)
    work = torch_bf16(matrix.astype(np.float32), vector.astype(np.float32))
    assert work().float().numpy() == pytest.approx(matrix @ vector, rel=2.0**-8)
