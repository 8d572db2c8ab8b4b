"""What every micro-kernel of a stage computes, at fp32 and on whole slices.

Each function takes views into a core's memory, one for every operand, and writes its results
there. The NPE programs of the same names say what the work costs; they and these functions agree
up to rounding. Accumulators that a kernel has read are 0 afterwards, as in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.functional.parameters import log_decay

Floats = NDArray[np.float32]

EPSILON = np.float32(1e-5)
PAIR = 2
"""Values of a LayerNorm partial (mean, M2) or statistic (mean, inverse deviation)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A step's function and what it takes.

    Attributes:
        function: takes the operands' views in order.
        operands: their names.
        rows: 0 for an operand of the slice's length, n for one of n rows, -1 for any number.
    """

    function: Callable[..., None]
    operands: tuple[str, ...]
    rows: tuple[int, ...]


STEPS: dict[str, Kernel] = {}
"""Kernel -> what it computes. The operand `sizes` is no region: see `ln_combine`."""


def _step(*operands: str, **rows: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(function: Callable[..., None]) -> Callable[..., None]:
        lengths = tuple(rows.get(name, 0) for name in operands)
        STEPS[function.__name__] = Kernel(function, operands, lengths)
        return function

    return register


@_step("x", "out", out=PAIR)
def ln_stats(x: Floats, out: Floats) -> None:
    """Mean of the slice and sum of squared deviations about it."""
    out[0] = x.mean() if x.size else 0
    out[1] = np.square(x - out[0]).sum()


@_step("in", "out", "sizes", out=PAIR, **{"in": -1, "sizes": -1})
def ln_combine(partials: Floats, out: Floats, sizes: Floats) -> None:
    """Mean and inverse deviation of a vector from its slices' moments (Chan et al. 1979).

    `sizes` are the lengths of the slices, in the order of the partials.
    """
    means, squares = partials[0::2], partials[1::2]
    total = sizes.sum()
    mean = (sizes / total * means).sum()
    within, between = squares.sum(), (sizes * np.square(means - mean)).sum()
    out[0] = mean
    out[1] = 1 / np.sqrt((within + between) / total + EPSILON)


@_step("x", "stat", "gamma", "beta", "y", stat=PAIR)
def ln_apply(x: Floats, stat: Floats, gamma: Floats, beta: Floats, y: Floats) -> None:
    """Normalise with (mean, inverse deviation), scale and shift."""
    y[:] = (x - stat[0]) * stat[1] * gamma + beta


@_step("x", "prev", "mu", "out")
def token_shift_mix(x: Floats, prev: Floats, mu: Floats, out: Floats) -> None:
    """Blend with the previous token."""
    out[:] = mu * x + (1 - mu) * prev


@_step("x", "prev")
def token_shift_save(x: Floats, prev: Floats) -> None:
    """Remember this token."""
    prev[:] = x


@_step("r", "k", "v", "u", "decay", "shift", "aa", "bb", "pp", "out")
def wkv(
    r: Floats,
    k: Floats,
    v: Floats,
    u: Floats,
    decay: Floats,
    shift: Floats,
    aa: Floats,
    bb: Floats,
    pp: Floats,
    out: Floats,
) -> None:
    """Run RWKV-4's recurrence; the state is aa e^pp and bb e^pp, pp the running maximum."""
    now = u + k
    top = np.maximum(pp, now)
    old, new = np.exp(pp - top), np.exp(now - top)
    out[:] = sigmoid(r) * ((old * aa + new * v) / (old * bb + new))
    past = pp + log_decay(decay, shift)
    pp[:] = np.maximum(past, k)
    old, new = np.exp(past - pp), np.exp(k - pp)
    aa[:] = old * aa + new * v
    bb[:] = old * bb + new
    r[:] = k[:] = v[:] = 0


@_step("x", "acc")
def residual_add(x: Floats, acc: Floats) -> None:
    """Add a product to the residual stream."""
    x += acc
    acc[:] = 0


@_step("acc", "out")
def relu2_fire(acc: Floats, out: Floats) -> None:
    """Channel mixing's relu squared."""
    out[:] = np.square(np.maximum(acc, 0))
    acc[:] = 0


@_step("x", "r", "v")
def gate_residual(x: Floats, r: Floats, v: Floats) -> None:
    """Add the value, gated by the receptance, to the residual stream."""
    x += sigmoid(r) * v
    r[:] = v[:] = 0


@_step("x", "out")
def send_dense(x: Floats, out: Floats) -> None:
    """Send a vector as it is."""
    out[:] = x


@_step("acc", "out")
def send_acc(acc: Floats, out: Floats) -> None:
    """Send the accumulators."""
    out[:] = acc
    acc[:] = 0


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), with a true 0 where e^-x overflows."""
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-x))
