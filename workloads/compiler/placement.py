"""Placement: which router each of a mapping's cores stands at. Mapping says who holds what.

A mapping numbers its cores layer after layer. `row-major` puts them down in reading order; `snake`
turns round at the end of every row, so that neighbours in number are neighbours on the chip;
`regions` fills bands that are as high as a layer is wide, so that each layer is a compact block;
`interleaved` takes the channels of off-core memory in turns, so that a layer's weights come through
as many as it has cores; `search` starts from the best of these and swaps cores while that lowers
flit-hops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from workloads.compiler.estimate import Densities
from workloads.compiler.lowering import Lowering
from workloads.compiler.mapping import Mapping, cores_of, moved
from workloads.compiler.plan import Plan
from workloads.compiler.traffic import Trees, expected_events, flits

Ints = NDArray[np.int64]


def row_major(chip: Chip, mapping: Mapping) -> list[int]:
    """Core i at router i."""
    return list(range(chip.cores))


def snake(chip: Chip, mapping: Mapping) -> list[int]:
    """Row after row, every other one from east to west."""
    return _bands(chip, [1] * chip.rows)


def regions(chip: Chip, mapping: Mapping) -> list[int]:
    """Bands of whole rows, each filled column by column: a layer is about as high as wide."""
    largest = max(len(cores_of(parts)) for parts in mapping.layers)
    count = max(1, round(chip.rows / max(1, isqrt(largest))))
    bounds = [chip.rows * i // count for i in range(count + 1)]
    return _bands(chip, [b - a for a, b in pairwise(bounds)])


def _bands(chip: Chip, heights: Sequence[int]) -> list[int]:
    """Fill bands from the top, column by column, turning round at every end."""
    place, top = [], 0
    for number, height in enumerate(heights):
        columns = range(chip.columns)
        for step, x in enumerate(columns if number % 2 == 0 else reversed(columns)):
            rows = range(top, top + height)
            place += [chip.node(x, y) for y in (rows if step % 2 == 0 else reversed(rows))]
        top += height
    return place


def interleaved(chip: Chip, mapping: Mapping) -> list[int]:
    """Core after core behind another channel of off-core memory, nodes in reading order."""
    each = chip.memory.cores_per_channel
    channels = [range(low, min(low + each, chip.cores)) for low in range(0, chip.cores, each)]
    return [some[i] for i in range(each) for some in channels if i < len(some)]


PLACEMENTS: dict[str, Callable[[Chip, Mapping], list[int]]] = {
    "row-major": row_major,
    "snake": snake,
    "regions": regions,
    "interleaved": interleaved,
}
NAMES = (*PLACEMENTS, "search")


def placed(
    plan: Plan, name: str, *, densities: Densities | None = None, seed: int = 0, steps: int = 1000
) -> Plan:
    """Put a plan's cores down.

    Args:
        plan: cores numbered from 0 on.
        name: one of `NAMES`.
        densities: of sparse sites, for the search.
        seed: of the search.
        steps: swaps that the search tries.

    Raises:
        InputError: no such placement.
    """
    chip = plan.options.chip
    if name == "search":
        place = Search.of(plan, densities).run(seed, steps).tolist()
    elif name in PLACEMENTS:
        place = PLACEMENTS[name](chip, plan.mapping)
    else:
        raise InputError(f"mapping.placement is {name!r}; expected one of {', '.join(NAMES)}")
    return _put(plan, place, name)


def by_hand(plan: Plan, place: Sequence[int], where: str) -> Plan:
    """Put core i of a plan at router `place[i]`.

    Raises:
        InputError: a router that the chip lacks, one twice, or too few.
    """
    chip = plan.options.chip
    for i, node in enumerate(place):
        if node not in range(chip.cores):
            raise InputError(
                f"{where}: core {i} is placed at {node}, but chip {chip.name} has cores 0 to "
                f"{chip.cores - 1}"
            )
    if len(set(place)) < len(place):
        twice = next(node for i, node in enumerate(place) if node in place[:i])
        raise InputError(f"{where}: two cores are placed at {twice}; expected each router once")
    if len(place) < plan.cores:
        raise InputError(
            f"{where}: {len(place)} cores are placed, but the mapping has {plan.cores}"
        )
    return _put(plan, place, "by hand")


def _put(plan: Plan, place: Sequence[int], name: str) -> Plan:
    """Where cores stand is now said by their numbers."""
    options = replace(plan.options, interleaved=False)
    return replace(plan, mapping=moved(plan.mapping, place, name), options=options)


@dataclass
class Search:
    """Swaps of two cores' places; only such that lower the flit-hops of a token are kept."""

    plan: Plan
    trees: Trees
    flits: NDArray[np.float64]
    touching: list[Ints]  # core -> routes that it sends or takes

    @classmethod
    def of(cls, plan: Plan, densities: Densities | None) -> Search:
        """Lower once, where the cores are, to learn who sends to whom."""
        chip = plan.options.chip
        program = Lowering(plan.graph, plan.mapping, plan.options).run()
        trees = Trees.of(chip, program)
        sent = flits(chip, expected_events(program, densities))
        ends = np.concatenate((trees.source, trees.targets))
        routes = np.arange(trees.source.size)
        numbers = np.concatenate((routes, np.repeat(routes, np.diff(trees.starts))))
        order = np.argsort(ends, kind="stable")
        bounds = np.searchsorted(ends[order], np.arange(chip.cores + 1))
        cut = [numbers[order[a:b]] for a, b in pairwise(bounds)]
        return cls(plan, trees, sent, [np.unique(some) for some in cut])

    def cost(self, place: Sequence[int] | Ints) -> float:
        """Flit-hops of a token."""
        return float(self.flits @ self.trees.hops(np.asarray(place, np.int64)))

    def run(self, seed: int, steps: int) -> Ints:
        """The best of the fixed placements, then swaps; never worse than where it starts."""
        chip, mapping = self.plan.options.chip, self.plan.mapping
        starts = [np.array(way(chip, mapping), np.int64) for way in PLACEMENTS.values()]
        place = min(starts, key=self.cost)
        rng = np.random.default_rng(seed)
        used = self.plan.cores
        for _ in range(steps):
            a = int(rng.integers(used))
            b = self._partner(rng, place, a)
            if a != b:
                self._try(place, a, b)
        return place

    def _partner(self, rng: np.random.Generator, place: Ints, a: int) -> int:
        """A core near one that talks with `a`: swapping there can shorten the way."""
        mine = self.touching[a]
        if not mine.size:
            return a
        route = int(mine[rng.integers(mine.size)])
        ends = self.trees.targets[self.trees.starts[route] : self.trees.starts[route + 1]]
        other = int(self.trees.source[route])
        if other in (a, self.plan.options.chip.cores):
            other = int(ends[rng.integers(ends.size)])
        if other in (a, self.plan.options.chip.cores):
            return a
        chip = self.plan.options.chip
        x, y = chip.position(int(place[other]))
        x = min(chip.columns - 1, max(0, x + int(rng.integers(-2, 3))))
        y = min(chip.rows - 1, max(0, y + int(rng.integers(-2, 3))))
        return int(np.flatnonzero(place == chip.node(x, y))[0])

    def _try(self, place: Ints, a: int, b: int) -> None:
        routes = np.union1d(self.touching[a], self.touching[b])
        some, sent = self.trees.some(routes), self.flits[routes]
        before = sent @ some.hops(place)
        place[a], place[b] = place[b], place[a]
        if sent @ some.hops(place) >= before:
            place[a], place[b] = place[b], place[a]
