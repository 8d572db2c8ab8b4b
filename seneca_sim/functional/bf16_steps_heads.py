"""The micro-kernels of heads, RWKV-7's delta rule and attention, word for word at BF16.

As `bf16_steps`. A step over a head's matrix is its kernel run once for every eight columns; here
the operand that is `[8]` in the text is whole, [columns], and the matrix [columns, rows x lanes].
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.functional.bf16 import add, largest, mul, number, sub, word
from seneca_sim.functional.bf16_functions import (
    HALF,
    ONE,
    exp,
    reciprocal,
    rsqrt,
    sigmoid,
    tanh,
)
from seneca_sim.functional.bf16_steps import _tree
from seneca_sim.functional.compiler import helper, kernel
from seneca_sim.functional.steps import attention_append as _append

Words = NDArray[np.uint16]
Floats = NDArray[np.float32]

STEPS: dict[str, Callable[..., None]] = {}
"""Kernel -> what it does to memory."""

_C5, _C4, _C3, _FASTEST, _SHORTEST, _EPSILON, _LOWEST = (
    np.float32(round_bf16(x))
    for x in (0.008333334, 0.041666668, 0.16666667, -0.606531, 1e-24, 64e-5, -3e38)
)


def _step(function: Callable[..., None]) -> Callable[..., None]:
    compiled = STEPS[function.__name__] = kernel(function)
    return compiled


# -- RWKV-7 ----------------------------------------------------------------------------------


@_step
def send_tanh(acc: Words, out: Words) -> None:
    """Send tanh of the accumulators."""
    for i in range(out.size):
        out[i] = word(tanh(number(acc[i])))
    acc[:] = 0


@_step
def send_sigmoid(acc: Words, out: Words) -> None:
    """Send the sigmoid of the accumulators."""
    for i in range(out.size):
        out[i] = word(sigmoid(number(acc[i])))
    acc[:] = 0


@_step
def wkv7_decay(acc: Words, w0: Words, decay: Words) -> None:
    """Make the decay, less 1, by five terms of its series."""
    for i in range(acc.size):
        z = mul(sigmoid(add(number(acc[i]), number(w0[i]))), _FASTEST)
        y = add(mul(z, _C5), _C4)
        y = add(mul(y, z), _C3)
        y = add(mul(y, z), HALF)
        y = add(mul(y, z), ONE)
        decay[i] = word(mul(y, z))
        acc[i] = 0


@_step
def wkv7_value(v: Words, first: Words, acc: Words, v0: Words) -> None:
    """Blend the value with that of block 0."""
    for i in range(v.size):
        s = sigmoid(add(number(acc[i]), number(v0[i])))
        own = number(v[i])
        v[i] = word(add(own, mul(sub(number(first[i]), own), s)))
        acc[i] = 0


@_step
def wkv7_key(
    k: Words, k_k: Words, k_a: Words, r: Words, r_k: Words, acc: Words, a0: Words,
    removed: Words, back: Words, bonus: Words, scratch: Words,
) -> None:  # fmt: skip
    """Make the removed key, the rate times it, the added key, and the weight of the bonus."""
    lanes = scratch.size
    length, dot = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    for i in range(k.size):
        lane, key = i % lanes, number(k[i])
        t = mul(number(k_k[i]), key)
        removed[i] = word(t)
        length[lane] = add(length[lane], mul(t, t))
        rate = sigmoid(add(number(acc[i]), number(a0[i])))
        acc[i] = 0
        back[i] = word(rate)
        key = add(key, mul(mul(sub(rate, ONE), number(k_a[i])), key))
        k[i] = word(key)
        dot[lane] = add(dot[lane], mul(mul(number(r[i]), key), number(r_k[i])))
    _tree(length, scratch)
    _tree(dot, scratch)
    for i in range(lanes):
        bonus[i] = word(dot[i])
        length[i] = rsqrt(largest(length[i], _SHORTEST))
    for i in range(k.size):
        t = mul(number(removed[i]), length[i % lanes])
        removed[i] = word(t)
        back[i] = word(mul(number(back[i]), t))


@_step
def wkv7_read(removed: Words, state: Words, held: Words) -> None:
    """Add what the state holds under the removed key, key by key."""
    for i in range(held.size):
        h = number(held[i])
        for j in range(state.shape[0]):
            h = add(h, mul(number(state[j, i]), number(removed[j])))
        held[i] = word(h)


@_step
def wkv7_write(
    decay: Words, back: Words, k: Words, r: Words, state: Words, held: Words, v: Words, y: Words
) -> None:
    """Change the state by the delta rule and read it with the receptance, key by key."""
    for i in range(y.size):
        h, value, total = number(held[i]), number(v[i]), number(y[i])
        for j in range(state.shape[0]):
            s = number(state[j, i])
            d = sub(mul(s, number(decay[j])), mul(h, number(back[j])))
            s = add(s, add(d, mul(value, number(k[j]))))
            state[j, i] = word(s)
            total = add(total, mul(s, number(r[j])))
        y[i] = word(total)


@_step
def wkv7_send(
    threshold: Words, y: Words, gamma: Words, beta: Words, v: Words, bonus: Words, acc: Words,
    held: Words, pad: Words, inv_n: Words, scratch: Words, out: Words,
) -> None:  # fmt: skip
    """Normalise the head, add the bonus, gate."""
    lanes, share = scratch.size, number(inv_n[0])
    s, q = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    for i in range(y.size):
        s[i % lanes] = add(s[i % lanes], number(y[i]))
    _tree(s, scratch)
    for i in range(lanes):
        s[i] = mul(s[i], share)
    for i in range(y.size):
        t = sub(number(y[i]), s[i % lanes])
        q[i % lanes] = add(q[i % lanes], mul(t, t))
    for i in range(lanes):
        q[i] = sub(q[i], mul(mul(s[i], s[i]), number(pad[i])))
    _tree(q, scratch)
    for i in range(lanes):
        q[i] = rsqrt(add(mul(q[i], share), _EPSILON))
    for i in range(y.size):
        lane = i % lanes
        t = mul(mul(sub(number(y[i]), s[lane]), q[lane]), number(gamma[i]))
        t = add(add(t, number(beta[i])), mul(number(v[i]), number(bonus[lane])))
        if i < out.size:
            out[i] = word(mul(t, number(acc[i])))
        y[i] = held[i] = acc[i] = 0


# -- attention -------------------------------------------------------------------------------


def attention_append(
    here: Words, k: Words, keys: Words, v: Words, values: Words, absent: Words
) -> None:
    """Put a token's key and value into the cache; the controller moves the mask to its lane."""
    at = int(np.count_nonzero(absent[0] == 0))
    _append(here, k, keys, v, values, absent)  # moves words, whatever they mean
    here[:] = 0
    here[at % here.size] = 0xFFFF


