"""Sums in a fixed order: two runs of the same settings on the same GPU end with the same bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED_WORKSPACE = ":4096:8"
"""cuBLAS keeps an order of sums only with a workspace of fixed size; it reads this as it starts."""


@contextmanager
def repeatable() -> Iterator[None]:
    """While it lasts torch's sums have a fixed order; it refuses what has none.

    On a CPU they have one anyway, for each number of threads. The setting of before comes back.
    """
    os.environ.setdefault(CUBLAS_WORKSPACE, FIXED_WORKSPACE)
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
