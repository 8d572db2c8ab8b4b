"""Packing: one group of a layer fills what the others leave free on their cores.

Groups on cores of their own leave up to a slice of memory unused on each. The group with the finest
slices can take that room, in slices of different sizes. It saves cores, not time.
"""

from __future__ import annotations

from collections.abc import Collection

from workloads.compiler.fill import Filling
from workloads.compiler.fit import Fit
from workloads.compiler.graph import Layer
from workloads.compiler.mapping import Partition, Parts, cores_of
from workloads.compiler.memory import LayerMemory
from workloads.compiler.sizes import Sizes


def packed(fit: Fit, layer: Layer, parts: Parts, fixed: Collection[str] = ()) -> Parts:
    """Let groups fill the others' free room, so that they take few cores.

    The one that saves most cores goes first, which gives the fastest mappings that were found; only
    where filling in another order takes fewer cores, that is what is done.

    Args:
        fit: of the graph.
        layer: whose groups these are.
        parts: every group on cores of its own, or shared on purpose.
        fixed: groups whose number of cores was given.
    """
    simple = saving_most(fit, layer, parts)
    better = Filling.of(fit, layer, parts, fixed).search(len(cores_of(simple)))
    return simple if better is None else better


def saving_most(fit: Fit, layer: Layer, parts: Parts) -> Parts:
    """Let one group after another fill what the others leave, the one that saves most first."""
    while True:
        better = _packed_once(fit, layer, parts)
        if better is parts:
            return parts
        parts = better


def _packed_once(fit: Fit, layer: Layer, parts: Parts) -> Parts:
    """Let the group that saves most cores do so; `parts` if none does."""
    memory = LayerMemory(fit.graph, layer, parts, fit.options)
    roles = memory.roles()
    # Groups that are tried lie alone on their cores, so what the others leave does not change.
    free = {core: fit.have - memory.place(core, some).used_bits for core, some in roles.items()}
    found = [parts]
    for group in (name for name in parts if name not in layer.pieces):
        others = {name: part for name, part in parts.items() if name != group}
        if others and not set(parts[group].cores) & set(cores_of(others)):
            filled = _filled(fit, layer, parts, group, free)
            if filled is not None:
                found.append(filled)
    return min(found, key=lambda some: len(cores_of(some)))


def _filled(fit: Fit, layer: Layer, parts: Parts, group: str, free: dict[int, int]) -> Parts | None:
    own, left = parts[group].cores, fit.units(layer, group)
    sizes = Sizes(fit, layer, group)
    most = sizes.most(fit.have)
    if not most:
        return None
    takes: dict[int, int] = {}
    taken = _takers(layer, parts, group)
    for core, bits in free.items():
        if core not in taken:
            takes[core] = min(left, sizes.most(bits))
            left -= takes[core]
    fresh = -(-left // most)
    if fresh >= len(own):
        return None
    for i, core in enumerate(own[:fresh]):
        takes[core] = left * (i + 1) // fresh - left * i // fresh
    bounds, slices = 0, []
    for units in (units for units in takes.values() if units):
        top = min(layer.widths[group], (bounds + units) * fit.options.unit)
        slices.append((bounds * fit.options.unit, top))
        bounds += units
    cores = tuple(core for core, units in takes.items() if units)
    return _renumbered({**parts, group: Partition(cores, tuple(slices))}, parts)


def _takers(layer: Layer, parts: Parts, group: str) -> set[int]:
    """The group's own cores, and those that take one of its sites already: a core takes it once."""
    sites = {matrix.site for matrix in layer.matrices if matrix.group == group}
    names = {matrix.group for matrix in layer.matrices if matrix.site in sites}
    return {core for name in (*names, group) for core in parts[name].cores}


def _renumbered(filled: Parts, before: Parts) -> Parts:
    """Close the gaps in the numbers of the cores."""
    first = min(cores_of(before))
    number = {core: first + i for i, core in enumerate(sorted(cores_of(filled)))}
    return {
        name: Partition(tuple(number[core] for core in part.cores), part.slices)
        for name, part in filled.items()
    }
