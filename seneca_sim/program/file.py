"""Programs as files: JSON, schema seneca-program/1, the tables as they stand."""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json, write_text
from seneca_sim.program.ir import Program

SCHEMA = "seneca-program/1"


def program_text(program: Program) -> str:
    """Canonical JSON of a program: the same program gives the same bytes."""
    tables = {
        field.name: plain(getattr(program, field.name)) for field in dataclasses.fields(program)
    }
    return json.dumps({"schema": SCHEMA, **tables}, separators=(",", ":"), default=plain) + "\n"


def plain(value: Any) -> Any:
    """A table of a program as mappings that `json` takes, with `plain` as its `default`."""
    if isinstance(value, tuple):
        if not value or not dataclasses.is_dataclass(value[0]):
            return value
        names, read = _fields(value[0].__class__)
        return [dict(zip(names, read(row), strict=True)) for row in value]
    if not dataclasses.is_dataclass(value):
        return value
    names, read = _fields(value.__class__)
    return dict(zip(names, read(value), strict=True))


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in dataclasses.fields(kind))
    return names, operator.attrgetter(*names)


def write_program(path: str | Path, program: Program) -> None:
    """Write a program file (aside, then renamed)."""
    write_text(path, program_text(program))


def read_program(path: str | Path) -> Program:
    """Read a program file; its rules are checked by `verify`, not here.

    Raises:
        InputError: no such file, not a program, a table with a wrong or missing field.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{path}: cannot be read as a program ({why})") from error
    return parse_program(text, str(path))


def parse_program(text: str, where: str = "program") -> Program:
    """Make a program from the text of its file; `where` names it in errors."""
    from pydantic import TypeAdapter, ValidationError  # slow to import, needed only here

    try:
        plain = parse_json(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    schema = plain.pop("schema", None) if isinstance(plain, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{where}: schema is {schema!r}; expected {SCHEMA!r}")
    try:
        return TypeAdapter(Program).validate_json(json.dumps(plain), strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise InputError(f"{where}: {at}: {first['msg'].lower()}") from error
