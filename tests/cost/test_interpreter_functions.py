"""Building blocks over every BF16 number of their range; layer normalisation against PyTorch.

The bounds asserted are those of docs/kernels.md; a unit in the last place is 2^-8 to 2^-7.
"""

import numpy as np
import pytest
import torch

from seneca_sim.cost.bf16 import from_bits, round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel

EVERY = from_bits(np.arange(1 << 16).astype(np.uint16))


def between(low, high):
    return EVERY[(low <= EVERY) & (high >= EVERY)]


def block(name, x):
    """Runs a building block on one wide row; lanes that are left over repeat the last value."""
    npes = 1 << (len(x) - 1).bit_length()
    kernel = load_kernel(name, npes)
    padded = np.pad(x, (0, npes - len(x)), mode="edge")
    run = run_kernel(kernel, {}, 1, registers={kernel.inputs[0]: padded})
    return from_bits(run.registers[kernel.outputs[0]])[: len(x)].astype(np.float64)


def relative_error(name, function, x):
    wanted = function(x.astype(np.float64))
    return np.max(np.abs(block(name, x) / wanted - 1))


@pytest.mark.parametrize(
    ("name", "function", "low", "high", "bound"),
    [
        ("exp", np.exp, -20, 20, 0.0061),
        ("exp", np.exp, -1, 1, 0.0043),
        ("exp", np.exp, -43, 43, 0.0116),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -20, 20, 0.0095),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -43, 200, 0.0136),
        ("reciprocal", np.reciprocal, 1e-10, 1e10, 0.0067),
        ("reciprocal", np.reciprocal, 2.0**-126, 2.0**125, 0.0067),
        ("rsqrt", lambda x: x**-0.5, 1e-6, 1e6, 0.0069),
        ("rsqrt", lambda x: x**-0.5, 2.0**-126, 2.0**126, 0.0069),
    ],
)
def test_relative_error(name, function, low, high, bound):
    error = relative_error(name, function, between(low, high))
    assert bound / 2 < error <= bound


def test_exp_outside_its_range():
    assert block("exp", np.float32([-1e30, -100, -45])).tolist() == [0, 0, 0]
    assert block("exp", np.float32([100]))[0] == pytest.approx(np.exp(44), rel=0.05)


def lanes(values, npes=8):
    """A slice laid out in rows of lanes, zeros behind it."""
    rows = -(-len(values) // npes)
    return np.pad(np.asarray(values, float), (0, rows * npes - len(values))).reshape(rows, npes)


def layer_norm(x, gamma, beta, cores):
    """The three kernels on a vector split over cores, as the compiler does."""
    events = []
    for part in np.array_split(x, cores):
        rows = lanes(part)
        pad = np.concatenate([np.zeros(part.size), np.ones(rows.size - part.size)])[-8:]
        memory = {"x": rows, "pad": pad, "inv_n": 1 / part.size}
        events.append(run_kernel(load_kernel("ln_stats"), memory, len(rows)).events)
    shares = lanes([part.size / x.size for part in np.array_split(x, cores)])
    memory = {
        "partial": np.stack([lanes([e[i].values[0] for e in events]) for i in (0, 1)], axis=1),
        "share": shares,
        "inv_n": 1 / x.size,
    }
    mean, inv = run_kernel(load_kernel("ln_combine"), memory, len(shares)).events
    memory = {"stat": [mean.values[0], inv.values[0]], "x": lanes(x)}
    memory |= {"gamma": lanes(gamma), "beta": lanes(beta)}
    run = run_kernel(load_kernel("ln_apply"), memory, len(lanes(x)))
    return run.value("y").reshape(-1)[: x.size]


@pytest.mark.parametrize("mean", [0, 3])
@pytest.mark.parametrize(
    ("width", "cores"), [(64, 1), (512, 1), (768, 6), (768, 13), (768, 60), (2560, 80)]
)
def test_layer_norm_is_that_of_pytorch(width, cores, mean):
    rng = np.random.default_rng(width + cores)
    x = round_bf16(2 * rng.normal(size=width) + mean)
    gamma, beta = 1 + 0.3 * rng.normal(size=width), 0.1 * rng.normal(size=width)
    wanted = torch.nn.functional.layer_norm(
        torch.tensor(x), (width,), torch.tensor(gamma).float(), torch.tensor(beta).float()
    ).numpy()
    error = layer_norm(x, gamma, beta, cores) - wanted
    assert np.sqrt(np.mean(error**2) / np.mean(wanted**2)) < 0.02
    assert np.max(np.abs(error)) < 0.08


def test_padding_of_a_slice_does_not_count():
    part = np.full(3, 7.0)
    memory = {"x": lanes(part), "pad": [0, 0, 0, 1, 1, 1, 1, 1], "inv_n": 1 / 3}
    mean, m2 = run_kernel(load_kernel("ln_stats"), memory, 1).events
    assert mean.values[0] == pytest.approx(7, rel=0.005)
    assert m2.values[0] == pytest.approx(0, abs=0.01)
