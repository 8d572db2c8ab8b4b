"""What every micro-kernel of a stage computes, at fp32 and on whole slices.

A function takes the operands of the kernel of its name, in the order in which the kernel declares
them, as views into a core's memory, and last, if the kernel captures events, `out` for their
values. The NPE programs say what the work costs; they and these functions agree up to rounding.
Accumulators that a kernel has read are 0 afterwards, as in memory. Operands that only BF16 needs
(thresholds, scratch, what corrects for padding) are taken and not used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from seneca_sim.functional.parameters import log_decay

Floats = NDArray[np.float32]

EPSILON = np.float32(1e-5)

STEPS: dict[str, Callable[..., None]] = {}
"""Kernel -> what it computes."""


def _step(function: Callable[..., None]) -> Callable[..., None]:
    STEPS[function.__name__] = function
    return function


@_step
def ln_stats(x: Floats, pad: Floats, inv_n: Floats, scratch: Floats, out: Floats) -> None:
    """Mean of the slice and sum of squared deviations about it."""
    out[0] = x.sum() * inv_n[0]
    out[1] = np.square(x - out[0]).sum()


@_step
def ln_combine(partial: Floats, share: Floats, inv_n: Floats, scratch: Floats, out: Floats) -> None:
    """Mean and inverse deviation of a vector from its slices' moments (Chan et al. 1979)."""
    means, squares = partial
    mean = (share * means).sum()
    within, between = squares.sum() * inv_n[0], (share * np.square(means - mean)).sum()
    out[0] = mean
    out[1] = 1 / np.sqrt(within + between + EPSILON)


@_step
def ln_apply(stat: Floats, x: Floats, gamma: Floats, beta: Floats, y: Floats) -> None:
    """Normalise with (mean, inverse deviation), scale and shift."""
    y[:] = (x - stat[0]) * stat[1] * gamma + beta


@_step
def token_shift_mix(threshold: Floats, x: Floats, prev: Floats, mu: Floats, out: Floats) -> None:
    """Blend with the previous token."""
    out[:] = mu * x + (1 - mu) * prev


@_step
def token_shift_save(x: Floats, prev: Floats) -> None:
    """Remember this token."""
    prev[:] = x


@_step
def wkv(
    threshold: Floats, r: Floats, k: Floats, v: Floats, u: Floats, decay: Floats, shift: Floats,
    aa: Floats, bb: Floats, pp: Floats, out: Floats,
) -> None:  # fmt: skip
    """Run RWKV-4's recurrence; the state is aa e^pp and bb e^pp, pp the running maximum."""
    a, b = (aa[0], bb[0]) if aa.ndim == 2 else (aa, bb)  # the second words are not needed
    now = u + k
    top = np.maximum(pp, now)
    old, new = np.exp(pp - top), np.exp(now - top)
    out[:] = sigmoid(r) * ((old * a + new * v) / (old * b + new))
    past = pp + log_decay(decay, shift)
    pp[:] = np.maximum(past, k)
    old, new = np.exp(past - pp), np.exp(k - pp)
    a[:] = old * a + new * v
    b[:] = old * b + new
    r[:] = k[:] = v[:] = 0


STEPS["wkv_plain"] = wkv  # one word is all that fp32 uses anyway


@_step
def residual_add(x: Floats, acc: Floats) -> None:
    """Add a product to the residual stream."""
    x += acc
    acc[:] = 0


@_step
def scale_rows(acc: Floats, scale: Floats) -> None:
    """Apply the scales of integer weights."""
    acc *= scale


@_step
def bias(acc: Floats, bias: Floats) -> None:
    """Add a bias."""
    acc += bias


@_step
def bias_reset(acc: Floats, bias: Floats) -> None:
    """Start from a bias."""
    acc[:] = bias


@_step
def relu(x: Floats) -> None:
    """Rectify in place."""
    np.maximum(x, 0, out=x)


@_step
def fire(threshold: Floats, x: Floats, out: Floats) -> None:
    """Send what is above the threshold; the vector stays."""
    out[:] = x


@_step
def relu_fire(threshold: Floats, acc: Floats, out: Floats) -> None:
    """Rectify."""
    out[:] = np.maximum(acc, 0)
    acc[:] = 0


@_step
def relu2_fire(threshold: Floats, acc: Floats, out: Floats) -> None:
    """Channel mixing's relu squared."""
    out[:] = np.square(np.maximum(acc, 0))
    acc[:] = 0


@_step
def gate_residual(x: Floats, r: Floats, v: Floats) -> None:
    """Add the value, gated by the receptance, to the residual stream."""
    x += sigmoid(r) * v
    r[:] = v[:] = 0


@_step
def send_dense(x: Floats, out: Floats) -> None:
    """Send a vector as it is."""
    out[:] = x


@_step
def send_acc(acc: Floats, out: Floats) -> None:
    """Send the accumulators."""
    out[:] = acc
    acc[:] = 0


@_step
def attention_append(
    here: Floats, k: Floats, keys: Floats, v: Floats, values: Floats, absent: Floats
) -> None:
    """Put a token's key [d] and value [d] into the cache, [d, tokens] and [tokens, d].

    Raises:
        InputError: the cache is full.
    """
    at = int(np.count_nonzero(absent[0] == 0))
    if at == len(values):
        raise InputError(
            f"attention: token {at} has no place in a cache of {at}; raise mapping.context"
        )
    keys[:, at], values[at], absent[0, at] = k, v, 0


@_step
def attention_start(absent: Floats, scores: Floats) -> None:
    """Scores start from 0, those of tokens that are not there very low."""
    scores[:] = absent


@_step
def attention_scores(q: Floats, keys: Floats, scores: Floats) -> None:
    """Add the query's products with all keys."""
    scores += q @ keys


@_step
def attention_softmax(scale: Floats, scores: Floats, scratch: Floats, inv: Floats) -> None:
    """Exponentials of scaled scores about the largest, and one over their sum."""
    scores[:] = np.exp((scores - scores.max()) * scale[0])
    inv[:] = 1 / scores.sum()


@_step
def attention_mix(weight: Floats, values: Floats, sum: Floats) -> None:
    """Add the weighted sum of all values."""
    sum += weight @ values


@_step
def attention_send(sum: Floats, inv: Floats, out: Floats) -> None:
    """Send the weighted mean."""
    out[:] = sum * inv[0]
    sum[:] = 0


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), with a true 0 where e^-x overflows."""
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-x))
