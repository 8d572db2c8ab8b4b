"""Mappings by hand: a YAML file, schema seneca-mapping/1.

schema: seneca-mapping/1
strategy: grouped
placement: regions
cores: {attention: 48, key: 64}    # of each layer that has such a group
tiles: {ffn.val: 4}                # columns in four parts
place: [0, 1, 2, 5, 4, 3]          # in place of placement: the router of core 0, 1, 2 …
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seneca_sim.config import Library, read_document
from seneca_sim.config.check import check_keys, table_of, text_of, whole_of
from seneca_sim.config.document import Array, Node
from seneca_sim.errors import InputError
from workloads.compiler.choose import GOALS, STRATEGIES
from workloads.compiler.placement import NAMES

LIBRARY = Library("seneca-mapping/1", "mapping", Path(__file__).parent / "mappings")
_WORDS = {"strategy": STRATEGIES, "goal": GOALS, "placement": ("auto", *NAMES)}
_TABLES = ("cores", "tiles")


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Read a mapping file as arguments of `MapSettings`.

    Raises:
        InputError: with file, line and column.
    """
    table = read_document(path, LIBRARY).table
    check_keys(table, ("schema", *_WORDS, *_TABLES, "place"), "")
    found: dict[str, Any] = {}
    for name, node in table.items.items():
        if name in _WORDS:
            found[name] = _word(node, name)
        elif name in _TABLES:
            items = table_of(node, name).items
            found[name] = {key: whole_of(item, f"{name}.{key}") for key, item in items.items()}
        elif name == "place":
            found[name] = _routers(node)
    return found


def _word(node: Node, name: str) -> str:
    text = text_of(node, name)
    if text not in _WORDS[name]:
        raise InputError(
            f"{node.where}: {name} is '{text}', expected one of {', '.join(_WORDS[name])}"
        )
    return text


def _routers(node: Node) -> tuple[int, ...]:
    if not isinstance(node, Array):
        raise InputError(f"{node.where}: place must be a list, the router of each core")
    routers = [whole_of(item, "place") for item in node.items]
    for item, router in zip(node.items, routers, strict=True):
        if routers.index(router) != node.items.index(item):
            raise InputError(f"{item.where}: place has router {router} twice")
    return tuple(routers)
