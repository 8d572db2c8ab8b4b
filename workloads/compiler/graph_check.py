"""Rules of layer graphs, checked before anything is mapped."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError
from workloads.compiler.graph import Layer, LayerGraph


def check_graph(graph: LayerGraph) -> None:
    """Check that sites, groups and stages of a graph fit each other.

    Raises:
        InputError: an unknown site or group, a site that nobody or everybody makes, or stages that
            wait for each other within one token; what lasts from token to token is a state, not
            a site.
    """
    makers: dict[str, str] = {graph.layers[0].entry: "host"}
    for layer in graph.layers:
        _check_groups(graph, layer)
        for stage in layer.stages:
            where = f"graph {graph.name}: stage {stage.name} of layer {layer.name}"
            for site in (*stage.needs, *stage.emits):
                if site not in graph.site_at:
                    raise InputError(f"{where}: no site {site!r}{nearest(site, graph.site_at)}")
            for site in stage.emits:
                if site in makers:
                    raise InputError(f"{where} makes {site}, which {makers[site]} makes")
                makers[site] = f"{layer.name}:{stage.name}"
    for name in graph.site_at:
        if name not in makers:
            raise InputError(f"graph {graph.name}: nobody makes site {name}")
    _check_order(graph, makers)


def check_lanes(graph: LayerGraph, lanes: int) -> None:
    """Check that caches, with tokens over the lanes, are whole lines of a core's `lanes` NPEs.

    Raises:
        InputError: tokens, or the channels of a head, are no whole number of lines.
    """
    caches = [v for layer in graph.layers for v in layer.vectors if v.rows > 1 and v.words > 1]
    for cache in caches:
        what = f"graph {graph.name}: {cache.name} of"
        if cache.rows % lanes:
            raise InputError(
                f"{what} {cache.rows} tokens are no whole number of lines of {lanes} NPEs; set "
                f"mapping.context to a multiple of {lanes}"
            )
        if cache.words % lanes:
            raise InputError(
                f"{what} {cache.words} channels are no whole number of lines of {lanes} NPEs; set "
                "core.npes to a number that divides the channels of a head, as 8"
            )


def _check_groups(graph: LayerGraph, layer: Layer) -> None:
    named = [(site.name, site.group) for site in layer.sites]
    named += [(vector.name, vector.group) for vector in layer.vectors]
    named += [(matrix.tensor, matrix.group) for matrix in layer.matrices]
    named += [(stage.name, stage.group) for stage in layer.stages]
    for name, group in named:
        if group not in layer.widths:
            raise InputError(
                f"graph {graph.name}: {name} of layer {layer.name} is in group {group!r}, "
                f"which the layer has not{nearest(group, layer.widths)}"
            )


def _check_order(graph: LayerGraph, makers: dict[str, str]) -> None:
    waits = TopologicalSorter(
        {
            f"{layer.name}:{stage.name}": [makers[site] for site in stage.needs]
            for layer in graph.layers
            for stage in layer.stages
        }
    )
    try:
        waits.prepare()
    except CycleError as error:
        path = " -> ".join(error.args[1][::-1])
        raise InputError(
            f"graph {graph.name}: stages wait for each other within a token: {path}; carry it to "
            "the next token as a state, or leave it out"
        ) from None
