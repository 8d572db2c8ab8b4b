"""Event kernels: how the weights that each of them applies are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from seneca_sim.cost.kernel import event_kernel, load_kernel
from seneca_sim.program import Program

WORD_BITS: Final = 16

_WEIGHTS: Final[tuple[Literal["bf16", "int8", "int4"], ...]] = ("bf16", "int8", "int4")
_UNPACK: Final[tuple[Literal["free", "explicit"], ...]] = ("free", "explicit")


@dataclass(frozen=True, slots=True)
class EventFormat:
    """What an event kernel reads.

    Attributes:
        bits: of a weight, 16, 8 or 4.
        binary: its events have no value and count as 1.
        factor: what weights come out times: 256 or 4096 where SHL leaves them at the top of a
            word, so that scales must be that much smaller.
    """

    bits: int
    binary: bool
    factor: float

    @property
    def width(self) -> int:
        """Weights in a word of memory; so many rows of lanes does a row of words serve."""
        return WORD_BITS // self.bits


def _formats() -> dict[str, EventFormat]:
    found = {}
    for weights, binary, unpack in product(_WEIGHTS, (False, True), _UNPACK):
        bits = 16 if weights == "bf16" else int(weights[3:])
        shifted = bits < WORD_BITS and unpack == "explicit" and not (binary and bits == 4)
        name = event_kernel(weights, binary=binary, unpack=unpack)
        found[name] = EventFormat(bits, binary, 2.0 ** (WORD_BITS - bits) if shifted else 1.0)
    return found


EVENT_FORMATS: Final[Mapping[str, EventFormat]] = _formats()
"""Kernel -> what it reads; all kernels whose values can be run for the events of a site."""


def packed_tensors(program: Program) -> dict[str, EventFormat]:
    """Tensor -> format, for the matrices that a program applies as INT8 or INT4."""
    found = {}
    for taker in program.consumers:
        kind = EVENT_FORMATS.get(taker.kernel)
        if kind is not None and kind.bits < WORD_BITS and taker.weights >= 0:
            found[program.regions[taker.weights].tensor] = kind
    return found


def words_of(kernel: str, neurons: int, lanes: int) -> int:
    """16-bit words of a weight column of `neurons` rows, whole rows of lanes."""
    return load_kernel(kernel, lanes).rows_for(neurons) * lanes


def sums_of(kernel: str, neurons: int, lanes: int) -> int:
    """Accumulators that an event kernel runs over for `neurons` rows of a slice."""
    return words_of(kernel, neurons, lanes) * EVENT_FORMATS[kernel].width
