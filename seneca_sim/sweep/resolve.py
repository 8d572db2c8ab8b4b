"""From settings to the chip, the energy table and the run's settings, files read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from seneca_sim.chip.load import LIBRARY as CHIPS
from seneca_sim.chip.load import LoadedChip, chip_of
from seneca_sim.config import Document, overridden, read_document
from seneca_sim.cost.energy import EnergyTable, load_energy, with_parts
from seneca_sim.engine.activity import Mode
from seneca_sim.sweep.workload import Sorted

CHIP, TABLE = "chip", "energy.table"
"""Two paths that only studies have: which chip and which energy table to start from."""
FILES = ("mapping.file", "sparsity.recipe")
"""Paths whose value is a file, if it is one: it may lie beside the study."""
_KEPT = 4096

Items = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Case:
    """What one point runs on; `chip` and `overrides` say how `loaded` was made."""

    loaded: LoadedChip
    chip: str
    overrides: Mapping[str, str]
    table: EnergyTable
    run: Mapping[str, str]
    mode: Mode


def resolve(settings: Mapping[str, str], sort: Callable[[Mapping[str, str]], Sorted]) -> Case:
    """Resolve complete settings, `chip` and `energy.table` among them.

    Raises:
        InputError: an unknown path or an impossible value, at ``--set path=value``.
    """
    rest = {path: text for path, text in settings.items() if path not in (CHIP, TABLE)}
    parts = sort(rest)
    loaded = _chip(settings[CHIP], tuple(parts.chip.items()))
    table = _table(settings[TABLE], tuple(parts.energy.items()))
    return Case(loaded, settings[CHIP], parts.chip, table, parts.run, parts.mode)


@lru_cache(maxsize=64)
def base_document(name: str) -> Document:
    """A chip's file as it stands."""
    return read_document(name, CHIPS)


@lru_cache(maxsize=_KEPT)
def _chip(name: str, overrides: Items) -> LoadedChip:
    return chip_of(overridden(base_document(name), dict(overrides)))


@lru_cache(maxsize=64)
def _base_table(name: str) -> EnergyTable:
    return load_energy(name)


@lru_cache(maxsize=_KEPT)
def _table(name: str, overrides: Items) -> EnergyTable:
    return with_parts(_base_table(name), dict(overrides))
