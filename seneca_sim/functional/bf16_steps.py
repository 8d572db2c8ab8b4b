"""What every micro-kernel of a stage does to memory, word for word, on whole slices at BF16.

A function takes the operands of the kernel of its name, in the order in which the kernel declares
them, as uint16 words: [rows x lanes] for `row`, [n, rows x lanes] for `row, n`, else as declared,
and last, if the kernel captures events, `out` for their values, before the threshold. Operands
reach over the last row's lanes without a channel, `out` does not.

Written apart from the kernels' texts; that both give the same bits is tested.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.functional.bf16 import (
    add,
    largest,
    mul,
    number,
    rounded,
    shift_left,
    shift_right,
    smallest,
    sub,
    sub_bytes,
    word,
)
from seneca_sim.functional.bf16_functions import (
    LN2_HIGH,
    LN2_LOW,
    ONE,
    ZERO,
    exp,
    reciprocal,
    rsqrt,
    sigmoid,
    two_word_decay,
)
from seneca_sim.functional.compiler import helper, kernel

Words = NDArray[np.uint16]
Floats = NDArray[np.float32]

STEPS: dict[str, Callable[..., None]] = {}
"""Kernel -> what it does to memory."""

_EPSILON = np.float32(round_bf16(1e-5))
_TOP_OF_EXP_R = np.float32(round_bf16(1.0737e9))
_BIAS = np.float32(127)


def _step(function: Callable[..., None]) -> Callable[..., None]:
    compiled = STEPS[function.__name__] = kernel(function)
    return compiled


@helper
def _tree(total: Floats, scratch: Words) -> None:
    """Add up lanes so that each ends with the sum: lane l takes that of lane l + h, cyclically."""
    lanes = total.size
    h = lanes // 2
    while h:
        for i in range(lanes):
            scratch[i] = word(total[i])
        for i in range(lanes):
            total[i] = add(total[i], number(scratch[(i + h) % lanes]))
        h //= 2


@_step
def ln_stats(x: Words, pad: Words, inv_n: Words, scratch: Words, out: Words) -> None:
    """Mean of the slice and sum of squared deviations, lane by lane and then in a tree."""
    lanes = scratch.size
    s, q = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    for i in range(x.size):
        s[i % lanes] = add(s[i % lanes], number(x[i]))
    _tree(s, scratch)
    mean = mul(number(inv_n[0]), s[0])
    for i in range(x.size):
        t = sub(number(x[i]), mean)
        q[i % lanes] = add(q[i % lanes], mul(t, t))
    for i in range(lanes):
        q[i] = sub(q[i], mul(mul(mean, mean), number(pad[i])))
    _tree(q, scratch)
    out[0], out[1] = word(mean), word(q[0])


@_step
def ln_combine(partial: Words, share: Words, inv_n: Words, scratch: Words, out: Words) -> None:
    """Mean and inverse deviation from the slices' moments."""
    lanes = scratch.size
    mean, var = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    for i in range(share.size):
        mean[i % lanes] = add(mean[i % lanes], mul(number(partial[0, i]), number(share[i])))
    _tree(mean, scratch)
    for i in range(share.size):
        t = sub(number(partial[0, i]), mean[0])
        v = add(var[i % lanes], mul(mul(t, t), number(share[i])))
        var[i % lanes] = add(v, mul(number(partial[1, i]), number(inv_n[0])))
    _tree(var, scratch)
    out[0], out[1] = word(mean[0]), word(rsqrt(add(var[0], _EPSILON)))


@_step
def ln_apply(stat: Words, x: Words, gamma: Words, beta: Words, y: Words) -> None:
    """Normalise, scale, shift."""
    mean, inv = number(stat[0]), number(stat[1])
    for i in range(x.size):
        t = mul(mul(sub(number(x[i]), mean), inv), number(gamma[i]))
        y[i] = word(add(t, number(beta[i])))


@_step
def token_shift_mix(threshold: Words, x: Words, prev: Words, mu: Words, out: Words) -> None:
    """Blend with the previous token: prev + mu (x - prev)."""
    for i in range(out.size):
        p = number(prev[i])
        out[i] = word(add(mul(sub(number(x[i]), p), number(mu[i])), p))


@_step
def token_shift_save(x: Words, prev: Words) -> None:
    """Remember this token."""
    for i in range(x.size):
        prev[i] = x[i]


@_step
def residual_add(x: Words, acc: Words) -> None:
    """Add a product to the residual stream."""
    for i in range(x.size):
        x[i], acc[i] = word(add(number(x[i]), number(acc[i]))), 0


@_step
def scale_rows(acc: Words, scale: Words) -> None:
    """Apply the scales of integer weights."""
    for i in range(acc.size):
        acc[i] = word(mul(number(acc[i]), number(scale[i])))


@_step
def bias(acc: Words, bias: Words) -> None:
    """Add a bias."""
    for i in range(acc.size):
        acc[i] = word(add(number(acc[i]), number(bias[i])))


