"""A run folder: summary.json, resolved.yaml and the tables of every variant; written whole or not.

FOLDER/summary.json          schema seneca-summary/1
FOLDER/resolved.yaml         every input as it was used, defaults written out
FOLDER/LABEL/energy.csv …    the tables of `results.tables`, one folder per variant
and whatever files the caller adds.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from seneca_sim.config import yaml_text
from seneca_sim.errors import InputError
from seneca_sim.files import parse_json
from seneca_sim.results.form import check_summary
from seneca_sim.results.run import RunResult
from seneca_sim.results.summary import SCHEMA, run_id_of, summary_of
from seneca_sim.results.tables import TABLES

SUMMARY: Final = "summary.json"
RESOLVED: Final = "resolved.yaml"
_UNSAFE = re.compile(r"[^A-Za-z0-9_+-]+")


def write_run(
    folder: str | Path,
    results: Sequence[RunResult],
    resolved: Mapping[str, Any],
    extra: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a run folder; a folder of the same run is replaced.

    Everything is written beside the folder first and renamed at the end, so that no reader and no
    failure ever leaves half a run.

    Args:
        folder: where to; folders above it are made.
        results: one per variant, the baseline first.
        resolved: every input as it was used.
        extra: further entries of the summary; see `summary_of`.
        files: further files, by their path in the folder; they lie beside a variant's tables.

    Raises:
        InputError: the place cannot be written, or holds something else.
    """
    target = Path(folder)
    summary = summary_of(results, extra)
    _check_place(target, run_id_of(results))
    try:
        with _beside(target) as new:
            (new / SUMMARY).write_text(summary_text(summary), encoding="utf-8", newline="\n")
            (new / RESOLVED).write_text(yaml_text(resolved), encoding="utf-8", newline="\n")
            for name, result in zip(variant_folders(results), results, strict=True):
                _write_tables(new / name, result)
            for path, data in (files or {}).items():
                (new / path).write_bytes(data)
            _swap(new, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{target}: cannot be written: {reason}; give another folder with --out"
        ) from None


def variant_folders(results: Sequence[RunResult]) -> list[str]:
    """Names of the variants' folders, see `label_folders`."""
    return label_folders([result.label for result in results])


def label_folders(labels: Sequence[str]) -> list[str]:
    """Names of folders: the labels, made safe, and numbered where two agree."""
    names: list[str] = []
    for label in labels:
        plain = _UNSAFE.sub("-", label).strip("-").lower() or "run"
        clashes = sum(name.rpartition("~")[0] == plain or name == plain for name in names)
        names.append(f"{plain}~{clashes + 1}" if clashes else plain)
    return names


def summary_text(summary: Mapping[str, Any]) -> str:
    """summary.json's text; the same summary gives the same bytes."""
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def check_writable(folder: str | Path) -> None:
    """Raise InputError, before anything is computed, where a run folder could not be made."""
    target = Path(folder).absolute()
    if target.exists() and not target.is_dir():
        raise InputError(f"{folder}: is a file; --out names a folder")
    place = next(p for p in (target, *target.parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: {place} cannot be written to; give another --out")


def read_summary(path: str | Path) -> dict[str, Any]:
    """Read a summary, given a run folder or the file itself.

    Raises:
        InputError: no such file, not JSON, another schema, or an entry that is missing or damaged.
    """
    file = Path(path)
    file = file / SUMMARY if file.is_dir() else file
    try:
        summary = parse_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; expected a run folder or its {SUMMARY}") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from None
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{file}: schema is {schema!r}, expected {SCHEMA!r}")
    try:
        check_summary(summary)
    except InputError as error:
        raise InputError(f"{file}: {error}; the file is damaged, run again") from None
    return dict(summary)


def _write_tables(folder: Path, result: RunResult) -> None:
    folder.mkdir()
    for name, table in TABLES.items():
        frame = table(result)
        if frame is not None:
            frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def _check_place(target: Path, run_id: str) -> None:
    """A folder in the way may only hold the same run, or nothing."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target}: is a file, expected a folder; give another one with --out")
    if not any(target.iterdir()):
        return
    tip = "remove it or give another folder with --out"
    if not (target / SUMMARY).exists():
        raise InputError(f"{target}: holds files that are no run; {tip}")
    found = str(read_summary(target).get("run_id"))
    if found != run_id:
        raise InputError(f"{target}: holds another run ({found[:12]}); {tip}")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, gone again when it was not renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(new: Path, target: Path) -> None:
    """Put `new` in the place of `target`; what was there goes away afterwards."""
    if not target.exists():
        os.rename(new, target)
        return
    old = new.with_name(new.name + ".old")
    os.rename(target, old)
    try:
        os.rename(new, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
