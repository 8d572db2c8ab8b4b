"""Graphs rewritten: scales for quantised matrices, and matrices cut by columns into tiles.

Both only use what a layer graph has, so mapping, memory and lowering know nothing of either. A tile
is a group of its own that holds some columns of a matrix for all of its rows. Its sums travel as a
dense site `<site>.psum.<n>` to the cores that hold the rows, and are added there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from workloads.compiler.graph import (
    GraphSite,
    GraphStage,
    GraphStep,
    Group,
    Layer,
    LayerGraph,
    Matrix,
    Vector,
)


@dataclass(frozen=True, slots=True)
class Tiling:
    """Columns of a matrix: the first `home` stay with its rows, the rest go to tiles.

    `bounds` are the tiles' first columns and, last, the width of the site.
    """

    home: int
    bounds: tuple[int, ...]

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return len(self.bounds) - 1


def even_tiling(columns: int, tiles: int, home: int = 0, unit: int = 1) -> Tiling:
    """Cut the columns from `home` on into `tiles` of the same width, in whole units."""
    blocks = -(-(columns - home) // unit)
    bounds = (min(columns, home + blocks * i // tiles * unit) for i in range(tiles + 1))
    return Tiling(home, tuple(bounds))


def event_tiling(
    events: NDArray[np.float64], tiles: int, home: int = 0, evenness: float = 0.0
) -> Tiling | None:
    """Cut columns so that tiles get the same number of events.

    Args:
        events: how often each column's channel is sent, all columns of the site.
        tiles: how many, from column `home` on.
        home: columns that are not cut.
        evenness: weight of the number of columns beside that of events; large is `even_tiling`.

    Returns:
        The tiling, or None if a tile would be empty.
    """
    rest = events[home:]
    mean = float(rest.mean()) or 1.0
    weight = np.cumsum(rest + evenness * mean)
    wanted = weight[-1] * np.arange(1, tiles) / tiles
    inner = home + np.searchsorted(weight, wanted) + 1
    bounds = (home, *inner.tolist(), events.size)
    return (
        Tiling(home, bounds) if len(set(bounds)) == tiles + 1 and bounds[-2] < bounds[-1] else None
    )


def tile_group(site: str, tile: int) -> str:
    """Name of a tile's group."""
    return f"{short(site)}.tile.{tile}"


def short(site: str) -> str:
    """`blocks.3.att.key` -> `att.key`: the site's name within its layer."""
    head, _, rest = site.partition(".")
    return rest.partition(".")[2] if head in ("blocks", "layers") else site


def scaled(graph: LayerGraph) -> LayerGraph:
    """Multiply the sums of every matrix by a scale of their channel before they are used."""
    return replace(graph, layers=tuple(_scaled_layer(layer) for layer in graph.layers))


def _scaled_layer(layer: Layer) -> Layer:
    there = {(m.site, m.group) for m in layer.matrices}
    vectors = tuple(
        Vector(f"scale:{m.site}", m.rows, m.group, tensor=f"scale:{m.tensor}")
        for m in layer.matrices
    )
    stages = tuple(
        replace(stage, steps=(*(_scale(s) for s in stage.needs if (s, stage.group) in there),
                              *stage.steps))
        for stage in layer.stages
    )  # fmt: skip
    return replace(layer, vectors=(*layer.vectors, *vectors), stages=stages)


def _scale(site: str) -> GraphStep:
    return GraphStep("scale_rows", (("acc", f"acc:{site}"), ("scale", f"scale:{site}")))


def tiled(layer: Layer, tilings: Mapping[str, Tiling]) -> Layer:
    """Cut matrices of a layer into tiles.

    Args:
        layer: before any other cut, scales included.
        tilings: by the site's name within the layer.

    Raises:
        InputError: no such matrix, or columns that do not add up.
    """
    known = {short(m.site): m for m in layer.matrices}
    for name, tiling in tilings.items():
        if name not in known:
            raise InputError(
                f"mapping: layer {layer.name} has no matrix for site {name!r}; it has "
                f"{', '.join(known)}"
            )
        layer = _cut(layer, known[name], tiling)
    return layer


