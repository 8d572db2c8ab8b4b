"""The texts of RWKV-7's micro-kernels against PyTorch's delta rule in doubles; tanh, the decay."""

import numpy as np
import pytest
import torch

from seneca_sim.cost.bf16 import from_bits, round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel
from workloads.models.rwkv7 import delta_rule

EVERY = from_bits(np.arange(1 << 16).astype(np.uint16))
N = 16
"""Channels of the head."""


def between(low, high):
    return EVERY[(low <= EVERY) & (high >= EVERY)]


def wide(name, x):
    """One row with a lane for each value, the last one repeated."""
    npes = 1 << (len(x) - 1).bit_length()
    return load_kernel(name, npes), np.pad(x, (0, npes - len(x)), mode="edge")


@pytest.mark.parametrize(("low", "high", "bound"), [(-4, 4, 0.011), (4, 3e38, 0.0007)])
def test_tanh(low, high, bound):
    """Relative error over every BF16 number, the smallest included: no cancellation."""
    x = between(low, high)
    kernel, lanes = wide("tanh", x)
    y = from_bits(run_kernel(kernel, {}, 1, registers={"x": lanes}).registers["y"])[: len(x)]
    wanted = np.tanh(x.astype(np.float64))
    some = np.abs(x) > 1e-37  # denormal products are another matter
    error = np.max(np.abs(y[some] / wanted[some] - 1))
    assert bound / 2 < error <= bound
    assert np.all(np.abs(y) <= 1)


def test_decay():
    """Of e^z - 1, not of e^z: slow decays keep their relative precision."""
    x = between(-20, 20)
    kernel, lanes = wide("wkv7_decay", x)
    run = run_kernel(kernel, {"acc": lanes[None], "w0": np.zeros((1, kernel.npes))}, 1)
    wanted = np.expm1(-np.exp(-0.5) / (1 + np.exp(-x.astype(np.float64))))
    error = np.max(np.abs(run.value("decay")[0, : len(x)] / wanted - 1))
    assert 0.0075 < error <= 0.015
    assert not run.value("acc").any()


def rows(x):
    return np.asarray(x).reshape(-1, 8)


def by_eight(kernel, whole, state, rest):
    """A kernel over the state: once for every eight keys; `rest` is carried on."""
    for j in range(0, N, 8):
        columns = state[j : j + 8].reshape(8, -1, 8).transpose(1, 0, 2)
        memory = {name: x[j : j + 8] for name, x in whole.items()} | {"state": columns} | rest
        run = run_kernel(load_kernel(kernel), memory, N // 8)
        state[j : j + 8] = run.value("state").transpose(1, 0, 2).reshape(8, N)
        rest = {name: run.value(name) for name in rest}
    return rest


def numbers(tokens):
    """r, k, v, rates, decays' and values' arguments, [tokens, N] BF16 numbers."""
    random = np.random.default_rng(5)
    raw = random.standard_normal((6, tokens, N))
    raw[4] -= 3  # slow decays
    return [round_bf16(x).astype(np.float64) for x in raw]


def test_kernels_make_up_a_head():
    """Token by token, all five of them, from r, k, v to the gated output, in 1.5 % of it."""
    tokens, random = 24, np.random.default_rng(6)
    r, k, v, rate, slow, first = numbers(tokens)
    k_k, k_a, r_k, gamma, beta, v0, gate = round_bf16(random.standard_normal((7, N)))
    state, zero, mine = np.zeros((N, N)), np.zeros((N // 8, 8)), []
    for t in range(tokens):
        memory = {"v": rows(v[t]), "first": rows(first[t]), "acc": zero, "v0": rows(v0)}
        value = run_kernel(load_kernel("wkv7_value"), memory, 2).value("v")
        memory = {"acc": rows(slow[t]), "w0": zero}
        decay = run_kernel(load_kernel("wkv7_decay"), memory, 2).value("decay").ravel()
        names = {"k": k[t], "r": r[t], "acc": rate[t], "k_k": k_k, "k_a": k_a, "r_k": r_k}
        memory = {name: rows(x) for name, x in names.items()} | {"a0": zero}
        key = run_kernel(load_kernel("wkv7_key"), memory, 2)
        removed, back, added = (key.value(x).ravel() for x in ("removed", "back", "k"))
        held = by_eight("wkv7_read", {"removed": removed}, state, {"held": zero})["held"]
        whole = {"decay": decay, "back": back, "k": added, "r": r[t]}
        y = by_eight("wkv7_write", whole, state, {"held": held, "v": value, "y": zero})["y"]
        memory = {
            "y": y, "gamma": rows(gamma), "beta": rows(beta), "v": value, "held": held,
            "bonus": key.value("bonus"), "acc": rows(gate), "inv_n": 1 / N,
        }  # fmt: skip
        sent = run_kernel(load_kernel("wkv7_send"), memory, 2)
        assert not any(sent.value(x).any() for x in ("y", "held", "acc"))
        mine.append(np.concatenate([event.values for event in sent.events]))
    wanted = head(r, k, v, rate, slow, first, (k_k, k_a, r_k, gamma, beta, v0, gate))
    error = np.sqrt(np.mean((np.array(mine) - wanted) ** 2) / np.mean(wanted**2))
    assert error < 0.015


def head(r, k, v, rate, slow, first, parameters):
    """The same in doubles with PyTorch."""
    k_k, k_a, r_k, gamma, beta, v0, gate = parameters
    v = v + (first - v) / (1 + np.exp(-v0))
    a, w = 1 / (1 + np.exp(-rate)), np.exp(-np.exp(-0.5) / (1 + np.exp(-slow)))
    removed = k * k_k
    removed = removed / np.linalg.norm(removed, axis=1, keepdims=True)
    k = k * (1 + (a - 1) * k_a)
    state = torch.zeros(1, 1, N, N, dtype=torch.float64)
    parts = (torch.tensor(np.asarray(x))[None, :, None] for x in (r, w, k, v, a, removed))
    y, _ = delta_rule(*parts, state)
    norm = torch.nn.functional.group_norm(y[0].flatten(1), 1, eps=64e-5).numpy()
    bonus = (r * k * r_k).sum(axis=1, keepdims=True) * v
    return (norm * gamma + beta + bonus) * gate


def test_a_head_of_zeros_sends_its_bias():
    """No length to divide by: the removed key stays 0 and nothing is NaN."""
    zero = np.zeros((2, 8))
    names = ("k", "r", "acc", "k_k", "k_a", "r_k", "a0")
    run = run_kernel(load_kernel("wkv7_key"), dict.fromkeys(names, zero), 2)
    assert not any(run.value(name).any() for name in ("removed", "back", "bonus", "k"))


@pytest.mark.parametrize("kernel", ["tanh", "sigmoid"])
def test_inner_vectors_are_sent_and_reset(kernel):
    x = np.linspace(-5, 5, 16).reshape(2, 8)
    run = run_kernel(load_kernel(f"send_{kernel}"), {"acc": x}, 2)
    wanted = np.tanh(x) if kernel == "tanh" else 1 / (1 + np.exp(-x))
    assert np.abs(np.array([e.values for e in run.events]) / wanted - 1).max() < 0.015
    assert all(e.fired.all() for e in run.events)
    assert not run.value("acc").any()
