"""Numba's compiler with a disk cache that never answers with another function's code.

Numba's own cache can go wrong without a word:

- It looks at the file of a function alone, not at the functions that it calls. So a cache folder
  is named after a hash of all sources that are compiled, and of the flags.
- Two processes that compile two signatures of a function, or two closures of one name, at the same
  time take the same data file, and the index of one may then name the code of the other: INT4
  products were wrong that way. So a data file is named after its key, and is there before the
  index says so; at worst an entry is lost and made again. And each compiled function has a name
  of its own, so that symbols differ, too; a second one of the same name is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numba
from numba import njit
from numba.core import caching
from numba.core import config as numba_config
from platformdirs import user_cache_dir

F = TypeVar("F", bound=Callable[..., object])
config: Any = numba_config
_FunctionCache: Any = caching.FunctionCache  # without types
_IndexDataCacheFile: Any = caching.IndexDataCacheFile
_njit: Any = njit  # takes options that its type does not know
_TAKEN: dict[tuple[str, str], CodeType] = {}
"""Module and qualified name of each function that is compiled."""


class KeyedFile(_IndexDataCacheFile):  # type: ignore[misc]  # Numba ships no types
    """Index and data files of a function; a data file is named after its key."""

    def save(self, key: tuple[Any, ...], data: Any) -> None:
        """Write the code, then say in the index where it is."""
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        name = f"{Path(self._index_name).stem}.{digest}.nbc"
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


class KeyedCache(_FunctionCache):  # type: ignore[misc]  # nor here
    """Numba's cache of a function, with a `KeyedFile`."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)
        self._cache_file = KeyedFile(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )


class Compiler:
    """Compiles the functions of one package.

    Attributes:
        name: of the cache folder's beginning.
        flags: options of `numba.njit`.
    """

    def __init__(self, name: str, sources: Callable[[], Iterable[Path]], **flags: Any) -> None:
        self.name, self.flags = name, flags
        self._sources = sources

    @cached_property
    def folder(self) -> str:
        """Where compiled code is kept: one folder for each state of the sources."""
        digest = hashlib.sha256(repr((numba.__version__, self.flags, config.BOUNDSCHECK)).encode())
        for path in sorted(self._sources()):
            digest.update(path.read_bytes())
        base = config.CACHE_DIR or user_cache_dir("seneca_sim")
        return str(Path(base) / f"{self.name}-{digest.hexdigest()[:16]}")

    def kernel_of(self, *signatures: str) -> Callable[[F], F]:
        """As `kernel`, for these signatures alone, compiled now."""
        return lambda function: self.kernel(function, *signatures)

    def kernel(self, function: F, *signatures: str) -> F:
        """Compile a function when it is first called, or now for `signatures`; keep it on disk.

        Raises:
            ValueError: another function has its qualified name.
        """
        compiled = self.helper(function)
        if not config.DISABLE_JIT:
            dispatcher: Any = compiled
            with _cached_in(self.folder):
                dispatcher._cache = KeyedCache(function)
            for signature in signatures:
                dispatcher.compile(signature)
            if signatures:
                dispatcher.disable_compile()
        return compiled

    def helper(self, function: F) -> F:
        """Compile a function as part of each kernel that calls it.

        Raises:
            ValueError: another function has its qualified name.
        """
        _take(function)
        compiled: F = _njit(function, **self.flags)
        return compiled

    def inlined(self, function: F) -> F:
        """Compile a function into each of its callers, or, without the compiler, leave it.

        With checked bounds it is called, since the checks would make the whole very long to
        compile.

        Raises:
            ValueError: another function has its qualified name.
        """
        _take(function)
        force = not config.BOUNDSCHECK
        compiled: F = _njit(
            function, forceinline=force, no_cpython_wrapper=True, no_cfunc_wrapper=True,
            **self.flags,
        )  # fmt: skip
        return compiled


def _take(function: Callable[..., object]) -> None:
    """Refuse a second function of one name, and a second closure made of one."""
    key, code = (function.__module__, function.__qualname__), function.__code__
    if key in _TAKEN and (function.__closure__ or _TAKEN[key] != code):
        raise ValueError(f"{'.'.join(key)} is compiled twice; give one another __qualname__")
    _TAKEN[key] = code


@contextmanager
def _cached_in(folder: str) -> Iterator[None]:
    before = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        yield
    finally:
        config.CACHE_DIR = before
