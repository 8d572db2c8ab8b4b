"""What a computation depends on, found out by watching what it reads.

A compiler is given a chip that notes each field it is asked for. Another chip with the same values
in those fields takes the compiler down the same path to the same program, whatever its other fields
are: so points that differ in timing only share a program, and nobody keeps a list of which fields
those are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar, cast

from seneca_sim.chip import Chip

Reads = dict[str, object]
T = TypeVar("T")
PATHS = "*"
"""Noted where a result depends on which settings there are."""
DERIVED = frozenset({"memory_latency_cycles"})
"""Quantities of a chip that are noted as themselves, not as the fields that they come from: what
follows the memory's latency in cycles does not follow the clock beyond that."""
_NOTES, _ORIGINAL = "_watch_notes", "_watch_original"
_classes: dict[type[Any], type[Any]] = {}


def watched(chip: Chip, reads: Reads) -> Chip:
    """A chip that behaves like `chip` and notes in `reads` every number or word it is asked for."""
    return cast("Chip", _watched(chip, reads, ""))


def _watched(spec: Any, reads: Reads, prefix: str) -> Any:
    copy = object.__new__(_watching(type(spec)))
    for f in fields(spec):
        value = getattr(spec, f.name)
        if is_dataclass(value):
            value = _watched(value, reads, f"{prefix}{f.name}.")
        copy.__dict__[f.name] = value
    copy.__dict__[_NOTES], copy.__dict__[_ORIGINAL] = (reads, prefix), spec
    return copy


def _watching(kind: type[Any]) -> type[Any]:
    """The subclass of a spec whose plain fields are noted when they are read, made once."""
    if kind not in _classes:
        _classes[kind] = _subclass(kind)
    return _classes[kind]


def _subclass(kind: type[Any]) -> type[Any]:
    plain = {f.name for f in fields(kind) if not is_dataclass(f.type)}

    def read(self: Any, name: str) -> Any:
        derived = name in DERIVED
        source = object.__getattribute__(self, _ORIGINAL) if derived else self
        value = object.__getattribute__(source, name)
        if derived or name in plain:
            reads, prefix = object.__getattribute__(self, _NOTES)
            reads[prefix + name] = value
        return value

    return type(f"Watched{kind.__name__}", (kind,), {"__getattribute__": read})


class WatchedSettings(Mapping[str, str]):
    """Settings that note what is asked for: values, or which paths there are."""

    def __init__(self, settings: Mapping[str, str], reads: Reads) -> None:
        self._settings, self._reads = settings, reads

    def __getitem__(self, path: str) -> str:
        value = self._settings[path]
        self._reads[path] = value
        return value

    def __iter__(self) -> Iterator[str]:
        self._reads[PATHS] = tuple(self._settings)
        return iter(self._settings)

    def __len__(self) -> int:
        self._reads[PATHS] = tuple(self._settings)
        return len(self._settings)

    def __contains__(self, path: object) -> bool:
        self._reads[PATHS] = tuple(self._settings)
        return path in self._settings


def value_at(chip: Chip, settings: Mapping[str, str], path: str) -> object:
    """The value that a noted path has elsewhere; None for a setting that is not there."""
    if path == PATHS:
        return tuple(settings)
    if path in settings:
        return settings[path]
    value: Any = chip
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


class Memo(Generic[T]):
    """Remembers results by what making them has read; the oldest go when there are too many."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.made = 0
        self._found: dict[tuple[object, ...], T] = {}
        self._paths: dict[tuple[str, ...], None] = {}

    def get(
        self,
        chip: Chip,
        settings: Mapping[str, str],
        make: Callable[[Chip, Mapping[str, str]], T],
        *about: object,
    ) -> T:
        """Return what `make` gives, from memory if all that it read then is the same now.

        `about` names whatever else the result depends on.
        """
        for paths in self._paths:
            key = self._key(chip, settings, paths, about)
            if key in self._found:
                result = self._found.pop(key)
                self._found[key] = result  # the youngest again
                return result
        reads: Reads = {}
        result = make(watched(chip, reads), WatchedSettings(settings, reads))
        self.made += 1
        paths = tuple(sorted(reads))
        self._paths.setdefault(paths)
        self._found[self._key(chip, settings, paths, about)] = result
        if len(self._found) > self.size:
            del self._found[next(iter(self._found))]
        return result

    @property
    def reads(self) -> frozenset[str]:
        """Every path that any of the results depends on."""
        return frozenset(path for paths in self._paths for path in paths)

    @staticmethod
    def _key(
        chip: Chip, settings: Mapping[str, str], paths: tuple[str, ...], about: tuple[object, ...]
    ) -> tuple[object, ...]:
        return (paths, about, *(value_at(chip, settings, path) for path in paths))
