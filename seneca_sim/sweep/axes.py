"""Axes: `grid` (all combinations), `zip` (side by side) and `list` (row by row)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from seneca_sim.config.check import check_keys, table_of, whole_of
from seneca_sim.config.document import Array, Node, Scalar, Table
from seneca_sim.errors import InputError

Row = Mapping[str, Scalar]
MOST = 10**6


@dataclass(frozen=True)
class Block:
    """Paths that change together, row by row, and where each path stands."""

    places: Mapping[str, str]
    rows: tuple[Row, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths."""
        return tuple(self.places)


def blocks_of(table: Table) -> tuple[Block, ...]:
    """Read `axes`; every path varies in one block only.

    Raises:
        InputError: with file, line and column.
    """
    check_keys(table, ("grid", "zip", "list"), "axes")
    blocks: list[Block] = []
    if "grid" in table.items:
        grid = table_of(table.items["grid"], "axes.grid")
        for path, node in grid.items.items():
            values = _values(node, path)
            rows = tuple({path: value} for value in values)
            blocks.append(Block({path: grid.keys[path]}, rows))
    blocks += [_zip(table_of(node, "axes.zip")) for node in _several(table, "zip")]
    if "list" in table.items:
        blocks.append(_list(table.items["list"]))
    if not blocks:
        raise InputError(f"{table.where}: axes has neither grid nor zip nor list")
    _check(blocks)
    return tuple(blocks)


def _several(table: Table, key: str) -> tuple[Node, ...]:
    node = table.items.get(key)
    if node is None:
        return ()
    return node.items if isinstance(node, Array) else (node,)


def _zip(table: Table) -> Block:
    """Lists of equal length, the first values together, then the second."""
    columns = {path: _values(node, path) for path, node in table.items.items()}
    if not columns:
        raise InputError(f"{table.where}: axes.zip has no paths")
    lengths = {path: len(values) for path, values in columns.items()}
    first, length = next(iter(lengths.items()))
    for path, count in lengths.items():
        if count != length:
            raise InputError(
                f"{table.keys[path]}: {path} has {count} values, but {first} beside it has {length}"
            )
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return Block({path: table.keys[path] for path in columns}, tuple(rows))


def _list(node: Node) -> Block:
    """Rows of path -> value, all with the same paths."""
    if not isinstance(node, Array) or not node.items:
        raise InputError(f"{node.where}: axes.list must be a list of mappings")
    rows: list[Row] = []
    places: dict[str, str] = {}
    for item in node.items:
        table = table_of(item, "a row of axes.list")
        places = places or {path: table.keys[path] for path in table.items}
        rows.append({path: _value(value, path) for path, value in table.items.items()})
        if set(rows[-1]) != set(rows[0]):
            raise InputError(
                f"{item.where}: this row sets {', '.join(rows[-1])}; expected the paths of the "
                f"first: {', '.join(rows[0])}"
            )
    return Block(places, tuple(rows))


def _values(node: Node, path: str) -> tuple[Scalar, ...]:
    if isinstance(node, Table):
        return _range(node, path)
    items = node.items if isinstance(node, Array) else (node,)
    if not items:
        raise InputError(f"{node.where}: {path} has no values")
    values = tuple(_value(item, path) for item in items)
    seen: dict[str, Scalar] = {}
    for value in values:
        if value.text in seen:
            raise InputError(f"{value.where}: {path} has the value {value.text} twice")
        seen[value.text] = value
    return values


def _value(node: Node, path: str) -> Scalar:
    if not isinstance(node, Scalar) or node.kind == "nothing":
        raise InputError(f"{node.where}: {path} must be plain values, got {node.kind}")
    return node


def _range(table: Table, path: str) -> tuple[Scalar, ...]:
    """`{from: 1, to: 9, step: 2}`, or `times: 2` for 1, 2, 4 …; `to` is among them if hit."""
    check_keys(table, ("from", "to", "step", "times"), path)
    for key in ("from", "to"):
        if key not in table.items:
            raise InputError(f"{table.where}: {path} has no '{key}'")
    found = {key: whole_of(node, f"{path}.{key}") for key, node in table.items.items()}
    step, times = found.get("step", 0 if "times" in found else 1), found.get("times", 1)
    if (step < 1 and times < 2) or found["from"] > found["to"] or (step and times > 1):
        raise InputError(
            f"{table.where}: {path}: expected from <= to, and a step of at least 1 or times of at "
            "least 2"
        )
    values: list[int] = []
    value = found["from"]
    while value <= found["to"] and len(values) <= MOST:
        values.append(value)
        value = value * times + step
        if value <= values[-1]:
            raise InputError(f"{table.where}: {path}: from 0, times leads nowhere; start from 1")
    return tuple(Scalar(table.where, str(value), "whole number") for value in values)


def _check(blocks: list[Block]) -> None:
    """No path in two blocks."""
    seen: set[str] = set()
    for block in blocks:
        for path in block.paths:
            if path in seen:
                where = block.places[path]
                raise InputError(f"{where}: {path} varies already, in another part of axes")
        seen.update(block.paths)


def count_of(blocks: tuple[Block, ...]) -> int:
    """Number of combinations."""
    return prod(len(block.rows) for block in blocks)


def check_count(blocks: tuple[Block, ...]) -> None:
    """Refuse more points than anybody can mean.

    Raises:
        InputError: with the place of the first path.
    """
    if count_of(blocks) > MOST:
        raise InputError(
            f"{next(iter(blocks[0].places.values()))}: axes make {count_of(blocks):,} points; "
            f"expected at most {MOST:,}: take fewer values, or --search for the best of them"
        )


def rows_of(blocks: tuple[Block, ...]) -> Iterator[dict[str, Scalar]]:
    """All combinations, the last block changing fastest."""
    for parts in product(*(block.rows for block in blocks)):
        row: dict[str, Scalar] = {}
        for part in parts:
            row.update(part)
        yield row
