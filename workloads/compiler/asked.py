"""Mappings by hand: what was asked for by name must be there."""

from __future__ import annotations

from collections.abc import Collection

from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError
from workloads.compiler.graph import LayerGraph
from workloads.compiler.tiles import short


def check_asked(
    graph: LayerGraph, cores: Collection[str], tiles: Collection[str], *, together: bool
) -> None:
    """Refuse numbers by hand that no layer, or not this strategy, can follow.

    Args:
        graph: as the compiler gets it.
        cores: groups with a number of cores by hand; their names are checked where they are used.
        tiles: sites with a number of tiles by hand.
        together: all groups of a layer share its cores, as in output-split.

    Raises:
        InputError: the first of them that cannot be followed.
    """
    if together and (cores or tiles):
        name = f"cores.{next(iter(cores))}" if cores else f"tiles.{next(iter(tiles))}"
        raise InputError(
            f"mapping.{name}: with output-split (or mapping.cores_per_layer) all groups of a layer "
            "share its cores, and nothing is cut by columns; choose another mapping.strategy, "
            "such as grouped, or leave it out"
        )
    counts = [
        (short(s), len(found)) for lay in graph.layers for s, found in lay.matrices_of.items()
    ]
    alone = dict.fromkeys(name for name, count in counts if count == 1)
    for name in tiles:
        if name in alone:
            continue
        shared = any(name == other for other, _ in counts)
        why = "several matrices share it, so they stay split by rows" if shared else "no such site"
        raise InputError(
            f"mapping.tiles.{name}: {why}{'' if shared else nearest(name, alone)}; sites with a "
            f"matrix of their own are {', '.join(alone)}"
        )
