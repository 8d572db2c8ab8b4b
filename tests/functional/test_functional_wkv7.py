"""What one BF16 word of state costs RWKV-7: the numbers of docs/kernels.md, against doubles."""

from typing import Any

import numpy as np
import pytest
import torch

from seneca_sim.cost.bf16 import from_bits, round_bf16, to_bits
from seneca_sim.functional.bf16_steps_heads import STEPS
from workloads.models.rwkv7 import delta_rule

N = 64
Doubles = np.ndarray[Any, np.dtype[np.float64]]


def words(count: int = N) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.zeros(count, np.uint16)


def head(random: np.random.Generator, tokens: int, low: float, high: float) -> list[Doubles]:
    """r, k, v, argument of the rate and of the decay [tokens, N], k_k and k_a; BF16 numbers."""
    r, k, v, rate = random.standard_normal((4, tokens, N))
    slow = random.uniform(low, high, N) + 0.5 * random.standard_normal((tokens, N))
    drawn = r, k / 8, v, rate, slow, 1 + 0.3 * random.standard_normal(N), random.random(N)
    return [round_bf16(x).astype(np.float64) for x in drawn]


def in_doubles(r: Doubles, k: Doubles, v: Doubles, rate: Doubles, slow: Doubles, k_k: Doubles,
               k_a: Doubles) -> Doubles:  # fmt: skip
    a, w = 1 / (1 + np.exp(-rate)), np.exp(-np.exp(-0.5) / (1 + np.exp(-slow)))
    removed = k * k_k / np.linalg.norm(k * k_k, axis=1, keepdims=True)
    parts = r, w, k * (1 + (a - 1) * k_a), v, a, removed
    state = torch.zeros(1, 1, N, N, dtype=torch.float64)
    y, _ = delta_rule(*(torch.tensor(x)[None, :, None] for x in parts), state)
    found: Doubles = y[0, :, 0].numpy()
    return found


def on_chip(r: Doubles, k: Doubles, v: Doubles, rate: Doubles, slow: Doubles, k_k: Doubles,
            k_a: Doubles) -> Doubles:  # fmt: skip
    state, found = np.zeros((N, N), np.uint16), []
    for t in range(len(r)):
        decay, removed, back, held, y = (words() for _ in range(5))
        key = to_bits(k[t])
        STEPS["wkv7_decay"](to_bits(slow[t]), words(), decay)
        STEPS["wkv7_key"](
            key, to_bits(k_k), to_bits(k_a), to_bits(r[t]), words(), to_bits(rate[t]), words(),
            removed, back, words(8), words(8),
        )  # fmt: skip
        STEPS["wkv7_read"](removed, state, held)
        STEPS["wkv7_write"](decay, back, key, to_bits(r[t]), state, held, to_bits(v[t]), y)
        found.append(from_bits(y))
    return np.array(found, np.float64)


@pytest.mark.parametrize(
    ("tokens", "low", "high", "percent"),
    [
        (64, -6, 2, 1.3),
        (64, -9, -5, 1.4),
        pytest.param(256, -6, 2, 1.5, marks=pytest.mark.nightly),
        pytest.param(256, -9, -5, 1.8, marks=pytest.mark.nightly),
        pytest.param(1024, -6, 2, 1.6, marks=pytest.mark.nightly),
        pytest.param(1024, -9, -5, 2.2, marks=pytest.mark.nightly),
    ],
)
def test_loss_of_one_word(tokens: int, low: float, high: float, percent: float) -> None:
    random, wrong, whole = np.random.default_rng(0), 0.0, 0.0
    for _ in range(4):
        drawn = head(random, tokens, low, high)
        wanted, mine = in_doubles(*drawn)[tokens // 2 :], on_chip(*drawn)[tokens // 2 :]
        wrong, whole = wrong + np.square(mine - wanted).sum(), whole + np.square(wanted).sum()
    assert 100 * (wrong / whole) ** 0.5 == pytest.approx(percent, rel=0.1)
