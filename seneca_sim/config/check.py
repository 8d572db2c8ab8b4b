"""Reading single nodes: keys, texts, whole numbers, quantities, values with their sources.

Every message starts with where the node stands (``chip.yaml:12:3``) and names the dotted field.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Generic, TypeVar

from seneca_sim.config.document import Array, Node, Scalar, Table
from seneca_sim.errors import InputError
from seneca_sim.units import parse_quantity

T = TypeVar("T", int, Fraction)
_LEAF = ("value", "mark", "source", "range")


class Mark(StrEnum):
    """How sure we are of a number."""

    PUBLISHED = "published"
    SECOND_HAND = "second-hand"
    DERIVED = "derived"
    SCALED = "scaled"
    ASSUMED = "assumed"
    USER = "user"


@dataclass(frozen=True)
class Sourced(Generic[T]):
    """A value with its mark, its source, and the range (low, high) in which to sweep it."""

    value: T
    mark: Mark
    source: str
    range: tuple[T, T] | None = None


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, as the end of a message; "" where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def table_of(node: Node, field: str) -> Table:
    """Return `node` as a mapping."""
    if not isinstance(node, Table):
        raise InputError(f"{node.where}: {field or 'the file'} must be a mapping")
    return node


def check_keys(table: Table, known: Iterable[str], field: str) -> None:
    """Refuse keys that are not `known`, suggesting the nearest."""
    names = list(known)
    for key in table.items:
        if key not in names:
            inside = f" in {field}" if field else ""
            tip = nearest(key, names) or f"; expected one of {', '.join(names)}"
            raise InputError(f"{table.keys[key]}: unknown key '{key}'{inside}{tip}")


def text_of(node: Node, field: str) -> str:
    """Return `node` as text."""
    if not isinstance(node, Scalar) or node.kind != "text" or not node.text.strip():
        raise InputError(f"{node.where}: {field} must be text")
    return node.text


def whole_of(node: Node, field: str) -> int:
    """Return `node` as a whole number."""
    if not isinstance(node, Scalar) or node.kind != "whole number":
        got = repr(node.text[:60]) if isinstance(node, Scalar) else node.kind
        raise InputError(f"{node.where}: {field} must be a whole number, got {got}")
    # Python reads 0x10, 0o17 and 1_000 as YAML does; a zero in front is fine in YAML alone.
    base = 0 if node.text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10
    try:
        return int(node.text, base)
    except ValueError:  # also raised for thousands of digits
        raise InputError(
            f"{node.where}: {field} must be a whole number, got {node.text[:60]!r}"
        ) from None


def quantity_of(node: Node, field: str, dimension: str) -> Fraction:
    """Return `node` as a quantity, zero or more, in the base unit of `dimension`."""
    if not isinstance(node, Scalar):
        raise InputError(f"{node.where}: {field} must be a quantity, got {node.kind}")
    try:
        return parse_quantity(node.text, dimension)
    except InputError as error:
        raise InputError(f"{node.where}: {field}: {error}") from None


def whole_quantity_of(node: Node, field: str, dimension: str) -> int:
    """Return `node` as a quantity that is a whole number of base units."""
    value = quantity_of(node, field, dimension)
    if value.denominator != 1:
        raise InputError(f"{node.where}: {field} must be a whole number of base units: {value}")
    return value.numerator


def mark_of(node: Node, field: str) -> Mark:
    """Return `node` as a mark."""
    text = text_of(node, f"{field}.mark")
    if text not in list(Mark):
        raise InputError(f"{node.where}: {field}.mark is '{text}', expected {', '.join(Mark)}")
    return Mark(text)


def mark_and_source(table: Table, field: str) -> tuple[Mark, str]:
    """Read `mark` and `source` of a value; without a mark it is the user's own."""
    mark = mark_of(table.items["mark"], field) if "mark" in table.items else Mark.USER
    if "source" in table.items:
        return mark, text_of(table.items["source"], f"{field}.source")
    if mark is not Mark.USER:
        raise InputError(f"{table.where}: {field} is marked {mark}, so it needs a source")
    return mark, table.where


def sourced(node: Node, field: str, read: Callable[[Node, str], T]) -> Sourced[T]:
    """Read a plain value, or a mapping of `value`, `mark`, `source`, `range`."""
    if not isinstance(node, Table):
        return Sourced(read(node, field), Mark.USER, node.where)
    check_keys(node, _LEAF, field)
    if "value" not in node.items:
        raise InputError(f"{node.where}: {field} has no value")
    value = read(node.items["value"], field)
    return Sourced(value, *mark_and_source(node, field), _range(node, field, read))


def _range(table: Table, field: str, read: Callable[[Node, str], T]) -> tuple[T, T] | None:
    """Read the `range: [low, high]` of a value."""
    node = table.items.get("range")
    if node is None:
        return None
    if not isinstance(node, Array) or len(node.items) != 2:
        raise InputError(f"{node.where}: {field}.range must be [low, high]")
    low, high = (read(item, f"{field}.range") for item in node.items)
    if low > high:
        raise InputError(f"{node.where}: {field}.range must be [low, high]")
    return low, high
