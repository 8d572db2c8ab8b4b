"""Writing files so that nobody ever sees half of one: aside, then renamed."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name beside it and rename it.

    Raises:
        InputError: the folder does not exist or cannot be written to.
    """
    path = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode())


def check_output(path: str | Path) -> None:
    """Refuse, before anything is computed, a file that could not be written.

    Raises:
        InputError: it is a folder, or its folder does not exist or cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: folder {path.parent} cannot be written to")


def parse_json(text: str | bytes) -> Any:
    """Read JSON from outside; whatever is wrong with it is one kind of error.

    Raises:
        json.JSONDecodeError: no JSON, nested too deeply, or a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:  # text that is not Unicode, or a number that is too long
        raise json.JSONDecodeError(str(error), "", 0) from None


def sorted_header(raw: bytes) -> bytes:
    """The bytes of a safetensors file, its header sorted: equal contents, equal files.

    The library writes the header's metadata in a random order.
    """
    (size,) = struct.unpack_from("<Q", raw)
    header = json.dumps(json.loads(raw[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header.encode()) % 8)
    return struct.pack("<Q", len(padded)) + padded + raw[8 + size :]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
