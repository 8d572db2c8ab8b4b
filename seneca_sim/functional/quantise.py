"""INT8 and INT4 weights: whole numbers, and one scale for each output channel.

The scheme: symmetric, no zero point. The scale of a channel is its largest magnitude over 127 or
7, rounded to BF16 as the chip holds it; a weight is its value over that scale, rounded half to even
and clipped to ±127 or ±7. The products are summed as whole numbers times event values, and the
scale is applied once, to the sum, before anything else reads it (`scale_rows`). Quantising what
`dequantised` gives changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.errors import InputError

Floats = NDArray[np.float32]

LARGEST: Final = {8: 127, 4: 7}
"""Bits of a weight -> its largest magnitude; -128 and -8 are not used."""


class Quantised(NamedTuple):
    """A matrix as the chip holds it: `weights` [outputs, inputs], `scales` [outputs]."""

    weights: NDArray[np.int8]
    scales: Floats

    def dequantised(self) -> Floats:
        """The numbers that it stands for, exact in fp32: [outputs, inputs]."""
        values: Floats = self.weights.astype(np.float32) * self.scales[:, None]
        return values


def quantise(matrix: NDArray[np.floating], bits: int) -> Quantised:
    """Quantise a matrix, outputs x inputs.

    Args:
        matrix: finite numbers; taken as fp32.
        bits: of a weight, 8 or 4.

    Raises:
        InputError: other bits, not a matrix, or a weight that is not finite.
    """
    values = np.asarray(matrix, np.float32)
    if bits not in LARGEST:
        raise InputError(f"weights: quantised weights have 8 or 4 bits, not {bits}")
    if values.ndim != 2:
        raise InputError(f"weights: {values.ndim} axes; only matrices (outputs x inputs) quantise")
    peaks = np.abs(values).max(axis=1, initial=0)
    if not np.isfinite(peaks).all():
        channel = int(np.flatnonzero(~np.isfinite(peaks))[0])
        raise InputError(f"weights: output channel {channel} is not finite; it has no scale")
    top = np.float32(LARGEST[bits])
    scales = round_bf16(peaks / top)
    inverse_safe = np.where(scales > 0, scales, np.float32(1))  # a channel of zeros stays zero
    steps = np.rint(values / inverse_safe[:, None])
    return Quantised(np.clip(steps, -top, top).astype(np.int8), scales)
