"""Who is still writing: a writer holds a lock on its segment for as long as it lives."""

from __future__ import annotations

from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nobody is ever seen to be writing, and nothing depends on it
    fcntl = None  # type: ignore[assignment]


def hold(file: int) -> None:
    """Lock an open file until it is closed; without effect where locks are not to be had."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return


def is_held(path: Path) -> bool:
    """Whether another process holds the file."""
    if fcntl is None:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