def _cut(layer: Layer, matrix: Matrix, tiling: Tiling) -> Layer:
    columns, bounds = matrix.columns, (tiling.home, *tiling.bounds)
    if len(set(bounds[1:])) != len(bounds) - 1:
        raise InputError(
            f"mapping: {columns - tiling.home:,} columns of {matrix.site} cannot be cut into "
            f"{tiling.tiles:,} tiles; take fewer"
        )
    if bounds[0] != bounds[1] or bounds[-1] != columns or sorted(set(bounds[1:])) != [*bounds[1:]]:
        raise InputError(
            f"mapping: tiles of {matrix.site} begin at {tiling.bounds} after {tiling.home} columns "
            f"at home; expected columns up to {columns} in ascending order"
        )
    site = next(s for s in layer.sites if s.name == matrix.site)
    home = _home_stage(layer, matrix.site)
    free = matrix.site in home.frees or site.window == "always"
    names = tuple(f"{matrix.site}.psum.{i}" for i in range(tiling.tiles))
    pieces = [
        replace(matrix, columns=high - low, low=low, group=tile_group(matrix.site, i))
        for i, (low, high) in enumerate(pairwise(tiling.bounds))
    ]
    if tiling.home:
        pieces.insert(0, replace(matrix, columns=tiling.home))
    sums = [
        GraphSite(name, matrix.rows, "dense", "peer", matrix.group, window="always" if free else "")
        for name in names
    ]
    stages: list[GraphStage] = []
    for stage in layer.stages:
        if stage is home:
            stages += [_tile_stage(matrix, i, free=free) for i in range(tiling.tiles)]
            stage = _adding(stage, matrix.site, names, tiling.home > 0, free=free)
        stages.append(stage)
    at = layer.matrices.index(matrix)
    return replace(
        layer,
        groups=(*layer.groups, *(Group(p.group, p.rows) for p in pieces[-tiling.tiles :])),
        sites=(*layer.sites, *sums),
        matrices=(*layer.matrices[:at], *pieces, *layer.matrices[at + 1 :]),
        stages=tuple(stages),
    )


def _home_stage(layer: Layer, site: str) -> GraphStage:
    return next(stage for stage in layer.stages if site in stage.needs)


def _tile_stage(matrix: Matrix, tile: int, *, free: bool) -> GraphStage:
    """Send the sums of a tile; in layers entered by this very site, say that it is done."""
    sums = f"{matrix.site}.psum.{tile}"
    step = GraphStep("send_acc", (("acc", f"acc:{matrix.site}"), ("out", f"out:{sums}")))
    group = tile_group(matrix.site, tile)
    done = (matrix.site,) if free else ()
    return GraphStage(f"{group}.sums", group, "all", (matrix.site,), (step,), (sums,), done)


def _adding(
    stage: GraphStage, site: str, sums: tuple[str, ...], own: bool, *, free: bool
) -> GraphStage:
    """Wait for the tiles' sums, too, and add them, in order, where the sums were expected."""
    total = f"acc:{site}" if own else f"in:{sums[0]}"
    adds = [
        GraphStep("residual_add", (("x", total), ("acc", f"in:{name}")))
        for name in (sums if own else sums[1:])
    ]
    steps = tuple(
        replace(
            step, operands=tuple((k, total if v == f"acc:{site}" else v) for k, v in step.operands)
        )
        for step in stage.steps
    )
    needs = tuple(n for n in stage.needs if own or n != site)
    frees, apart = stage.frees, stage.frees_apart
    if free:
        frees = (*(f for f in frees if own or f != site), *sums)
        apart = None
    return replace(
        stage, needs=(*needs, *sums), steps=(*adds, *steps), frees=frees, frees_apart=apart
    )
