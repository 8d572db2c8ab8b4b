"""Precision of the matrices: how a weight is stored, and which micro-kernel applies it."""

from __future__ import annotations

from dataclasses import dataclass

from seneca_sim.cost.kernel import event_kernel, load_kernel
from seneca_sim.errors import InputError


@dataclass(frozen=True, slots=True)
class Precision:
    """`bits` of a stored weight; below 16 each output channel has a BF16 scale."""

    name: str
    bits: int
    kernel: str

    @property
    def scaled(self) -> bool:
        """Whether sums are multiplied by a scale of their channel before they are used."""
        return self.bits < 16

    def unit(self, npes: int) -> int:
        """Output channels whose weights of one input event fill a row of words over all lanes."""
        return npes * load_kernel(self.kernel, npes).width


PRECISIONS = {
    name: Precision(name, bits, event_kernel(name))  # type: ignore[arg-type]
    for name, bits in (("bf16", 16), ("int8", 8), ("int4", 4))
}
BF16 = PRECISIONS["bf16"]


def precision(name: str) -> Precision:
    """A precision by name.

    Raises:
        InputError: there is no such precision.
    """
    if name not in PRECISIONS:
        raise InputError(f"weights.bits is {name!r}; expected one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
