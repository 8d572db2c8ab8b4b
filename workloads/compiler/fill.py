"""Packing, the long way: groups fill the cores of a layer one after another, in many orders.

`pack` lets one group at a time fill what the others leave. Where many groups are small that
wastes most of the last core of each. Here cores with LayerNorms, with pieces, or with a number
given by hand come first; every other group then fills the room that is there, and opens cores of
its own for the rest. A beam search goes through the orders. Cores that are filled alike are one
`Bin`, so a step costs as much for ten cores as for ten thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from workloads.compiler.estimate import LayerEstimate
from workloads.compiler.fit import Fit
from workloads.compiler.graph import Layer
from workloads.compiler.mapping import Partition, Parts, cores_of
from workloads.compiler.memory import LayerMemory
from workloads.compiler.sizes import Sizes

BEAM = 8
"""Orders that are followed side by side."""

Held = tuple[tuple[str, int], ...]
"""What a core holds: (group, channels), in the order in which they came."""


class Bin(NamedTuple):
    """`times` cores that hold the same and have the same room left."""

    held: Held
    free: int
    times: int


@dataclass(frozen=True)
class State:
    """Cores so far, and groups that are still to be placed."""

    bins: tuple[Bin, ...]
    left: tuple[str, ...]

    @property
    def cores(self) -> int:
        """How many there are."""
        return sum(some.times for some in self.bins)


@dataclass
class Filling:
    """The search for one layer, from groups that lie as `parts` say."""

    fit: Fit
    layer: Layer
    parts: Parts
    stay: frozenset[str]
    sizes: dict[str, Sizes] = field(default_factory=dict)

    @classmethod
    def of(cls, fit: Fit, layer: Layer, parts: Parts, fixed: Collection[str]) -> Filling:
        """Groups that stay: in LayerNorms, in pieces, fixed by hand, or on shared cores."""
        cores = [core for part in parts.values() for core in part.cores]
        twice = {core for core in cores if cores.count(core) > 1} if _shares(parts) else set()
        stay = {name for name, part in parts.items() if set(part.cores) & twice}
        stay |= {*layer.normed, *layer.pieces, *fixed} & set(parts)
        return cls(fit, layer, parts, frozenset(stay))

    def search(self, below: int) -> Parts | None:
        """The mapping on the fewest cores, if they are fewer than `below`; of these the fastest."""
        fillers = tuple(name for name in self.parts if name not in self.stay)
        self.sizes = {name: Sizes(self.fit, self.layer, name) for name in fillers}
        if not all(size.most(self.fit.have) for size in self.sizes.values()):
            return None
        states = [State(self._hosts(), fillers)]
        for _ in fillers:
            following = {self._key(s): s for state in states for s in self._next(state)}
            states = sorted(following.values(), key=self._bound)[:BEAM]
        fewest = min(state.cores for state in states)
        if fewest >= below:
            return None
        found = [self._laid_out(state) for state in states if state.cores == fewest]
        return min(filter(self._verified, found), key=self._cycles, default=None)

    def _cycles(self, parts: Parts) -> float:
        """Cycles of a dense token, to choose between mappings on as many cores."""
        return LayerEstimate(self.fit.graph, self.layer, parts, self.fit.options).cycles()

    # -- steps -------------------------------------------------------------------------------

    def _hosts(self) -> tuple[Bin, ...]:
        """Cores of the groups that stay, as they are."""
        here = {name: self.parts[name] for name in self.parts if name in self.stay}
        memory = LayerMemory(self.fit.graph, self.layer, self.parts, self.fit.options)
        found: list[Bin] = []
        for core, roles in memory.roles().items():
            held = tuple((g, _width(here[g].slices[at])) for g, at in roles.items() if g in here)
            if not held:
                continue
            free = self.fit.have - memory.place(core, roles).used_bits
            if found and found[-1][:2] == (held, free):
                found[-1] = found[-1]._replace(times=found[-1].times + 1)
            else:
                found.append(Bin(held, free, 1))
        return tuple(found)

    def _next(self, state: State) -> Iterator[State]:
        """Each of the groups that are left placed; of groups that are alike the first alone."""
        seen = set()
        for name in state.left:
            alike = self.sizes[name].kind, self._takers(name) == {name}
            if alike in seen and alike[1]:
                continue
            seen.add(alike)
            left = tuple(other for other in state.left if other != name)
            yield State(tuple(self._fill(state.bins, name)), left)

    def _fill(self, bins: tuple[Bin, ...], name: str) -> Iterator[Bin]:
        """Put a group into the room that is there, and the rest on cores of its own."""
        sizes, unit = self.sizes[name], self.fit.unit(self.layer, name)
        left, takers = sizes.units, self._takers(name)
        for some in bins:
            here = {group for group, _ in some.held}
            most = 0 if here & takers else min(left, sizes.most(some.free))
            full = min(some.times, left // most) if most else 0
            rest = left - full * most if most and full < some.times else 0
            for units, count in ((most, full), (min(rest, most), 1)):
                if units and count:
                    yield Bin(
                        (*some.held, (name, units * unit)), some.free - sizes.bits(units), count
                    )
                    left -= units * count
            bare = some.times - full - bool(min(rest, most))
            if bare:
                yield some._replace(times=bare)
        yield from self._fresh(name, left)

    def _fresh(self, name: str, left: int) -> Iterator[Bin]:
        """Cores of a group's own, with slices as even as they go."""
        sizes, unit = self.sizes[name], self.fit.unit(self.layer, name)
        cores = -(-left // sizes.most(self.fit.have))
        for units, count in (
            ((-(-left // cores), left % cores), (left // cores, cores - left % cores))
            if cores
            else ()
        ):
            if count:
                yield Bin(((name, units * unit),), self.fit.have - sizes.bits(units), count)

    def _takers(self, name: str) -> set[str]:
        """The group, and those that take one of its sites: a core takes a site once."""
        sites = {matrix.site for matrix in self.layer.matrices if matrix.group == name}
        return {name} | {m.group for m in self.layer.matrices if m.site in sites}

    # -- which is better ---------------------------------------------------------------------

    def _key(self, state: State) -> tuple[object, ...]:
        """States with the same room and the same groups left are one."""
        return tuple(sorted((b.free, b.times) for b in state.bins)), state.left

    def _bound(self, state: State) -> tuple[int, int]:
        """Cores at the end at least: what is left takes the room that it can use, and new ones."""
        least = min((self.sizes[name].bits(1) for name in state.left), default=0)
        room = sum(some.free * some.times for some in state.bins if some.free >= least)
        need = sum(self.sizes[name].least for name in state.left)
        return state.cores + max(0, -(-(need - room) // self.fit.have)), state.cores

    # -- as partitions -----------------------------------------------------------------------

    def _laid_out(self, state: State) -> Parts:
        """Number the cores from the first on."""
        at = min(cores_of(self.parts))
        holders: dict[str, list[tuple[int, int]]] = {name: [] for name in self.parts}
        for some in state.bins:
            for _ in range(some.times):
                for name, channels in some.held:
                    holders[name].append((at, channels))
                at += 1
        return {name: _partition(some, self.layer.widths[name]) for name, some in holders.items()}

    def _verified(self, parts: Parts) -> bool:
        """Whether every core has room for what it got, by the memory map itself."""
        memory = LayerMemory(self.fit.graph, self.layer, parts, self.fit.options)
        seen: set[object] = set()
        for core, roles in memory.roles().items():
            shape = tuple(
                (g, _width(parts[g].slices[at]), at == parts[g].owner) for g, at in roles.items()
            )
            if shape not in seen and memory.place(core, roles).used_bits > self.fit.have:
                return False
            seen.add(shape)
        return True


def _width(part: tuple[int, int]) -> int:
    return part[1] - part[0]


def _shares(parts: Parts) -> bool:
    return sum(len(part.cores) for part in parts.values()) > len(cores_of(parts))


def _partition(holders: list[tuple[int, int]], width: int) -> Partition:
    """Slices in the order of the cores; the last one may be narrower than its units."""
    low, slices = 0, []
    for _, channels in holders:
        slices.append((low, min(width, low + channels)))
        low += channels
    return Partition(tuple(core for core, _ in holders), tuple(slices))
