"""What fills memory beside checkpoint tensors: parameters made from them, constants, thresholds.

A region's tensor `wkv_decay:blocks.3.att` stands for what the wkv kernel needs instead of
`blocks.3.att.time_decay`. The kernel works in base 2: the decay e^w, w = -exp(time_decay), is
2^j (1 + d) with j = max(round(w / ln 2), -32); d is stored as `wkv_decay` and j as `wkv_shift`.

w is rounded to fp32 first, as models hold it. At fp32 the running maximum falls by w at each token
and is rounded each time, to the same side for hundreds of tokens, so two w that differ in the last
bit can drift apart by far more than that; with this rounding `log_decay` nearly always gives the
model's own w back.

At BF16 the past fades by 2^-32 a token at the most (`at_bf16`), and the state is that of the chip,
in base 2 and two words (`chip_state`).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.bf16 import round_bf16

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


def at_bf16(name: str, values: Floats) -> Floats:
    """What a parameter becomes before it is rounded to BF16.

    Where e^w is below 2^-32, d would come close to -1, and 1 + d would be lost: such a channel
    forgets by 2^-32, and d, which is negative there, is 0.
    """
    if name != "wkv_decay":
        return values
    floored: Floats = np.where(values < np.float32(2**-0.5 - 1 - 1e-6), np.float32(0), values)
    return floored


def _kept(change: Floats) -> Floats:
    """RWKV-7's x_r and its kin are the previous token's share; the kernel takes this one's."""
    return np.float32(1) - change


TRANSFORMS: Mapping[str, tuple[str, Callable[[Floats], Floats]]] = {
    "wkv_decay": ("time_decay", _decay),
    "wkv_shift": ("time_decay", _shift),
    **{f"shift_{letter}": (f"x_{letter}", _kept) for letter in "rwkvag"},
}
"""Transform -> (name of the tensor below its prefix, what is done to it)."""


def log_decay(decay: Floats, shift: Floats) -> Floats:
    """Recover w from the parameters in memory: log(1 + d) + j ln 2.

    A decay so fast that d rounds to -1 gives minus infinity: nothing is left of the past.
    """
    with np.errstate(divide="ignore"):
        w = np.log1p(decay.astype(np.float64)) + shift.astype(np.float64) * LN2
    return w.astype(np.float32)


def _padding(rows: int, text: str) -> Floats:
    """1 in each of `rows` lanes whose last word lies past a slice of so many channels."""
    size = int(text)
    return (np.arange(rows) >= (size % rows or rows)).astype(np.float32)


def _inverse(rows: int, text: str) -> Floats:
    """One over a number of channels; 0 of none, as there is nothing to scale."""
    return np.full(rows, 1 / int(text) if int(text) else 0, np.float32)


def _shares(rows: int, text: str) -> Floats:
    """Each slice's part of the whole vector."""
    sizes = np.array([int(size) for size in text.split(",")], np.float64)
    shares: Floats = (sizes / sizes.sum()).astype(np.float32)
    return shares


def _inverse_root(rows: int, text: str) -> Floats:
    """One over the root of a number of channels: what attention scales its scores by."""
    return np.full(rows, int(text) ** -0.5, np.float32)


def _lowest(rows: int, text: str) -> Floats:
    """What a score starts from where there is no token: nothing is left of its exponential."""
    return np.full(rows, -3e38, np.float32)


def _nothing(rows: int, text: str) -> Floats:
    return np.zeros(rows, np.float32)


CONSTANTS: Mapping[str, Callable[[int, str], Floats]] = {
    "padding": _padding,
    "inverse": _inverse,
    "shares": _shares,
    "inverse_root": _inverse_root,
    "lowest": _lowest,
    "threshold": _nothing,  # a machine writes it when it knows its thresholds
}
"""What a region holds whose tensor is `name:text`: (rows, text) -> rows words."""

_FAR_PAST = -1e29


def chip_state(aa: Floats, bb: Floats, pp: Floats) -> tuple[Floats, Floats, Floats]:
    """RWKV-4's own state as the chip keeps it.

    Args:
        aa: numerator over e^pp.
        bb: denominator over e^pp.
        pp: running maximum; -1e30 where nothing has been seen.

    Returns:
        aa and bb, [2, ...] for high and low words, BF16 numbers, and pp, an integer in base 2,
        with bb in 1 .. 2. All 0 where nothing has been seen.
    """
    a, b, p = (x.astype(np.float64) for x in (aa, bb, pp))
    seen = (b > 0) & (p > _FAR_PAST)
    b = np.where(seen, b, 1)
    level = np.where(seen, np.log2(b) + p / LN2, 0)
    power = np.floor(level)
    new = np.where(seen, np.exp2(level - power), 0)
    # A number just below 2 rounds to 2.
    over = round_bf16(new) >= 2
    new, power = np.where(over, new / 2, new), power + over
    return _two_words(np.where(seen, a / b, 0) * new), _two_words(new), power.astype(np.float32)


def _two_words(values: NDArray[np.float64]) -> Floats:
    high = round_bf16(values)
    return np.stack([high, round_bf16(values - high)])


def model_state(aa: Floats, bb: Floats, pp: Floats) -> tuple[Floats, Floats, Floats]:
    """The way back: aa and bb, [2, ...], and pp of the chip as aa, bb and pp over e^pp."""
    high, low = (x.astype(np.float64).sum(axis=0) for x in (aa, bb))
    natural = np.where(low > 0, pp.astype(np.float64) * LN2, -1e30)
    return high.astype(np.float32), low.astype(np.float32), natural.astype(np.float32)
