"""A YAML 1.2 file as a tree of nodes, each of which knows where it stands.

Nothing is converted here: a scalar keeps its text, so that "1.4 pJ" and 1e-12 are read exactly by
whoever knows what they mean. Anchors and aliases are refused: `extends` is the way to share.
"""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from seneca_sim.errors import InputError

_KINDS = {"int": "whole number", "float": "number", "bool": "truth value", "null": "nothing"}


@dataclass(frozen=True)
class Scalar:
    """One value: its text, and its kind ("text", "whole number", "number", …)."""

    where: str
    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Array:
    """A list."""

    where: str
    items: "tuple[Node, ...]"
    kind: str = "a list"


@dataclass(frozen=True)
class Table:
    """A mapping with unique text keys, and where each key stands."""

    where: str
    items: "dict[str, Node]"
    keys: dict[str, str]
    kind: str = "a mapping"


Node = Scalar | Array | Table


def read_text(path: Path) -> str:
    """Read a text file; an InputError names it where that cannot be done."""
    if path.is_dir():
        raise InputError(f"{path}: is a directory, expected a YAML file")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text, expected a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from None


# A command and a sweep read the shipped presets again and again, and ruamel needs 20-50 ms each.
@lru_cache(maxsize=64)
def parse(text: str, name: str) -> Table:
    """Parse YAML with a mapping at its top.

    What was parsed lately is remembered; nobody changes a tree (merging and overriding copy it).

    Args:
        text: the YAML.
        name: what messages call the file.

    Raises:
        InputError: not YAML, empty, no mapping, a duplicate key, an alias.

    """
    root = _compose(text, name)
    if root is None:
        raise InputError(f"{name}: is empty, expected a mapping that starts with 'schema:'")
    node = _convert(root, name)
    if not isinstance(node, Table):
        raise InputError(f"{node.where}: expected a mapping at the top, got {_article(node)}")
    return node


def _compose(text: str, name: str) -> Any:
    """Run ruamel's composer, its errors made one line."""
    try:
        return YAML(typ="rt", pure=True).compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise InputError(f"{where}: not YAML: {_one_line(error.problem)}") from None
    except YAMLError as error:
        raise InputError(f"{name}: not YAML: {_one_line(error)}") from None
    except RecursionError:
        raise InputError(f"{name}: is nested too deeply") from None


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _article(node: Node) -> str:
    return node.kind if isinstance(node, Array) else f"a {node.kind}"


def _convert(node: Any, name: str) -> Node:
    """Turn ruamel's node into ours."""
    where = f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    if node.anchor is not None:
        raise InputError(f"{where}: anchors and aliases are not read; use 'extends' to share")
    if isinstance(node, MappingNode):
        return _table(node, where, name)
    if isinstance(node, SequenceNode):
        return Array(where, tuple(_convert(item, name) for item in node.value))
    assert isinstance(node, ScalarNode)
    tag = str(node.tag).rpartition(":")[2]
    return Scalar(where, str(node.value), _KINDS.get(tag, "text"))


def _table(node: MappingNode, where: str, name: str) -> Table:
    """Turn a mapping node into a Table, refusing duplicate and compound keys."""
    table = Table(where, {}, {})
    for key_node, value_node in node.value:
        key = _convert(key_node, name)
        if not isinstance(key, Scalar):
            raise InputError(f"{key.where}: a key must be plain text")
        if key.text in table.items:
            first = table.keys[key.text].rsplit(":", 2)[1]
            raise InputError(f"{key.where}: duplicate key '{key.text}', first on line {first}")
        table.items[key.text] = _convert(value_node, name)
        table.keys[key.text] = key.where
    return table
