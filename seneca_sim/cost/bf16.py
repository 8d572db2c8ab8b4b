"""BF16 on NumPy arrays: bit patterns (uint16) and float32 values, round to nearest even.

Denormals are kept, as float32 keeps them. A NaN becomes the quiet NaN 0x7FC0.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.uint16]
Floats = NDArray[np.float32]

_QUIET_NAN = np.uint16(0x7FC0)


def to_bits(values: ArrayLike) -> Bits:
    """Rounds values to BF16, nearest even, and returns the bit patterns.

    Values pass through float32 first. Sums and products of two BF16 numbers are rounded once all
    the same: a product has 16 bits, and a sum that float32 cannot hold is no tie in BF16.
    """
    words = np.asarray(values, dtype=np.float32).view(np.uint32)
    rounded = words + np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1))
    bits = (rounded >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(values), _QUIET_NAN, bits).astype(np.uint16)


def from_bits(bits: ArrayLike) -> Floats:
    """Returns the float32 values of BF16 bit patterns; exact."""
    words = np.asarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16)
    return words.view(np.float32)


def round_bf16(values: ArrayLike) -> Floats:
    """Rounds values to the nearest BF16 numbers, returned as float32."""
    return from_bits(to_bits(values))
