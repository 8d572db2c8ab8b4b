"""Arrays as bare pointers: no reference counts, no negative indices, one register each.

In compiled code `pointer(array)` is the address of the array's data, which must outlive it; in
Python, and where bounds are to be checked (`NUMBA_BOUNDSCHECK=1`), it is the array itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from seneca_sim.engine.compiled.cache import config

Ints = NDArray[np.int64]


def pointer(array: Ints) -> Ints:
    """The array, as compiled code likes it best."""
    return array


def _code(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    numba_types: Any = types
    return numba_types.CPointer(numba_types.int64)(array), generate


_address: Any = intrinsic(_code)


@overload(pointer, strict=False)  # the annotations are not Numba's
def _pointer(array: Any) -> Callable[[Any], Any]:
    if config.BOUNDSCHECK:
        return lambda array: array
    return lambda array: _address(array)
