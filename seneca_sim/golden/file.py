"""The committed file: schema `seneca-golden/1`, JSON laid out so that a diff names the number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json, write_text
from seneca_sim.golden.tolerance import Tolerance, read_tolerances
from seneca_sim.results.compare.inputs import Sections, hashes
from seneca_sim.results.compare.numbers import Numbers, from_plain, plain
from seneca_sim.results.ids import digest

SCHEMA: Final = "seneca-golden/1"
_KEYS: Final = (
    "schema", "name", "history", "degenerate", "tolerances", "numbers", "inputs", "hashes", "spec",
    "seal",
)  # fmt: skip
_LINE: Final = 100


@dataclass(frozen=True)
class Entry:
    """One line of a golden's history: when, with which version, why, and what moved."""

    when: str
    version: str
    reason: str
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Golden:
    """A run held still.

    Attributes:
        name: for people.
        spec: how to run it again; read by who opens it.
        inputs: what it was made from, by section (`results.compare.inputs`).
        numbers: its integers, by variant.
        degenerate: why some of it proves nothing; empty for a sound golden.
        tolerances: what may move; nothing else may.
        history: how it came to be, the latest last.
    """

    name: str
    spec: Mapping[str, Any]
    inputs: Sections
    numbers: Mapping[str, Numbers]
    degenerate: tuple[str, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    history: tuple[Entry, ...] = ()


def golden_text(golden: Golden) -> str:
    """The text of a golden's file: the same golden gives the same bytes."""
    numbers = {label: plain(found) for label, found in golden.numbers.items()}
    sealed = {"numbers": numbers, "inputs": _copy(golden.inputs), "spec": dict(golden.spec)}
    content = {
        "schema": SCHEMA,
        "name": golden.name,
        "history": [asdict(entry) | {"moved": list(entry.moved)} for entry in golden.history],
        "degenerate": list(golden.degenerate),
        "tolerances": [asdict(tolerance) for tolerance in golden.tolerances],
        **sealed,
        "hashes": hashes(golden.inputs),
        "seal": digest(sealed),
    }
    return _laid_out({key: content[key] for key in _KEYS}) + "\n"


def write_golden(path: str | Path, golden: Golden) -> None:
    """Write a golden file (aside, then renamed)."""
    write_text(path, golden_text(golden))


def read_golden(path: str | Path) -> Golden:
    """Read a golden file.

    Raises:
        InputError: no such file, no golden, or numbers that were changed by hand.
    """
    data = _json(Path(path))
    where = str(path)
    _check_form(data, where)
    sealed = {key: data[key] for key in ("numbers", "inputs", "spec")}
    if digest(sealed) != data["seal"]:
        raise InputError(
            f"{where}: numbers, inputs or spec were changed by hand (or by a merge); take the file "
            "from one side, then run 'golden update' with a reason"
        )
    return Golden(
        name=str(data["name"]),
        spec=data["spec"],
        inputs=data["inputs"],
        numbers={label: from_plain(n, where) for label, n in data["numbers"].items()},
        degenerate=tuple(map(str, data["degenerate"])),
        tolerances=read_tolerances(data["tolerances"], where),
        history=_history(data["history"], where),
    )


def _json(path: Path) -> Any:
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with 'golden record -o {path}'") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{path}: cannot be read: {reason}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None


def _check_form(data: Any, where: str) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{where}: schema is {schema!r}, expected {SCHEMA!r}")
    for key in _KEYS:
        if key not in data:
            raise InputError(f"{where}: '{key}' is missing; record it anew")
    tables = all(isinstance(data[key], dict) for key in ("numbers", "inputs", "spec"))
    if not tables or not data["numbers"] or not isinstance(data["degenerate"], list):
        raise InputError(f"{where}: damaged; record it anew")


def _history(data: Any, where: str) -> tuple[Entry, ...]:
    try:
        return tuple(
            Entry(str(e["when"]), str(e["version"]), str(e["reason"]), tuple(map(str, e["moved"])))
            for e in data
        )
    except (TypeError, KeyError):
        raise InputError(f"{where}: history is damaged: when, version, reason, moved") from None


def _copy(inputs: Sections) -> dict[str, dict[str, Any]]:
    return {name: dict(section) for name, section in inputs.items()}


def _laid_out(value: Any, indent: int = 0) -> str:
    """JSON whose innermost mappings and lists stand on one line where they fit."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value:
        return line
    items = value.values() if isinstance(value, dict) else value
    if len(line) + indent <= _LINE and not any(isinstance(item, dict) and item for item in items):
        return line
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        rows = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, indent + 1)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [f"{pad}{_laid_out(item, indent + 1)}" for item in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
