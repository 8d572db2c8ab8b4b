"""BF16 arithmetic on scalars, compiled by Numba: what one lane does in one instruction.

A number is a float32 that BF16 can hold; every operation rounds once, to nearest even, as
`seneca_sim.cost.bf16` does for arrays. Without Numba (`NUMBA_DISABLE_JIT=1`) the same source runs
in Python, with the same bits.
"""

import numpy as np

from seneca_sim.functional.compiler import helper

Word = int | np.uint16

_HALF, _ONE, _HIGH, _SHIFT = np.uint32(0x7FFF), np.uint32(1), np.uint32(0xFFFF0000), np.uint32(16)
_QUIET_NAN = np.float32(np.nan)  # 0x7FC0 as a word


@helper
def rounded(x: np.float32) -> np.float32:
    """The nearest BF16 number; every NaN becomes the quiet one."""
    u = np.float32(x).view(np.uint32)
    u = np.uint32((u + _HALF + ((u >> _SHIFT) & _ONE)) & _HIGH)
    return np.uint32(u).view(np.float32) if x == x else _QUIET_NAN


@helper
def rounded_or_nan(x: np.float32) -> np.float32:
    """As `rounded`, but a NaN whose low 16 bits are 0 stays the NaN it is: half the work.

    Operations on BF16 numbers make no other NaN, so in a chain of them only the last result has to
    become the quiet one (`word_of_sum`).
    """
    u = np.float32(x).view(np.uint32)
    return np.uint32((u + _HALF + ((u >> _SHIFT) & _ONE)) & _HIGH).view(np.float32)


@helper
def number(word: Word) -> np.float32:
    """The number that a 16-bit word stands for."""
    return np.uint32(np.uint32(word) << _SHIFT).view(np.float32)


@helper
def word(x: np.float32) -> np.uint16:
    """The 16-bit word of a BF16 number."""
    return np.uint16(np.float32(x).view(np.uint32) >> _SHIFT)


@helper
def word_of_sum(x: np.float32) -> np.uint16:
    """The word of a number that `rounded_or_nan` made."""
    return word(x if x == x else _QUIET_NAN)


@helper
def add(a: np.float32, b: np.float32) -> np.float32:
    """ADD."""
    return rounded(np.float32(a + b))


@helper
def sub(a: np.float32, b: np.float32) -> np.float32:
    """SUB."""
    return rounded(np.float32(a - b))


@helper
def mul(a: np.float32, b: np.float32) -> np.float32:
    """MUL."""
    return rounded(np.float32(a * b))


@helper
def largest(a: np.float32, b: np.float32) -> np.float32:
    """MAX: a where it is greater or NaN, else b."""
    return rounded(a if a > b or a != a else b)


@helper
def smallest(a: np.float32, b: np.float32) -> np.float32:
    """MIN: a where it is less or NaN, else b."""
    return rounded(a if a < b or a != a else b)


@helper
def sub_bytes(a: Word, b: Word) -> np.uint16:
    """SUB8: both bytes of two words separately, modulo 256."""
    low = (np.int64(a) - np.int64(b)) & 0xFF
    high = ((np.int64(a) >> 8) - (np.int64(b) >> 8)) & 0xFF
    return np.uint16((high << 8) | low)


@helper
def shift_left(a: Word, bits: int) -> np.uint16:
    """SHL: what leaves the word is lost."""
    return np.uint16((np.int64(a) << bits) & 0xFFFF)


@helper
def shift_right(a: Word, bits: int) -> np.uint16:
    """SHR: zeros enter."""
    return np.uint16(np.int64(a) >> bits)
