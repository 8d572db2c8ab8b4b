"""Files and packages that a workload is made from, by content and version."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Stamp = tuple[int, int]


def stamp_of(path: str | Path) -> Stamp:
    """Time of the last change and size of a file: one that is edited is read again."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def file_hash(path: Path) -> str:
    """SHA-256 of a checkpoint: a file, or all files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    return _hash_of(tuple(files), tuple(map(stamp_of, files)))


@lru_cache(maxsize=64)
def _hash_of(files: tuple[Path, ...], _: tuple[Stamp, ...]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + b"\n")
        with file.open("rb") as data:
            while block := data.read(1 << 20):
                found.update(block)
    return found.hexdigest()


@lru_cache(maxsize=8)
def version_of(package: str) -> str:
    """The version of a package that is installed; empty without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
