"""Checks of arrays that come from outside, and the read-only copies that values keep."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError

Scalar = TypeVar("Scalar", bound=np.generic)


def check_array(
    what: str, array: NDArray[np.generic], dtype: np.dtype[np.generic], ndim: int | None = None
) -> None:
    """Raise an `InputError` unless `array` is of `dtype`, of `ndim` dimensions, and finite."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        found = getattr(array, "dtype", type(array).__name__)
        raise InputError(f"{what} is {found}; expected a numpy array of {dtype}")
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{what} has {array.ndim} dimensions; expected {ndim}")
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{what} holds a value that is not finite")


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a read-only copy in row order."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
