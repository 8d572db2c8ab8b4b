"""The dense product that event-driven ones are measured against: torch at BF16."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def torch_bf16(matrix: Floats, vector: Floats) -> Callable[[], object]:
    """What computes matrix times vector once, weights at BF16, as a Linear layer does."""
    weights, x = (torch.from_numpy(array).bfloat16() for array in (matrix, vector))
    return lambda: torch.nn.functional.linear(x, weights)
