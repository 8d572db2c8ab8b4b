"""The two precisions that values run at, and what a memory word holds at each.

At `fp32` a word is a float32 that stands for a 16-bit word; results are those of the model up to
rounding. At `bf16` a word is the chip's own 16-bit word and every operation rounds as an NPE does.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seneca_sim.cost.bf16 import from_bits, to_bits
from seneca_sim.errors import InputError

Floats = NDArray[np.float32]
Words = NDArray[Any]
"""float32 numbers at fp32, uint16 words at bf16."""
Precision = Literal["fp32", "bf16"]

DTYPES: Final[dict[str, type]] = {"fp32": np.float32, "bf16": np.uint16}


def dtype_of(precision: str) -> type:
    """What an array of memory words is made of.

    Raises:
        InputError: no such precision.
    """
    if precision not in DTYPES:
        raise InputError(f"no precision '{precision}'; expected one of {', '.join(DTYPES)}")
    return DTYPES[precision]


def encode(values: ArrayLike, dtype: np.dtype[Any]) -> Words:
    """Numbers as memory words: rounded to fp32 or to BF16, nearest even."""
    return to_bits(values) if dtype == np.uint16 else np.asarray(values, np.float32)


def decode(words: Words) -> Floats:
    """Memory words as numbers; exact."""
    return from_bits(words) if words.dtype == np.uint16 else words
