"""Arrays as bare pointers: no reference counts, no negative indices, one register each.

In compiled code `pointer(array)` is the address of the array's data, which must outlive it; in
Python, and where bounds are to be checked (`NUMBA_BOUNDSCHECK=1`), it is the array itself.
`lowest` and `prefetch` are one instruction of the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils as llvm_tools
from numba.extending import intrinsic, overload

from seneca_sim.engine.compiled.cache import config

_types: Any = types
ir: Any = llvm
cgutils: Any = llvm_tools


def pointer(array: Any) -> Any:
    """The array, as compiled code likes it best."""
    return array


def lowest(mask: int) -> int:
    """Index of the lowest bit of a mask that has one."""
    return (int(mask) & -int(mask)).bit_length() - 1


def prefetch(array: Any, index: int) -> None:
    """Ask for the cache line of an element that will be read soon; any index will do."""


def _address_code(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return _types.CPointer(array.dtype)(array), generate


def _lowest_code(typing_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        never_zero = context.get_constant(_types.boolean, True)
        return builder.cttz(arguments[0], never_zero)

    return _types.int64(_types.int64), generate


def _prefetch_code(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        read, keep, data = (ir.Constant(number, n) for n in (0, 3, 1))
        builder.call(function, [place, read, keep, data])
        return context.get_dummy_value()

    return _types.none(array, _types.int64), generate


_address: Any = intrinsic(_address_code)
_prefetch: Any = intrinsic(_prefetch_code)
_lowest: Any = intrinsic(_lowest_code)


@overload(pointer, strict=False)  # the annotations are not Numba's
def _pointer(array: Any) -> Callable[[Any], Any]:
    if config.BOUNDSCHECK:
        return lambda array: array
    return lambda array: _address(array)


@overload(lowest, strict=False)
def _lowest_of(mask: Any) -> Callable[[Any], Any]:
    return lambda mask: _lowest(mask)


@overload(prefetch, strict=False)
def _prefetch_of(array: Any, index: Any) -> Callable[[Any, Any], Any]:
    if config.BOUNDSCHECK:
        return lambda array, index: None
    return lambda array, index: _prefetch(array, index)
