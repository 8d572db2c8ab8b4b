"""exp, reciprocal, rsqrt, sigmoid, tanh and the two-word decay at BF16, operation by operation.

Each equals the micro-kernel of its name to the last bit, for every input word (tested). The
scalars are what stages are made of; `exp_words` and the others apply them to arrays of words.
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
    shift_left,
    shift_right,
    smallest,
    sub,
    sub_bytes,
    word,
)
from seneca_sim.functional.compiler import helper

Words = NDArray[np.uint16]
_F = np.float32


def _constant(value: float) -> np.float32:
    return _F(round_bf16(value))


ZERO, HALF, ONE, TWO, THREE_HALVES = (_F(x) for x in (0, 0.5, 1, 2, 1.5))
_TOP, _BOTTOM, _MAGIC = _F(44), _F(-44.25), _F(192)
_LOG2E = _constant(1.4426950408889634)
LN2_HIGH, LN2_LOW = _F(0.75), _constant(-0.05685281944005469)
_C0, _C2, _C3 = (_constant(x * -(2.0**63)) for x in (1, 0.5, 1 / 6))
_FOUR, _N0, _N2, _D2, _D4 = (_constant(x) for x in (4, 945, 105, 420, 15))


@helper
def exp(x: np.float32) -> np.float32:
    """e^x, as exp.npe."""
    t = largest(smallest(x, _TOP), _BOTTOM)
    n = add(mul(t, _LOG2E), _MAGIC)
    power = number(shift_left(word(n), 7))
    n = sub(n, _MAGIC)
    t = sub(t, mul(n, LN2_HIGH))
    t = sub(t, mul(n, LN2_LOW))
    y = add(mul(t, _C3), _C2)
    y = add(mul(y, t), _C0)
    y = add(mul(y, t), _C0)
    return mul(y, power)


@helper
def reciprocal(x: np.float32) -> np.float32:
    """1/x, as reciprocal.npe."""
    y = number(shift_right(sub_bytes(0xFDFE, shift_left(word(x), 1)), 1))
    y = mul(y, sub(TWO, mul(x, y)))
    return add(y, mul(sub(ONE, mul(x, y)), y))


@helper
def rsqrt(x: np.float32) -> np.float32:
    """1/sqrt(x), as rsqrt.npe."""
    y = number(shift_left(sub_bytes(0x00BE, shift_right(word(x), 8)), 7))
    h = mul(x, HALF)
    for _ in range(3):
        y = mul(y, sub(THREE_HALVES, mul(mul(y, y), h)))
    return add(y, mul(sub(HALF, mul(mul(y, y), h)), y))


@helper
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + e^-x), as sigmoid.npe."""
    return reciprocal(add(exp(sub(ZERO, x)), ONE))


@helper
def two_word_decay(
    high: np.float32, low: np.float32, decay: np.float32, x: np.float32
) -> tuple[np.float32, np.float32]:
    """(high + low) (1 + decay) + x in two words, as two_word_decay.npe."""
    d = add(mul(high, decay), x)
    s = add(high, d)
    t = sub(s, high)
    e = sub(high, sub(s, t))
    e = add(e, sub(d, t))
    e = add(e, add(mul(low, decay), low))
    new = add(s, e)
    return new, sub(e, sub(new, s))


@helper
def tanh(x: np.float32) -> np.float32:
    """The hyperbolic tangent, as tanh.npe."""
    t = largest(smallest(x, _FOUR), -_FOUR)
    q = mul(t, t)
    above = add(mul(add(q, _N2), q), _N0)
    below = add(mul(add(mul(q, _D4), _D2), q), _N0)
    y = mul(mul(above, reciprocal(below)), t)
    return largest(smallest(y, ONE), -ONE)


def _on_words(function: Callable[[np.float32], np.float32]) -> Callable[[Words], Words]:
    def apply(x: Words) -> Words:
        y = np.empty_like(x)
        for i in range(x.size):
            y[i] = word(function(number(x[i])))
        return y

    apply.__qualname__ = f"{function.__name__}_words"  # a symbol of its own
    return helper(apply)


exp_words = _on_words(exp)
reciprocal_words = _on_words(reciprocal)
rsqrt_words = _on_words(rsqrt)
sigmoid_words = _on_words(sigmoid)
tanh_words = _on_words(tanh)
