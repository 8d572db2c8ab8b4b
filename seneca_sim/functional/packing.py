"""Where the chip keeps INT8 and INT4 weights: two or four in a word, each for a row of lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError


def pack_weights(weights: NDArray[np.integer], bits: int, lanes: int) -> NDArray[np.uint16]:
    """Integer weights [neurons, columns] as words [columns, rows x lanes], as the kernels read.

    Neuron (row * width + part) * lanes + lane is part `part` of the word of `row` and `lane`;
    missing neurons are 0.

    Raises:
        InputError: a weight does not fit, or `bits` is not 8 or 4.
    """
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if bits not in (8, 4) or (weights.size and not low <= weights.min() <= weights.max() <= high):
        raise InputError(f"weights do not fit {bits} bits: expected 8 or 4 bits, {low} to {high}")
    neurons, columns = weights.shape
    width = 16 // bits
    rows = -(-neurons // (width * lanes))
    padded = np.zeros((rows * width * lanes, columns), np.int64)
    padded[:neurons] = weights
    parts = padded.reshape(rows, width, lanes, columns) & ((1 << bits) - 1)
    shifts = (np.arange(width) * bits)[:, None, None]
    packed = np.bitwise_or.reduce(parts << shifts, axis=1)
    words: NDArray[np.uint16] = packed.reshape(rows * lanes, columns).T.astype(np.uint16)
    return words
