"""Checks of the fields of a chip, each failing with the field's dotted path."""

from dataclasses import Field, fields
from typing import TYPE_CHECKING, NoReturn

from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Far above any chip, far below where products of two of them leave 64 bits in sight.
MAX_NUMBER = 2**40


def refuse(path: str, problem: str) -> NoReturn:
    """Raise an InputError for the field at `path`."""
    raise InputError(f"{path}: {problem}", field=path)


def at_most(path: str, value: int, limit: int, why: str) -> None:
    """Refuse a `value` over `limit`."""
    if value > limit:
        shown = value if value < 10**20 else "it"
        refuse(path, f"{shown} is too large: at most {limit}, since {why}")


def check_numbers(spec: "DataclassInstance", prefix: str) -> None:
    """Refuse any integer field that is no whole number or out of range, and unknown choices.

    A field's lowest value is 1, or its metadata's `minimum`.
    """
    for f in fields(spec):
        if f.type is str and "choices" in f.metadata:
            _check_choice(f, getattr(spec, f.name), f"{prefix}.{f.name}" if prefix else f.name)
        if f.type is int:
            _check_number(f, getattr(spec, f.name), f"{prefix}.{f.name}" if prefix else f.name)


def _check_choice(f: "Field[str]", value: object, path: str) -> None:
    choices = f.metadata["choices"]
    if value not in choices:
        refuse(path, f"{str(value)[:40]!r} is unknown: expected {' or '.join(choices)}")


def _check_number(f: "Field[int]", value: object, path: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(path, f"{value!r} is not a whole number")
    low: int = f.metadata.get("minimum", 1)
    if value < low:
        refuse(path, f"{value} is too small: at least {low}")
    at_most(path, value, MAX_NUMBER, "larger ones are surely a slip")
