"""What the micro-kernels of RWKV-7 compute, at fp32 and on whole slices; as `steps`.

The state of a head lies as S transposed, [keys, values]: a column of the region is a key.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.functional.steps import sigmoid

Floats = NDArray[np.float32]

FASTEST = np.float32(-0.606531)
"""A decay is exp(FASTEST sigmoid(.)), as RWKV-7 was trained."""
SHORTEST = np.float32(1e-24)
GROUP_EPSILON = np.float32(64e-5)

STEPS: dict[str, Callable[..., None]] = {}
"""Kernel -> what it computes."""


def _step(function: Callable[..., None]) -> Callable[..., None]:
    STEPS[function.__name__] = function
    return function


@_step
def send_tanh(acc: Floats, out: Floats) -> None:
    """Send tanh of the accumulators."""
    out[:] = np.tanh(acc)
    acc[:] = 0


@_step
def send_sigmoid(acc: Floats, out: Floats) -> None:
    """Send the sigmoid of the accumulators."""
    out[:] = sigmoid(acc)
    acc[:] = 0


@_step
def wkv7_decay(acc: Floats, w0: Floats, decay: Floats) -> None:
    """Make the decay, less 1."""
    decay[:] = np.expm1(FASTEST * sigmoid(w0 + acc))
    acc[:] = 0


@_step
def wkv7_value(v: Floats, first: Floats, acc: Floats, v0: Floats) -> None:
    """Blend the value with that of block 0."""
    v += (first - v) * sigmoid(v0 + acc)
    acc[:] = 0


@_step
def wkv7_key(
    k: Floats, k_k: Floats, k_a: Floats, r: Floats, r_k: Floats, acc: Floats, a0: Floats,
    removed: Floats, back: Floats, bonus: Floats, scratch: Floats,
) -> None:  # fmt: skip
    """Make the removed key, the rate times it, the added key, and the weight of the bonus."""
    rate = sigmoid(a0 + acc)
    removed[:] = k * k_k
    removed /= np.sqrt(np.maximum(np.square(removed).sum(), SHORTEST))
    back[:] = removed * rate
    k += k * (rate - 1) * k_a
    bonus[:] = (r * k * r_k).sum()
    acc[:] = 0


@_step
def wkv7_read(removed: Floats, state: Floats, held: Floats) -> None:
    """Add what the state holds under the removed key."""
    held += removed @ state


@_step
def wkv7_write(
    decay: Floats, back: Floats, k: Floats, r: Floats, state: Floats, held: Floats, v: Floats,
    y: Floats,
) -> None:  # fmt: skip
    """Change the state by the delta rule and read it with the receptance."""
    state += state * decay[:, None] - back[:, None] * held + k[:, None] * v
    y += r @ state


@_step
def wkv7_send(
    threshold: Floats, y: Floats, gamma: Floats, beta: Floats, v: Floats, bonus: Floats,
    acc: Floats, held: Floats, pad: Floats, inv_n: Floats, scratch: Floats, out: Floats,
) -> None:  # fmt: skip
    """Normalise the head, add the bonus, gate."""
    away = y - y.sum() * inv_n[0]
    inverse = 1 / np.sqrt(np.square(away).sum() * inv_n[0] + GROUP_EPSILON)
    out[:] = (away * inverse * gamma + beta + bonus[0] * v) * acc
    acc[:] = held[:] = y[:] = 0
