"""One tidy table of many records, and its files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pandas as pd

from seneca_sim.errors import InputError
from seneca_sim.results.store.record import Record, flat

FIRST: Final = ("run_id", "status")
FORMATS: Final = (".csv", ".parquet")


def row_of(record: Record) -> dict[str, Any]:
    """One flat row: run id, status, axes, metrics (nested ones dotted), error."""
    row = {"run_id": record.run_id, "status": record.status, **record.point}
    row.update(flat(record.summary))
    row["error"] = record.error
    return row


def table_of(records: Iterable[Record]) -> pd.DataFrame:
    """All records as a table; axes and metrics in the order in which they turn up, error last."""
    return frame_of(row_of(record) for record in records)


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table; whole numbers stay whole where some are missing."""
    found = list(rows)
    columns = dict.fromkeys(FIRST)
    for row in found:
        columns.update(dict.fromkeys(row))
    columns.pop("error", None)
    names = [*columns, "error"]
    return pd.DataFrame({name: _column([row.get(name) for row in found]) for name in names})


def _column(values: list[Any]) -> pd.Series[Any]:
    """One kind of value: whole numbers, numbers, else text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return pd.Series(values, dtype="Int64" if None in values else "int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    return pd.Series([None if v is None else str(v) for v in values], dtype="str")


def check_export(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        InputError: another suffix, no such folder, or no pyarrow for Parquet.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: unknown kind of table; expected {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: folder {path.parent} does not exist")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(f"{path}: Parquet needs pyarrow: pip install 'seneca-sim[parquet]'")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, aside and then renamed.

    Raises:
        InputError: see `check_export`.
    """
    check_export(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.suffix == ".csv":
            frame.to_csv(aside, index=False, lineterminator="\n")
        else:
            frame.to_parquet(aside, index=False)
        os.replace(aside, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        aside.unlink(missing_ok=True)
