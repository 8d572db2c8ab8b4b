"""Chips from files and presets, and back.

Every number carries a mark and a source (`Sourced`); those of a plain value in a user's file or
of an override are ``user`` and the place where it was given.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seneca_sim.chip.spec import Chip
from seneca_sim.config import Document, Library, Mark, Sourced, parse_document, read_document
from seneca_sim.config.check import (
    check_keys,
    sourced,
    table_of,
    text_of,
    whole_of,
    whole_quantity_of,
)
from seneca_sim.config.document import Scalar, Table
from seneca_sim.config.write import yaml_text
from seneca_sim.errors import InputError
from seneca_sim.units import exact_text

LIBRARY = Library("seneca-chip/1", "chip", Path(__file__).parent / "presets")


@dataclass(frozen=True)
class LoadedChip:
    """A chip, and where each number of it comes from.

    Attributes:
        chip: the chip.
        fields: dotted path ("core.npes") -> value with mark, source and sweep range.
        sha256: of the text that was read.
    """

    chip: Chip
    fields: Mapping[str, Sourced[int]]
    sha256: str

    @property
    def marks(self) -> dict[str, Mark]:
        """The mark of every number, by dotted path."""
        return {path: leaf.mark for path, leaf in self.fields.items()}


def load_chip(name_or_path: str | Path, overrides: Mapping[str, str] | None = None) -> LoadedChip:
    """Read a preset or a YAML file, then set single fields.

    Args:
        name_or_path: "seneca-8x8", "seneca-4x4", or the path of a file.
        overrides: dotted path -> text, as in {"core.npes": "16", "clock_hz": "200 MHz"}.

    Raises:
        InputError: with file, line and column.

    """
    return _load(read_document(name_or_path, LIBRARY, overrides))


def chip_of(document: Document) -> LoadedChip:
    """Build the chip of a document that is read already."""
    return _load(document)


def parse_chip(text: str, name: str = "<text>") -> LoadedChip:
    """Read a chip from YAML text."""
    return _load(parse_document(text, name, LIBRARY))


def _load(document: Document) -> LoadedChip:
    """Build the chip of a merged document."""
    leaves: dict[str, Sourced[int]] = {}
    places: dict[str, str] = {}
    try:
        chip = _build(Chip, document.table, "", leaves, places)
    except InputError as error:
        if error.field is None:
            raise
        where = places.get(error.field, document.table.where)
        own = _own_fields(places, str(error), document.table) if _in_preset(where) else ""
        raise InputError(f"{where}: {error}{own}", field=error.field) from None
    return LoadedChip(chip, leaves, document.sha256)


def _in_preset(where: str) -> bool:
    """Whether a place (file:line:column) is in a shipped preset."""
    return where.rsplit(":", 2)[0] in {f"{name}.yaml" for name in LIBRARY.names()}


def _own_fields(places: Mapping[str, str], message: str, table: Table) -> str:
    """Name the fields that the user set: those that a message about another speaks of, else all.

    A contradiction between two fields is told at one of them, which may be the preset's.
    """
    own = [path for path, where in places.items() if path != "name" and not _in_preset(where)]
    spoken = [path for path in own if _speaks_of(message.lower(), path, table)]
    shown = [f"{path} ({places[path]})" for path in (spoken or own)[:3]]
    return f"; you set {', '.join(shown)}" if shown else ""


def _speaks_of(message: str, path: str, table: Table) -> bool:
    """Whether a message has the words of a field's name, or a word that is its value."""
    node: Any = table
    for key in path.split("."):
        node = node.items[key]
    words = [word for word in path.rpartition(".")[2].split("_") if word not in ("bits", "flits")]
    value = node.text if isinstance(node, Scalar) and node.kind == "text" else ""
    return any(word in message for word in words) or (value.isalpha() and value in message)


def _build(
    kind: type[Any],
    table: Table,
    prefix: str,
    leaves: dict[str, Sourced[int]],
    places: dict[str, str],
) -> Any:
    """Build a spec dataclass from its table, noting each number's source and place."""
    specs = fields(kind)
    check_keys(table, (f.name for f in specs), prefix)
    values: dict[str, Any] = {}
    for f in specs:
        path = f"{prefix}.{f.name}" if prefix else f.name
        if f.name not in table.items:
            tip = "give it, or start from a preset with 'extends: seneca-8x8'"
            raise InputError(f"{table.where}: {path} is missing: {tip}")
        node = table.items[f.name]
        if is_dataclass(f.type):
            assert isinstance(f.type, type)
            values[f.name] = _build(f.type, table_of(node, path), path, leaves, places)
        elif f.type is str:
            places[path] = node.where
            values[f.name] = text_of(node, path)
        else:
            places[path] = node.where
            leaves[path] = sourced(node, path, _reader(f))
            values[f.name] = leaves[path].value
    return kind(**values)


def _reader(f: "Field[Any]") -> Any:
    """Return how the number of a field is read: a count, or a quantity with its unit."""
    dimension = f.metadata.get("dimension")
    return partial(whole_quantity_of, dimension=dimension) if dimension else whole_of


def resolved(loaded: LoadedChip | Chip) -> dict[str, Any]:
    """Return everything about a chip as plain mappings that read back to the same chip.

    A `LoadedChip` keeps marks, sources and ranges; a bare `Chip` gives plain values.
    """
    chip = loaded if isinstance(loaded, Chip) else loaded.chip
    leaves = {} if isinstance(loaded, Chip) else loaded.fields
    return {"schema": LIBRARY.schema} | _resolve(chip, "", leaves)


def _resolve(spec: Any, prefix: str, leaves: Mapping[str, Sourced[int]]) -> dict[str, Any]:
    """Write the fields of one spec."""
    out: dict[str, Any] = {}
    for f in fields(spec):
        path = f"{prefix}.{f.name}" if prefix else f.name
        value = getattr(spec, f.name)
        if is_dataclass(value):
            out[f.name] = _resolve(value, path, leaves)
        elif path in leaves:
            out[f.name] = _resolve_leaf(f, leaves[path])
        else:
            out[f.name] = _text(f, value)
    return out


def _resolve_leaf(f: "Field[Any]", leaf: Sourced[int]) -> dict[str, Any]:
    """Write one number with its mark, source and range."""
    out = {"value": _text(f, leaf.value), "mark": str(leaf.mark), "source": leaf.source}
    if leaf.range is not None:
        out["range"] = [_text(f, end) for end in leaf.range]
    return out


def _text(f: "Field[Any]", value: int) -> Any:
    """Write a value as the file has it: with its unit where it has one."""
    dimension = f.metadata.get("dimension")
    return exact_text(value, dimension) if dimension else value


def chip_yaml(loaded: LoadedChip | Chip) -> str:
    """Write a chip as YAML that `load_chip` reads back to the same chip."""
    return yaml_text(resolved(loaded))
