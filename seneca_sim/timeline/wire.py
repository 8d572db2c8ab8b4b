"""Protobuf messages of one kind by the thousand: rows of bytes of equal length, made by columns.

The official writer makes one Python object for each message; a timeline has millions of them of
five kinds. Here a kind of message is a template whose numbers are columns of a byte matrix. That
works because a varint may be longer than it need be (each byte but the last says "go on"), so all
messages of a kind are equally long and their lengths constant. Perfetto's own writer does
likewise with lengths. What is written is decoded with the official classes in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Piece = bytes | Bytes
"""Part of a message: the same bytes in each row, or a matrix of bytes."""

VARINT, FIXED64, LENGTH = 0, 1, 2
"""Wire types."""


def varint(value: int) -> bytes:
    """A number in as few bytes as it needs."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def tag(field: int, wire_type: int) -> bytes:
    """What stands before a field."""
    return varint(field << 3 | wire_type)


def width_of(values: Ints) -> int:
    """Bytes of a varint for the largest of some numbers, none of them negative."""
    return len(varint(int(values.max(initial=0))))


def varints(values: Ints) -> Bytes:
    """Numbers as varints of equal length."""
    width = width_of(values)
    shifted = values[:, None] >> (7 * np.arange(width))
    found = (shifted & 0x7F).astype(np.uint8)
    found[:, :-1] |= 0x80
    return found


def fixed64(values: NDArray[np.generic]) -> Bytes:
    """Numbers of 8 bytes, little endian: unsigned, or double precision."""
    kind = "<f8" if values.dtype.kind == "f" else "<u8"
    return np.ascontiguousarray(values.astype(kind)).view(np.uint8).reshape(len(values), 8)


def size_of(pieces: Sequence[Piece]) -> int:
    """Bytes of a row."""
    return sum(len(p) if isinstance(p, bytes) else p.shape[1] for p in pieces)


def nested(field: int, pieces: Sequence[Piece]) -> list[Piece]:
    """A message inside another."""
    return [tag(field, LENGTH) + varint(size_of(pieces)), *pieces]


def rows(count: int, pieces: Sequence[Piece]) -> Bytes:
    """The pieces side by side, as a matrix [count, bytes]."""
    found = np.empty((count, size_of(pieces)), np.uint8)
    place = 0
    for piece in pieces:
        size = len(piece) if isinstance(piece, bytes) else piece.shape[1]
        part = np.frombuffer(piece, np.uint8) if isinstance(piece, bytes) else piece
        found[:, place : place + size] = part
        place += size
    return found


CHUNK = 1 << 16


def merged(kinds: Sequence[tuple[Ints, Bytes]]) -> Bytes:
    """All messages one after another in the order of their keys; equal keys as they are given."""
    keys = np.concatenate([key for key, _ in kinds])
    widths = np.concatenate([np.full(len(key), m.shape[1], np.int64) for key, m in kinds])
    order = np.argsort(keys, kind="stable")
    ends = np.cumsum(widths[order])
    starts = np.empty(len(order), np.int64)
    starts[order] = ends - widths[order]
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    first = 0
    for key, messages in kinds:
        mine = starts[first : first + len(key)]
        first += len(key)
        inside = np.arange(messages.shape[1])
        for at in range(0, len(key), CHUNK):
            out[mine[at : at + CHUNK, None] + inside] = messages[at : at + CHUNK]
    return out
