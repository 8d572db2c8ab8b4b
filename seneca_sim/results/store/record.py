"""One record and its line: `CRC RUN_ID KEY STATUS JSON`, so that an index needs no JSON.

The CRC-32 is over everything after it up to the end of the line. A line that was torn, or changed
later, fails it and is never taken for a record.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from seneca_sim.errors import InternalError
from seneca_sim.files import parse_json

SCHEMA: Final = "seneca-store/1"
OK: Final = "ok"
FAILED: Final = "failed"
BROKEN: Final = "broken"
HEADER: Final = "header"
_CRC_DIGITS = 8


@dataclass(frozen=True)
class Record:
    """What became of one point.

    Attributes:
        run_id: of the priced run; for a point that did not get so far, its `key`.
        key: name of everything that went in, known before anything is compiled.
        point: the axes' values by path.
        status: "ok"; "failed" where the point cannot run (it does not fit, it deadlocks); "broken"
            where it might another time (no memory, a dead process) and so is tried again.
        summary: metrics by name; integers are exact.
        inputs: what ran: chip, energy table, settings, hashes, versions.
        error: one line; empty where all went well.
    """

    run_id: str
    key: str
    point: Mapping[str, Any]
    status: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether there are numbers."""
        return self.status == OK


class Entry(NamedTuple):
    """The head of a line: enough to look a record up."""

    run_id: str
    key: str
    status: str


def line_of(record: Record) -> bytes:
    """Write a record as its line, the line feed included."""
    body = {
        "point": dict(record.point),
        "summary": dict(record.summary),
        "inputs": dict(record.inputs),
        "error": record.error,
    }
    head = Entry(record.run_id, record.key, record.status)
    if any(not part or not part.isascii() or " " in part for part in head):
        raise InternalError(f"record {record.run_id!r}: ids and status are words, got {head}")
    return _checked(" ".join(head), body)


def header_line(content: Mapping[str, Any]) -> bytes:
    """The first line of a segment: schema and who wrote it."""
    return _checked(f"- - {HEADER}", {"schema": SCHEMA, **content})


def _checked(head: str, body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    rest = f"{head} {text}".encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(rest), rest)


def entry_of(line: bytes) -> Entry | None:
    """The head of a line without its line feed; None if the line is not what was written."""
    rest = line[_CRC_DIGITS + 1 :]
    if line[:_CRC_DIGITS] != b"%08x" % zlib.crc32(rest):
        return None
    parts = rest.split(b" ", 3)
    if len(parts) != 4:
        return None
    return Entry(*(part.decode("ascii") for part in parts[:3]))


def body_of(line: bytes) -> dict[str, Any]:
    """The JSON of a line that has passed `entry_of`."""
    body: dict[str, Any] = parse_json(line.split(b" ", 4)[4])
    return body


def record_of(line: bytes) -> Record:
    """Read a line that has passed `entry_of`."""
    entry, body = entry_of(line), body_of(line)
    assert entry is not None
    return Record(
        run_id=entry.run_id,
        key=entry.key,
        point=body["point"],
        status=entry.status,
        summary=body["summary"],
        inputs=body["inputs"],
        error=body["error"],
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
