"""Writing files so that nobody ever sees half of one: aside, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
