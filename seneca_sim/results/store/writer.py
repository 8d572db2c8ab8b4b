"""Writing: every writer has a segment file of its own, so that no two ever share one.

A record is one `write` of one line at the end of the file. It is in the file, whatever kills this
process, as soon as `append` returns; it is on the disk, whatever stops the machine, within
`SYNC_SECONDS` or at `close`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seneca_sim.errors import InputError
from seneca_sim.results.store.locks import hold
from seneca_sim.results.store.record import Record, header_line, line_of

SUFFIX: Final = ".records"
SYNC_SECONDS: Final = 0.5


class Writer:
    """Appends records to a new segment; without a record the segment goes away again."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        """Make the segment.

        Raises:
            InputError: the folder cannot be written to.
        """
        self.folder = folder
        self.path = folder / f"{secrets.token_hex(8)}{SUFFIX}"
        self.count = 0
        self._size = 0
        self._synced = time.monotonic()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.open(self.path, flags, 0o666)
            hold(self._file)
            self._write(header_line(header))
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise self._explained(error) from None

    def append(self, record: Record) -> None:
        """Append one record.

        Raises:
            InputError: the disk is full or gone; what was stored before can still be read.
        """
        line = line_of(record)
        try:
            self._write(line)
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()
        except OSError as error:
            raise self._explained(error) from None
        self.count += 1

    def sync(self) -> None:
        """Bring everything to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close."""
        if self._file < 0:
            return
        try:
            self.sync()
        except OSError as error:
            raise self._explained(error) from None
        finally:
            os.close(self._file)
            self._file = -1
            if not self.count:
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        """All of a line or nothing of it."""
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)

    def _explained(self, error: OSError) -> InputError:
        return InputError(
            f"{self.folder}: cannot be written: {error.strerror or error}; {self.count} records of "
            "this start are kept: make room and start the same command again"
        )
