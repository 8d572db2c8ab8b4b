"""The names that expressions know: every setting of a point, as numbers in base units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import lru_cache
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.chip.load import chip_of
from seneca_sim.errors import InputError
from seneca_sim.sweep.expressions import nested, put
from seneca_sim.sweep.resolve import CHIP, TABLE, base_document
from seneca_sim.sweep.workload import Sorted
from seneca_sim.units import exact_text, parse_quantity


@lru_cache(maxsize=4096)
def number_of(text: str, dimension: str = "") -> int | float | str:
    """A setting's text as a number in base units (Hz, b, ps, mV), or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    try:
        value = parse_quantity(text, dimension) if dimension else None
    except InputError:
        return text
    if value is None:
        return text
    return value.numerator if value.denominator == 1 else float(value)


@lru_cache(maxsize=1)
def dimensions() -> dict[str, str]:
    """Dimension of every chip field that has one, by path."""
    return dict(_dimensions(Chip, ""))


def _dimensions(kind: type[Any], prefix: str) -> list[tuple[str, str]]:
    found = []
    for f in fields(kind):
        if is_dataclass(f.type):
            assert isinstance(f.type, type)
            found += _dimensions(f.type, f"{prefix}{f.name}.")
        elif "dimension" in f.metadata:
            found.append((prefix + f.name, str(f.metadata["dimension"])))
    return found


@lru_cache(maxsize=64)
def _base_chip(name: str) -> dict[str, Any]:
    return asdict(chip_of(base_document(name)).chip)


def _copied(names: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in names.items()}


def names_of(
    settings: Mapping[str, str], sort: Callable[[Mapping[str, str]], Sorted]
) -> dict[str, Any]:
    """Nested names of complete settings.

    Chip fields stand under their own names and under `chip`; `cores` is columns x rows. They are
    not checked: a filter may leave out what a chip cannot be.
    """
    rest = {path: text for path, text in settings.items() if path not in (CHIP, TABLE)}
    parts = sort(rest)
    chip = _copied(_base_chip(settings[CHIP]))
    for path, text in parts.chip.items():
        put(chip, path, number_of(text, dimensions().get(path, "")))
    columns, rows = chip["columns"], chip["rows"]
    if isinstance(columns, int) and isinstance(rows, int):
        chip["cores"] = columns * rows
    names = nested({path: number_of(text) for path, text in parts.run.items()})
    for path, text in parts.energy.items():
        put(names, f"energy.{path}", number_of(text, "energy"))
    put(names, TABLE, settings[TABLE])
    return names | chip | {"chip": chip}


def setting_text(value: object, path: str, sort: Callable[[Mapping[str, str]], Sorted]) -> str:
    """The text of a setting that an expression gave, in the unit of its field."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        for field in sort({path: "1"}).chip:
            if field in dimensions():
                return exact_text(value, dimensions()[field])
    return str(value)
