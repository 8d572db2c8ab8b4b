"""Mapping strategies: from a graph to who holds what; docs/compiler.md gives the cost of each.

`output_split` puts all groups of a layer on the same cores. The others give groups cores of their
own and differ in which matrices they cut by columns, too.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import CapacityError
from workloads.compiler.fit import Fit, cut_layers, even_partition, signature
from workloads.compiler.graph import Layer, LayerGraph, Matrix
from workloads.compiler.groups import Counts, Groups, no_fit
from workloads.compiler.mapping import Mapping, rows_of
from workloads.compiler.memory import Options
from workloads.compiler.plan import Plan
from workloads.compiler.tiles import Tiling, even_tiling, event_tiling, short, tile_group, tiled

Floats = NDArray[np.float64]
Activity = collections.abc.Mapping[str, Floats]
EVENNESS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Tiles cut by events get a share of evenness by columns until they fit their cores."""
MORE_CORES = 1.1
"""Two-dimensional tiles may take so many times the fewest cores if they are squarer."""


def output_split(graph: LayerGraph, options: Options, cores: int) -> Plan:
    """Split every matrix by its rows over the same `cores` consecutive cores of its layer."""
    layers = tuple(
        {
            group.name: even_partition(group.width, cores, options.unit, index * cores)
            for group in layer.groups
        }
        for index, layer in enumerate(graph.layers)
    )
    return Plan(graph, Mapping("output-split", layers), options)