@_step
def bias_reset(acc: Words, bias: Words) -> None:
    """Start from a bias."""
    for i in range(acc.size):
        acc[i] = bias[i]


@_step
def relu(x: Words) -> None:
    """Rectify in place."""
    for i in range(x.size):
        x[i] = word(largest(number(x[i]), ZERO))


@_step
def fire(threshold: Words, x: Words, out: Words) -> None:
    """Send what is above the threshold; the vector stays."""
    for i in range(out.size):
        out[i] = x[i]


@_step
def relu_fire(threshold: Words, acc: Words, out: Words) -> None:
    """Rectify."""
    for i in range(acc.size):
        if i < out.size:
            out[i] = word(largest(number(acc[i]), ZERO))
        acc[i] = 0


@_step
def relu2_fire(threshold: Words, acc: Words, out: Words) -> None:
    """Rectify and square."""
    for i in range(acc.size):
        y = largest(number(acc[i]), ZERO)
        acc[i] = 0
        if i < out.size:
            out[i] = word(mul(y, y))


@_step
def gate_residual(x: Words, r: Words, v: Words) -> None:
    """Add the value, gated by the receptance, to the residual stream."""
    for i in range(x.size):
        g = mul(sigmoid(number(r[i])), number(v[i]))
        x[i] = word(add(number(x[i]), g))
        r[i] = v[i] = 0


@_step
def send_dense(x: Words, out: Words) -> None:
    """Send a vector as it is."""
    for i in range(out.size):
        out[i] = x[i]


@_step
def send_acc(acc: Words, out: Words) -> None:
    """Send the accumulators."""
    for i in range(out.size):
        out[i] = acc[i]
    acc[:] = 0


@helper
def _wkv_output(
    r: np.float32, e: np.float32, v: np.float32, aa: np.float32, bb: np.float32
) -> np.float32:
    """sigmoid(r) (aa + e v) / (bb + e), with one division."""
    er = add(smallest(exp(sub(ZERO, r)), _TOP_OF_EXP_R), ONE)
    num = add(mul(v, e), aa)
    return mul(reciprocal(mul(add(e, bb), er)), num)


@helper
def _less_scale(k: np.float32, p: np.float32) -> np.float32:
    """K - p ln 2, with ln 2 in two words."""
    return sub(sub(k, mul(p, LN2_HIGH)), mul(p, LN2_LOW))


@_step
def wkv(
    threshold: Words, r: Words, k: Words, v: Words, u: Words, decay: Words, shift: Words,
    aa: Words, bb: Words, pp: Words, out: Words,
) -> None:  # fmt: skip
    """The recurrence in base 2 with sums of two words, as wkv.npe explains."""
    for i in range(r.size):
        kk, vv, p, d = number(k[i]), number(v[i]), number(pp[i]), number(decay[i])
        a, b = number(aa[0, i]), number(bb[0, i])
        e = exp(add(_less_scale(kk, p), number(u[i])))
        if i < out.size:
            out[i] = word(_wkv_output(number(r[i]), e, vv, a, b))
        p = add(p, number(shift[i]))
        e = exp(_less_scale(kk, p))
        a, a_low = two_word_decay(a, number(aa[1, i]), d, mul(vv, e))
        b, b_low = two_word_decay(b, number(bb[1, i]), d, e)
        exponent = shift_right(word(b), 7)
        scale = number(shift_left(sub_bytes(0x00FE, exponent), 7))
        aa[0, i], aa[1, i] = word(mul(a, scale)), word(mul(a_low, scale))
        bb[0, i], bb[1, i] = word(mul(b, scale)), word(mul(b_low, scale))
        pp[i] = word(add(p, sub(rounded(np.float32(exponent)), _BIAS)))
        r[i] = k[i] = v[i] = 0


@_step
def wkv_plain(
    threshold: Words, r: Words, k: Words, v: Words, u: Words, decay: Words, shift: Words,
    aa: Words, bb: Words, pp: Words, out: Words,
) -> None:  # fmt: skip
    """The same with sums of one word."""
    for i in range(r.size):
        kk, vv, p, d = number(k[i]), number(v[i]), number(pp[i]), number(decay[i])
        a, b, j = number(aa[i]), number(bb[i]), number(shift[i])
        kk = _less_scale(kk, p)
        e = exp(add(kk, number(u[i])))
        if i < out.size:
            out[i] = word(_wkv_output(number(r[i]), e, vv, a, b))
        p = add(p, j)
        e = exp(_less_scale(kk, j))
        a = add(a, add(mul(a, d), mul(vv, e)))
        b = add(b, add(mul(b, d), e))
        exponent = shift_right(word(b), 7)
        scale = number(shift_left(sub_bytes(0x00FE, exponent), 7))
        aa[i], bb[i] = word(mul(a, scale)), word(mul(b, scale))
        pp[i] = word(add(p, sub(rounded(np.float32(exponent)), _BIAS)))
        r[i] = k[i] = v[i] = 0
