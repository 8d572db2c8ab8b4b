"""Rows of plain values as CSV, and where a command puts what it found."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from seneca_sim.errors import InputError

csv_option = click.option("--csv", "csv_file", type=click.Path(path_type=Path),
                          help="Also write a CSV file.")  # fmt: skip
plot_option = click.option("--plot", type=click.Path(path_type=Path),
                           help="Also draw a picture: .svg, .png or .pdf.")  # fmt: skip


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with the keys of the first row as its head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def check_outputs(*paths: Path | None) -> None:
    """Refuse files that could not be written, before any work is done.

    Raises:
        InputError: a folder that does not exist, or a folder where a file is meant.
    """
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
        if path is not None and path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a file")


def read_text(path: Path, length: int | None = None) -> bytes:
    """The bytes of a text file, or its first `length`.

    Raises:
        InputError: it cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise InputError(f"{path}: the text is empty")
    return data[:length]
