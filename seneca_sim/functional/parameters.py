"""Parameters that are made from checkpoint tensors before they are loaded, and back.

A region's tensor `wkv_decay:blocks.3.att` stands for what the wkv kernel needs instead of
`blocks.3.att.time_decay`. The kernel works in base 2: the decay e^w, w = -exp(time_decay), is
2^j (1 + d) with j = max(round(w / ln 2), -32); d is stored as `wkv_decay` and j as `wkv_shift`.

w is rounded to fp32 first, as models hold it. At fp32 the running maximum falls by w at each token
and is rounded each time, to the same side for hundreds of tokens, so two w that differ in the last
bit can drift apart by far more than that; with this rounding `log_decay` nearly always gives the
model's own w back.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LN2 = float(np.log(2.0))
LOWEST_SHIFT = -32
"""2^-32 of what was there is nothing beside the next token."""


def _decay(time_decay: Floats) -> Floats:
    w = _log_decay(time_decay)
    return np.expm1(w - _shift(time_decay) * LN2).astype(np.float32)


def _shift(time_decay: Floats) -> Floats:
    w = _log_decay(time_decay)
    return np.maximum(np.round(w / LN2), LOWEST_SHIFT).astype(np.float32)


def _log_decay(time_decay: Floats) -> NDArray[np.float64]:
    """Give w, rounded to fp32, in doubles."""
    w = -np.exp(time_decay.astype(np.float64))
    return w.astype(np.float32).astype(np.float64)


TRANSFORMS: Mapping[str, tuple[str, Callable[[Floats], Floats]]] = {
    "wkv_decay": ("time_decay", _decay),
    "wkv_shift": ("time_decay", _shift),
}
"""Transform -> (name of the tensor below its prefix, what is done to it)."""


def log_decay(decay: Floats, shift: Floats) -> Floats:
    """Recover w from the parameters in memory: log(1 + d) + j ln 2.

    A decay so fast that d rounds to -1 gives minus infinity: nothing is left of the past.
    """
    with np.errstate(divide="ignore"):
        w = np.log1p(decay.astype(np.float64)) + shift.astype(np.float64) * LN2
    return w.astype(np.float32)
