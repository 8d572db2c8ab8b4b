"""Files that extend others, and single values set from outside.

`extends` names a shipped preset or a path relative to the file that says so. Mappings merge key
by key, the extending file winning; a value (a plain one, or a mapping with a `value` or `parts`)
is replaced as a whole, so that its mark and source never outlive it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from seneca_sim.config.check import nearest, text_of
from seneca_sim.config.document import Node, Scalar, Table, parse, read_text
from seneca_sim.errors import InputError

_LEAF_KEYS = ("value", "parts")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Library:
    """A kind of file: its `schema`, what messages call it, and the folder of its presets."""

    schema: str
    noun: str
    folder: Path

    def names(self) -> list[str]:
        """List the shipped presets."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))


@dataclass(frozen=True)
class Document:
    """A file with all that it extends merged in, without `schema` and `extends`.

    `texts` are what `sha256` is over: the files' texts and the overrides.
    """

    table: Table
    sha256: str
    texts: tuple[str, ...] = ()


def read_document(
    name_or_path: str | Path, library: Library, overrides: Mapping[str, str] | None = None
) -> Document:
    """Read a preset or a file, what it extends, and then `overrides` (dotted path -> text).

    Raises:
        InputError: with file, line and column, for whatever cannot be read.

    """
    path, shown = _find(str(name_or_path), library, base=Path(), where="")
    texts: list[str] = []
    table = _read(path, shown, library, texts, seen=())
    return overridden(Document(table, _sha256(texts), tuple(texts)), overrides or {})


def overridden(document: Document, overrides: Mapping[str, str]) -> Document:
    """Set single values (dotted path -> text) of a document that is read already."""
    table, texts = document.table, list(document.texts)
    for dotted, text in overrides.items():
        table = _override(
            table, dotted.split("."), Scalar(f"--set {dotted[:60]}={text[:60]}", text)
        )
        texts.append(f"{dotted}={text}")
    return Document(table, _sha256(texts), tuple(texts))


def parse_document(text: str, name: str, library: Library) -> Document:
    """Read YAML text as `read_document` reads a file; `extends` starts at the working folder."""
    texts: list[str] = []
    table = _merge_base(text, name, Path(), library, texts, seen=())
    return Document(table, _sha256(texts), tuple(texts))


def _sha256(texts: list[str]) -> str:
    """Hash texts so that no two lists of them meet: each is preceded by its length."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        digest.update(b"%d\n" % len(data) + data)
    return digest.hexdigest()


def _find(name: str, library: Library, base: Path, where: str) -> tuple[Path, str]:
    """Find a preset by name, else a file by path; the second is what messages call it."""
    preset = library.folder / f"{name}.yaml"
    is_path = "/" in name or "\\" in name or name.endswith((".yaml", ".yml"))
    if not is_path and name in library.names():
        return preset, preset.name
    path = base / name
    if is_path or path.exists():
        return path, str(path)
    known = ", ".join(library.names())
    raise InputError(
        f"{where}no {library.noun} named '{name}'{nearest(name, library.names())}"
        f" (shipped: {known}; or give the path of a .yaml file)"
    )


def _read(
    path: Path, shown: str, library: Library, texts: list[str], seen: tuple[Path, ...]
) -> Table:
    """Read one file and, below it, what it extends."""
    text = read_text(path)
    if path.resolve() in seen:
        raise InputError(f"{shown}: extends itself, by way of {len(seen)} file(s)")
    return _merge_base(text, shown, path.parent, library, texts, (*seen, path.resolve()))


def _merge_base(
    text: str, shown: str, base: Path, library: Library, texts: list[str], seen: tuple[Path, ...]
) -> Table:
    """Parse one file's text and merge it over what it extends."""
    table = parse(text, shown)
    texts.append(text)
    _check_schema(table, library)
    extends = table.items.get("extends")
    own = _without(table, "schema", "extends")
    if extends is None:
        return own
    name = text_of(extends, "extends")
    path, base_shown = _find(name, library, base, f"{extends.where}: ")
    return merged(_read(path, base_shown, library, texts, seen), own)


def _check_schema(table: Table, library: Library) -> None:
    """Refuse a file of another kind or version."""
    found = table.items.get("schema")
    if found is None:
        raise InputError(f"{table.where}: 'schema' is missing: expected schema: {library.schema}")
    if text_of(found, "schema") != library.schema:
        raise InputError(
            f"{found.where}: schema is '{text_of(found, 'schema')}', expected '{library.schema}'"
        )


def _without(table: Table, *names: str) -> Table:
    """Copy `table` without some keys."""
    items = {key: node for key, node in table.items.items() if key not in names}
    return Table(table.where, items, table.keys)


def _is_group(node: Node | None) -> TypeGuard[Table]:
    """Say whether `node` is a mapping of further fields, not one value with its source."""
    return isinstance(node, Table) and not any(key in node.items for key in _LEAF_KEYS)


def merged(base: Table, over: Table) -> Table:
    """Merge `over` into `base`."""
    items = dict(base.items)
    for key, node in over.items.items():
        old = items.get(key)
        if _is_group(old) and _is_group(node):
            items[key] = merged(old, node)
        else:
            items[key] = node
    return Table(over.where, items, base.keys | over.keys)


def _override(table: Table, keys: list[str], value: Scalar) -> Table:
    """Put `value` at the path `keys`, making the tables on the way."""
    key, rest = keys[0], keys[1:]
    if not rest:
        kind = "whole number" if _WHOLE.fullmatch(value.text) else "text"
        node: Node = Scalar(value.where, value.text, kind)
    else:
        inner = table.items.get(key, Table(value.where, {}, {}))
        if not _is_group(inner):
            raise InputError(f"{value.where}: '{key}' is a single value, it has no '{rest[0]}'")
        node = _override(inner, rest, value)
    return Table(table.where, table.items | {key: node}, table.keys | {key: value.where})
