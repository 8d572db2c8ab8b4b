"""`kernel`: Numba's compiler with the settings of this engine and a cache that sees every edit.

Numba's disk cache looks at the file of the function alone, not at the functions it calls. So the
cache directory is named after a hash of all sources that are compiled, and of the flags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit
from numba.core import config as numba_config
from platformdirs import user_cache_dir

from seneca_sim.cost import timing
from seneca_sim.engine import activity

config: Any = numba_config
_njit: Any = njit  # takes options that its type does not know
F = TypeVar("F", bound=Callable[..., object])
FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""No fastmath, no parallel; a division by zero, which no rule allows, is not checked for."""


COMPILED = (
    "cache", "controller", "floors", "host", "layout", "loop", "machine", "packets", "parts",
    "pointers", "routers", "trees", "units",
)  # fmt: skip


def sources() -> tuple[Path, ...]:
    """The files that compiled code is made from."""
    folder = Path(__file__).parent
    others = (Path(str(module.__file__)) for module in (timing, activity))
    return (*(folder / f"{name}.py" for name in COMPILED), *others)


@cache
def cache_folder() -> str:
    """Where compiled code is kept: one folder for each state of the sources."""
    digest = hashlib.sha256(f"{numba.__version__} {FLAGS}".encode())
    for path in sources():
        digest.update(path.read_bytes())
    base = config.CACHE_DIR or user_cache_dir("seneca_sim")
    return str(Path(base) / f"compiled-{digest.hexdigest()[:16]}")


def kernel(function: F) -> F:
    """Compile a function when it is first called, and keep it on disk."""
    with _cached_in(cache_folder()):
        compiled: F = _njit(function, cache=True, **FLAGS)
    return compiled


def inlined(function: F) -> F:
    """Compile a function into each of its callers, or, without the compiler, leave it as it is.

    With checked bounds it is called, since the checks would make the whole very long to compile.
    """
    force = not config.BOUNDSCHECK
    compiled: F = _njit(
        function, forceinline=force, no_cpython_wrapper=True, no_cfunc_wrapper=True, **FLAGS
    )
    return compiled


@contextmanager
def _cached_in(folder: str) -> Iterator[None]:
    before = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        yield
    finally:
        config.CACHE_DIR = before
