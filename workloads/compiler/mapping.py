"""Mapping: which cores hold which channels of every group of every layer."""

from __future__ import annotations

import collections.abc
from dataclasses import dataclass, field
from itertools import pairwise

Slices = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Partition:
    """A group's channels over cores, in the order of the channels: core i holds `slices[i]`."""

    cores: tuple[int, ...]
    slices: Slices

    @property
    def owner(self) -> int:
        """Position of the group's owner: the middle, which is nearest to all."""
        return len(self.cores) // 2


Parts = collections.abc.Mapping[str, Partition]
"""Group -> its partition, of one layer."""


@dataclass(frozen=True)
class Mapping:
    """Who holds what.

    Attributes:
        strategy: by which rule it was made.
        layers: for each group of layer i, where its channels lie.
        placement: by which rule cores stand at routers.
        notes: further entries of a program's mapping.
    """

    strategy: str
    layers: tuple[Parts, ...]
    placement: str = "row-major"
    notes: tuple[tuple[str, str], ...] = field(default=())

    @property
    def cores(self) -> int:
        """How many cores are used."""
        return sum(len(cores_of(parts)) for parts in self.layers)


def cores_of(parts: Parts) -> tuple[int, ...]:
    """Cores of a layer, each once, in the order of its groups."""
    return tuple(dict.fromkeys(core for part in parts.values() for core in part.cores))


def together(parts: Parts) -> bool:
    """Whether all groups of a layer lie on the same cores."""
    return len({part.cores for part in parts.values()}) == 1


def rows_of(width: int, unit: int) -> int:
    """Units that a vector fills, the last one perhaps in part."""
    return -(-width // unit)


def split(width: int, parts: int, unit: int) -> Slices:
    """Share `width` channels out in whole units, as evenly as they go."""
    blocks = rows_of(width, unit)
    bounds = [min(width, (blocks * i // parts) * unit) for i in range(parts + 1)]
    return tuple(pairwise(bounds))


def moved(mapping: Mapping, place: collections.abc.Sequence[int], placement: str) -> Mapping:
    """The same mapping with core i at `place[i]`."""
    layers = tuple(
        {
            name: Partition(tuple(place[core] for core in part.cores), part.slices)
            for name, part in parts.items()
        }
        for parts in mapping.layers
    )
    return Mapping(mapping.strategy, layers, placement, mapping.notes)
