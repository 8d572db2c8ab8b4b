"""Reading: an index over all segments, records on demand, and what is damaged by name.

    STORE/store.json        schema seneca-store/1: this folder is a store
    STORE/ID.records        one segment a writer, see `writer`; lines as in `record`

A point is looked up by its key. Of several records of one key the one with numbers counts, then
one that failed, then a broken one, and of those the longest, as it says most. A run id names what
was simulated and priced, and neither the area table nor what accuracy was measured on: several keys
may share one. Whoever looks by run id gets one record of it, chosen in the same way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from seneca_sim import __version__
from seneca_sim.errors import InputError
from seneca_sim.files import parse_json, write_text
from seneca_sim.results.store.locks import is_held
from seneca_sim.results.store.record import (
    BROKEN,
    FAILED,
    HEADER,
    OK,
    SCHEMA,
    Entry,
    Record,
    body_of,
    entry_of,
    record_of,
)
from seneca_sim.results.store.shelf import Shelf
from seneca_sim.results.store.writer import SUFFIX, Writer

if TYPE_CHECKING:
    import pandas as pd

MARKER: Final = "store.json"
RANKS: Final = {OK: 3, FAILED: 2, BROKEN: 1}


@dataclass(frozen=True)
class Damage:
    """A line that is not what was written; its run is redone by the next start of its sweep.

    Attributes:
        segment: file of the store.
        line: number of the line, from 1 on.
        torn: cut off by a crash, else corrupted.
    """

    segment: str
    line: int
    torn: bool

    def __str__(self) -> str:
        """One line for people."""
        why = "was cut off by a crash" if self.torn else "is corrupted"
        return f"{self.segment}: record on line {self.line} {why}; its point will run again"


@dataclass
class _Segment:
    """What is known of a file: bytes read so far, lines, whether its header was seen."""

    path: Path
    read: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    segment: Path
    start: int
    length: int
    status: str
    run_id: str

    @property
    def rank(self) -> tuple[int, int]:
        return RANKS.get(self.status, 0), self.length


@dataclass
class _Index:
    """Places by key; `runs` is worked out from them when it is asked for."""

    places: dict[str, _Place] = field(default_factory=dict)
    runs: dict[str, _Place] | None = None
    segments: dict[str, _Segment] = field(default_factory=dict)
    damage: dict[tuple[str, int], Damage] = field(default_factory=dict)


class Store:
    """A store on disk, open for reading; `writer` gives one that appends."""

    def __init__(self, path: str | Path) -> None:
        """Open a store.

        Raises:
            InputError: no such store, or one of another schema.
        """
        self.path = Path(path)
        _check_marker(self.path)
        self._index = _Index()
        self.shelf = Shelf(self.path)
        """Counts of simulations; empty until its own `refresh`."""
        self.refresh()

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store that exists."""
        return cls(path)

    @classmethod
    def create(cls, path: str | Path) -> Store:
        """Open a store, or make an empty one in a folder that is empty or not there yet.

        Raises:
            InputError: the place cannot be written, or holds something else.
        """
        folder = Path(path)
        if not (folder / MARKER).exists():
            _make(folder)
        return cls(folder)

    def writer(self, header: Mapping[str, Any] | None = None) -> Writer:
        """A writer with a segment of its own."""
        return Writer(self.path, {"version": __version__, **(header or {})})

    # -- reading -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of runs."""
        return len(self._runs)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._runs

    def __iter__(self) -> Iterator[Record]:
        """One record of each run, in the order of their ids."""
        return self.records(sorted(self._runs))

    def records(self, run_ids: Iterable[str]) -> Iterator[Record]:
        """The records of some runs, in their order.

        Raises:
            KeyError: no such run.
        """
        runs = self._runs
        return self._read(runs[run_id] for run_id in run_ids)

    def records_at(self, keys: Iterable[str]) -> Iterator[Record]:
        """The records of some points by their keys, in their order.

        Raises:
            KeyError: no such point.
        """
        return self._read(self._index.places[key] for key in keys)

    def _read(self, places: Iterable[_Place]) -> Iterator[Record]:
        with ExitStack() as files:
            opened: dict[Path, BinaryIO] = {}
            for place in places:
                if place.segment not in opened:
                    opened[place.segment] = files.enter_context(place.segment.open("rb"))
                file = opened[place.segment]
                file.seek(place.start)
                yield record_of(file.read(place.length))

    def get(self, run_id: str) -> Record:
        """The record of a run.

        Raises:
            KeyError: no such run.
        """
        return next(self.records([run_id]))

    def at(self, key: str) -> Record | None:
        """The record of a point by its key, if it is there."""
        return next(self.records_at([key])) if key in self._index.places else None

    def run_of(self, key: str) -> str | None:
        """The run id of a point's key, if it is there."""
        place = self._index.places.get(key)
        return None if place is None else place.run_id

    @property
    def damage(self) -> list[Damage]:
        """Lines that do not count, the last one of a writer that still writes aside."""
        return [self._index.damage[where] for where in sorted(self._index.damage)]

    def status_of(self, key: str) -> str | None:
        """The status of a point's record, if it is there."""
        place = self._index.places.get(key)
        return None if place is None else place.status

    @property
    def writers(self) -> list[str]:
        """Segments that somebody writes to right now, as far as locks can tell."""
        return sorted(n for n, segment in self._index.segments.items() if is_held(segment.path))

    def table(self) -> pd.DataFrame:
        """All records as one tidy table: run id, status, axes, metrics, error."""
        from seneca_sim.results.store.table import table_of

        return table_of(self)

    def refresh(self) -> None:
        """Read what has been written since the last look."""
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            segment = self._index.segments.setdefault(path.name, _Segment(path))
            if path.stat().st_size > segment.read:
                self._scan(segment)

    def _scan(self, segment: _Segment) -> None:
        with segment.path.open("rb") as file:
            file.seek(segment.read)
            data = file.read()
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take(segment, data[start:end], segment.read + start)
            start = end + 1
        segment.read += start
        if start < len(data):
            if not is_held(segment.path):
                self._broken(segment, segment.lines + 1, torn=True)
        else:
            self._index.damage.pop((segment.path.name, segment.lines + 1), None)

    def _take(self, segment: _Segment, line: bytes, start: int) -> None:
        segment.lines += 1
        entry = entry_of(line)
        if entry is None:
            self._broken(segment, segment.lines, torn=False)
        elif entry.status == HEADER:
            _check_schema(body_of(line), f"{segment.path}:{segment.lines}")
        else:
            self._note(entry, _Place(segment.path, start, len(line), entry.status, entry.run_id))

    def _note(self, entry: Entry, place: _Place) -> None:
        old = self._index.places.get(entry.key)
        if old is None or place.rank > old.rank:
            self._index.places[entry.key] = place
            self._index.runs = None

    @property
    def _runs(self) -> dict[str, _Place]:
        """The best place of each run."""
        if self._index.runs is None:
            runs: dict[str, _Place] = {}
            for place in self._index.places.values():
                old = runs.get(place.run_id)
                if old is None or place.rank > old.rank:
                    runs[place.run_id] = place
            self._index.runs = runs
        return self._index.runs

    def _broken(self, segment: _Segment, line: int, *, torn: bool) -> None:
        where = segment.path.name, line
        self._index.damage[where] = Damage(str(segment.path), line, torn)


def _make(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; a store is a folder, give another one")
    if folder.is_dir() and any(not name.startswith(".") for name in os.listdir(folder)):
        raise InputError(
            f"{folder}: holds files that are no store; remove it or give another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from None
    write_text(folder / MARKER, json.dumps({"schema": SCHEMA}) + "\n")


def _check_marker(folder: Path) -> None:
    file = folder / MARKER
    try:
        found = parse_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder}: no store here: {MARKER} is missing") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f'{file}: is damaged; expected {{"schema": "{SCHEMA}"}}') from None
    _check_schema(found, str(file))


def _check_schema(content: Any, where: str) -> None:
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise InputError(
            f"{where}: schema is {schema!r}, this version reads {SCHEMA!r}; the meaning of its "
            "numbers is not known here: read it with the version that wrote it, or sweep again "
            "into a new store"
        )