def output_split_cost(graph: LayerGraph, options: Options, cores: int) -> int:
    """Energy-delay product of dense matrices on `cores` cores a layer, in units without meaning.

    A layer takes as long as its fullest core, and all its cores take that long.
    """
    total = 0
    for layer in graph.layers:
        rows = [-(-rows_of(m.rows, options.unit) // cores) * m.columns for m in layer.matrices]
        total += cores * sum(rows) ** 2
    return total


def grouped(fit: Fit, tiles: Counts, activity: Activity) -> Groups:
    """Co-location: each group on cores of its own, all its matrices split by rows.

    Where even the smallest slice is too large for a core, matrices are cut by columns, too, as
    are those that `tiles` names.
    """

    def cut(layer: Layer) -> dict[str, Tiling]:
        asked = _asked(layer, tiles)
        found, now = dict(asked), tiled(layer, asked)
        for group in layer.groups:
            if not fit.fewest(now, (group.name,)):
                found |= fit.tilings(now, group.name, asked)
        return found

    return _cut_all(fit, cut, activity)


def _asked(layer: Layer, tiles: Counts) -> dict[str, Tiling]:
    """Tilings by hand, of the layers that have such a matrix."""
    here = {short(m.site): m.columns for m in _alone(layer)}
    return {name: even_tiling(here[name], n) for name, n in tiles.items() if name in here and n}


def input_split(fit: Fit, tiles: Counts, activity: Activity) -> Groups:
    """Split every matrix by its columns alone: each core adds up all rows for some channels."""
    return _cut_all(fit, partial(_each, fit, _columns_only, tiles), activity, homes=True)


def tiles_2d(fit: Fit, tiles: Counts, activity: Activity) -> Groups:
    """Cut every matrix into tiles that are as square as they go, on about the fewest cores."""
    return _cut_all(fit, partial(_each, fit, _squarest, tiles), activity, homes=True)


def _cut_all(
    fit: Fit,
    cut: Callable[[Layer], dict[str, Tiling]],
    activity: Activity,
    *,
    homes: bool = False,
) -> Groups:
    """Cut all layers, those that are alike in the same way, and count the fewest cores."""
    known: dict[tuple[object, ...], dict[str, Tiling]] = {}
    tilings = []
    for layer in fit.graph.layers:
        key = signature(layer)
        if key not in known:
            known[key] = cut(layer)
        tilings.append(_balanced(fit, layer, known[key], activity))
    graph = cut_layers(fit.graph, tilings)
    return Groups.fewest(Fit(graph, fit.options), graph, homes=homes)


def _balanced(
    fit: Fit, layer: Layer, tilings: dict[str, Tiling], activity: Activity
) -> dict[str, Tiling]:
    """Cut by events where the activity of a site is known, as far as memory allows."""
    found = dict(tilings)
    for site in layer.matrices_of:
        name = short(site)
        if site in activity and name in tilings:
            found[name] = _by_events(fit, layer, name, tilings[name], activity[site])
    return found


def _by_events(fit: Fit, layer: Layer, name: str, even: Tiling, events: Floats) -> Tiling:
    groups = [tile_group(name, i) for i in range(even.tiles)]
    before = tiled(layer, {name: even})
    most = max(fit.fewest(before, (group,)) for group in groups)
    for share in EVENNESS:
        tiling = event_tiling(events, even.tiles, even.home, share)
        after = tiled(layer, {name: tiling}) if tiling is not None else None
        if after and all(0 < fit.fewest(after, (group,)) <= most for group in groups):
            assert tiling is not None
            return tiling
    return even


def _each(
    fit: Fit, choose: Callable[[Fit, Layer, str], Tiling | None], tiles: Counts, layer: Layer
) -> dict[str, Tiling]:
    """Cut each matrix that is worth it: as asked for, or as `choose` finds."""
    found = _asked(layer, tiles)
    for matrix in _worth_cutting(layer):
        name = short(matrix.site)
        tiling = found.get(name) or choose(fit, layer, name)
        if tiling is None:
            raise CapacityError(no_fit(fit, layer, (matrix.group,)))
        found[name] = tiling
    return found


def _worth_cutting(layer: Layer) -> list[Matrix]:
    """All but the head's matrix, which stays split by rows.

    Its sums, a vocabulary from every tile, would be about as many as its weights.
    """
    kinds = {site.name: site.kind for site in layer.sites}
    return [m for m in _alone(layer) if kinds[m.site] == "events"]


def _alone(layer: Layer) -> list[Matrix]:
    """Matrices that have a site for themselves; those that share one stay split by rows."""
    return [m for m in layer.matrices if len(layer.matrices_of[m.site]) == 1]


def _columns_only(fit: Fit, layer: Layer, name: str) -> Tiling | None:
    """The fewest tiles of which each lies on one core, or on as few as can hold its sums."""
    matrix = next(m for m in layer.matrices if short(m.site) == name)
    for rows in range(1, fit.units_of(matrix.rows) + 1):
        if _on(fit, layer, name, matrix.columns, rows):
            return even_tiling(matrix.columns, _fewest_tiles(fit, layer, name, rows))
    return None


def _fewest_tiles(fit: Fit, layer: Layer, name: str, rows: int) -> int:
    columns = next(m.columns for m in layer.matrices if short(m.site) == name)
    low, high = 0, 1  # `low` tiles do not fit, `high` may
    while high < columns and not _on(fit, layer, name, high, rows):
        low, high = high, min(columns, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _on(fit, layer, name, middle, rows) else (middle, high)
    return high


def _on(fit: Fit, layer: Layer, name: str, tiles: int, rows: int) -> bool:
    """Whether each of so many tiles fits on `rows` cores."""
    columns = next(m.columns for m in layer.matrices if short(m.site) == name)
    cut = tiled(layer, {name: even_tiling(columns, tiles)})
    return fit.fits(cut, (_widest_tile(cut, name),), rows)


def _widest_tile(layer: Layer, name: str) -> str:
    tiles = [m for m in layer.matrices if ".tile." in m.group and short(m.site) == name]
    return max(tiles, key=lambda m: m.columns).group


def _squarest(fit: Fit, layer: Layer, name: str) -> Tiling | None:
    matrix = next(m for m in layer.matrices if short(m.site) == name)
    found: list[tuple[int, float, Tiling]] = []
    bits = matrix.rows * matrix.columns * fit.options.precision.bits
    most = min(matrix.columns, max(4, 2 * ceil(bits / fit.have)))
    for tiles in range(1, most + 1):
        tiling = even_tiling(matrix.columns, tiles)
        cut = tiled(layer, {name: tiling})
        rows = fit.fewest(cut, (_widest_tile(cut, name),))
        if rows:
            shape = (matrix.columns / tiles) / (matrix.rows / rows)
            found.append((rows * tiles, max(shape, 1 / shape), tiling))
    if not found:
        return None
    fewest = min(cores for cores, _, _ in found)
    return min((f for f in found if f[0] <= MORE_CORES * fewest), key=lambda f: (f[1], f[0]))[2]
