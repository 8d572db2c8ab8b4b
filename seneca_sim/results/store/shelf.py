"""Counts of simulations beside the records, so that another price needs no other simulation.

A convenience, not a result: what is lost or damaged here is simulated again, and the files may be
deleted. So writing stops, and says nothing, when there is enough of it or when the disk is full.
Files are `HEX.counts`, one for each writer; a line is `CRC KEY TEXT`, as long as `LARGEST` at most.
"""

from __future__ import annotations

import secrets
import zlib
from pathlib import Path
from typing import Final

SUFFIX: Final = ".counts"
LARGEST: Final = 256 * 1024
"""Bytes of one simulation's counts; larger ones are not kept."""
MOST: Final = 256 * 1024**2
"""Bytes of all counts in a store; then no more are kept."""
Place = tuple[Path, int, int]


class Shelf:
    """The counts of a store by the keys of their simulations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, Place] = {}
        self._read: dict[Path, int] = {}
        self._own: Path | None = None
        self._full = False

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    @property
    def size(self) -> int:
        """Bytes that have been read or written."""
        return sum(self._read.values())

    def refresh(self) -> None:
        """Read what has been written since the last look; damaged lines do not count."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            with path.open("rb") as file:
                start = self._read.get(path, 0)
                file.seek(start)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            for line in whole.splitlines(keepends=True):
                self._take(path, start, line[:-1])
                start += len(line)
            self._read[path] = start

    def _take(self, path: Path, start: int, line: bytes) -> None:
        key, _, text = line[9:].partition(b" ")
        if line[:8] == b"%08x" % zlib.crc32(line[9:]) and text:
            at = start + 9 + len(key) + 1
            self._places[key.decode("ascii")] = path, at, len(text)

    def get(self, key: str) -> str:
        """The counts under a key; empty if there are none."""
        if key not in self._places:
            return ""
        path, at, length = self._places[key]
        try:
            with path.open("rb") as file:
                file.seek(at)
                return file.read(length).decode("ascii")
        except (OSError, ValueError):  # deleted meanwhile
            return ""

    def put(self, key: str, text: str) -> None:
        """Keep counts, if they are not here yet and there is room."""
        body = f"{key} {text}".encode("ascii")
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        if key in self or len(line) > LARGEST or self.size + len(line) > MOST or self._full:
            return
        if self._own is None:
            self._own = self.folder / f"{secrets.token_hex(8)}{SUFFIX}"
        start = self._read.get(self._own, 0)
        try:
            with self._own.open("ab") as file:
                file.write(line)
        except OSError:
            self._full = True
            return
        self._take(self._own, start, line[:-1])
        self._read[self._own] = start + len(line)
