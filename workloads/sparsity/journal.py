"""A journal beside the output: every finished measurement, so that a search can be taken up again.

One JSON object a line, the first of which says which search it is. A line is written and synced
as soon as its measurement is done; a line that was cut short by the end of its process is dropped.
Numbers are written in full, so a search that is taken up again finds what it would have found.
"""

import json
import os
from pathlib import Path
from typing import Any, TextIO

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json

SCHEMA = "seneca-search-journal/1"


class Journal:
    """Measurements by key, in a file or, without a path, in memory only.

    `taken_up` says how many of them were there when the journal was opened.

    Args:
        path: the file; made if there is none.
        search: what identifies the search: model, text, method, settings.

    Raises:
        InputError: the file is of another search or no journal, or cannot be written.
    """

    def __init__(self, path: str | Path | None, search: dict[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self._search = {"schema": SCHEMA, **search}
        self._found: dict[str, Any] = {}
        self._file: TextIO | None = None
        self.taken_up = 0
        if self.path is not None:
            self._open(self.path)

    def find(self, key: str) -> Any:
        """What was measured under `key`, or None."""
        return self._found.get(key)

    def add(self, key: str, value: Any) -> None:
        """Remember a measurement, on disk before anything else happens."""
        self._found[key] = value
        self._write({"key": key, "value": value})

    def close(self) -> None:
        """Close the file and leave it where it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the file: its search is done and its result is safe."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _open(self, path: Path) -> None:
        try:
            lines = _whole_lines(path)
            self._read(path, lines)
            text = "".join(json.dumps(line) + "\n" for line in [self._search, *lines[1:]])
            self._file = path.open("r+" if lines else "w", encoding="utf-8")
            if not lines or _length(path) != len(text):
                self._file.truncate(0)
                self._file.write(text)
                self._sync()
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def _read(self, path: Path, lines: list[dict[str, Any]]) -> None:
        self.taken_up = max(0, len(lines) - 1)
        if not lines:
            return
        if lines[0].get("schema") != SCHEMA:
            raise InputError(f"{path}: is no journal of a search; move it away or write elsewhere")
        for key, value in json.loads(json.dumps(self._search)).items():
            if lines[0].get(key) != value:
                raise InputError(
                    f"{path}: is of another search: {key} is {_short(lines[0].get(key))} there and "
                    f"{_short(value)} here; delete it to begin anew, or write elsewhere"
                )
        for line in lines[1:]:
            self._found[line["key"]] = line["value"]

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._sync()

    def _sync(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines up to the first that is not whole."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for raw in path.read_bytes().split(b"\n")[:-1]:
        try:
            line = parse_json(raw)
        except ValueError:
            break
        if not isinstance(line, dict) or (lines and not {"key", "value"} <= line.keys()):
            break
        lines.append(line)
    if not lines and path.stat().st_size > 0 and not _cut_short(path):
        lines = [{}]
    return lines


def _cut_short(path: Path) -> bool:
    """Whether this is a journal of which not even the first line was finished."""
    return path.read_bytes().startswith(b'{"schema": "seneca-search')


def _length(path: Path) -> int:
    return path.stat().st_size


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
