"""EventStream: how many events every route carries for every token; timing needs no more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError


@dataclass(frozen=True, eq=False)
class EventStream:
    """`counts[route, token]`: events sent, int64."""

    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.dtype != np.int64:
            raise InputError(
                f"event stream: expected int64 [routes, tokens], got {self.counts.shape}"
            )
        if self.counts.size and int(self.counts.min()) < 0:
            raise InputError("event stream: a count of events is negative")

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.counts.shape[1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventStream) and np.array_equal(self.counts, other.counts)

    @property
    def content_hash(self) -> str:
        """SHA-256 over shape and counts."""
        digest = hashlib.sha256(repr(self.counts.shape).encode())
        digest.update(np.ascontiguousarray(self.counts, dtype="<i8").tobytes())
        return digest.hexdigest()