STEPS["attention_append"] = attention_append


@_step
def attention_start(absent: Words, scores: Words) -> None:
    """Scores start from 0, those of tokens that are not there very low."""
    for i in range(scores.size):
        scores[i] = absent[i]


@_step
def attention_scores(q: Words, keys: Words, scores: Words) -> None:
    """Add the query's products with all keys, channel by channel."""
    for i in range(scores.size):
        s = number(scores[i])
        for j in range(keys.shape[0]):
            s = add(s, mul(number(keys[j, i]), number(q[j])))
        scores[i] = word(s)


@_step
def attention_softmax(scale: Words, scores: Words, scratch: Words, inv: Words) -> None:
    """Exponentials of scaled scores about the largest, and one over their sum."""
    lanes = scratch.size
    top, total = np.full(lanes, _LOWEST, np.float32), np.zeros(lanes, np.float32)
    for i in range(scores.size):
        top[i % lanes] = largest(top[i % lanes], number(scores[i]))
    _tree_of_largest(top, scratch)
    for i in range(scores.size):
        e = exp(mul(sub(number(scores[i]), top[i % lanes]), number(scale[0])))
        scores[i] = word(e)
        total[i % lanes] = add(total[i % lanes], e)
    _tree(total, scratch)
    for i in range(lanes):
        inv[i] = word(reciprocal(total[i]))


@helper
def _tree_of_largest(top: Floats, scratch: Words) -> None:
    lanes = top.size
    h = lanes // 2
    while h:
        for i in range(lanes):
            scratch[i] = word(top[i])
        for i in range(lanes):
            top[i] = largest(top[i], number(scratch[(i + h) % lanes]))
        h //= 2


@_step
def attention_mix(weight: Words, values: Words, sum: Words) -> None:
    """Add the weighted sum of all values, token by token."""
    for i in range(sum.size):
        s = number(sum[i])
        for j in range(values.shape[0]):
            s = add(s, mul(number(values[j, i]), number(weight[j])))
        sum[i] = word(s)


@_step
def attention_send(sum: Words, inv: Words, out: Words) -> None:
    """Send the weighted mean."""
    for i in range(sum.size):
        if i < out.size:
            out[i] = word(mul(number(sum[i]), number(inv[i % inv.size])))
        sum[i] = 0
