"""Mapping: which cores hold which slice. Output split: a matrix's rows over its layer's cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError, InputError
from workloads.compiler.graph import LayerGraph

Slices = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """`regions[layer]` lists the cores of a layer in the order of their slices."""

    strategy: str
    regions: tuple[tuple[int, ...], ...]

    def owner(self, layer: int) -> int:
        """Position of the layer's owner in its region: the middle, which is nearest to all."""
        return len(self.regions[layer]) // 2


def rows_of(width: int, lanes: int) -> int:
    """Rows of lanes that a vector fills, the last one perhaps in part."""
    return -(-width // lanes)


def split(width: int, parts: int, lanes: int) -> Slices:
    """Share `width` channels out in whole rows of lanes, as evenly as they go."""
    blocks = rows_of(width, lanes)
    bounds = [min(width, (blocks * i // parts) * lanes) for i in range(parts + 1)]
    return tuple(pairwise(bounds))


def output_split(
    graph: LayerGraph,
    chip: Chip,
    layer_bits: Callable[[int, int], int],
    cores_per_layer: int = 0,
) -> Mapping:
    """Give every layer the same number of consecutive cores, row by row.

    Left to itself it takes the number with the smallest estimated energy-delay product: cores x
    (rows of the fullest core)^2, summed over layers. So more cores are better as long as they
    share the rows out evenly; an uneven split makes all wait for the largest slice.

    Args:
        graph: the layers.
        chip: the cores and their data memory.
        layer_bits: (layer, cores) -> bits of data memory on the layer's fullest core.
        cores_per_layer: a number chosen by hand; 0 leaves the choice to this function.

    Raises:
        CapacityError: a layer does not fit; says which, the bits, and the smallest chip that would.
    """
    layers = len(graph.layers)
    ceiling = max(1, graph.width // chip.core.npes)
    most = min(chip.cores // layers, ceiling)
    if cores_per_layer > ceiling:
        raise InputError(
            f"mapping: {cores_per_layer} cores per layer, but width {graph.width} has only "
            f"{ceiling} rows of {chip.core.npes} lanes; expected at most {ceiling}"
        )
    if cores_per_layer * layers > chip.cores:
        raise InputError(
            f"mapping: {cores_per_layer} cores for each of {layers} layers are "
            f"{cores_per_layer * layers}, but chip {chip.name} has {chip.cores}; expected at most "
            f"{chip.cores // layers}"
        )
    have = chip.core.data_memory_bits

    def fits(cores: int) -> bool:
        return all(layer_bits(layer, cores) <= have for layer in range(layers))

    # More cores hold smaller slices but more partial sums, so bits may also rise: try each.
    smallest = next((n for n in range(1, ceiling + 1) if fits(n)), ceiling + 1)
    choices = [n for n in range(smallest, most + 1) if fits(n)] or [max(1, most)]
    chosen = cores_per_layer or min(choices, key=lambda n: estimated_cost(graph, chip, n))
    if chosen * layers > chip.cores or not fits(chosen):
        text = _too_small(graph, chip, layer_bits, chosen, smallest)
        asked = f"; mapping.cores_per_layer is {cores_per_layer}" if cores_per_layer else ""
        raise CapacityError(text + asked)
    regions = tuple(tuple(range(i * chosen, (i + 1) * chosen)) for i in range(layers))
    return Mapping("output-split", regions)


def estimated_cost(graph: LayerGraph, chip: Chip, cores: int) -> int:
    """Energy-delay product of dense matrices on `cores` cores a layer, in units without meaning.

    A layer takes as long as its fullest core, and all its cores take that long.
    """
    lanes = chip.core.npes
    total = 0
    for layer in graph.layers:
        rows = [-(-rows_of(m.rows, lanes) // cores) * m.columns for m in layer.matrices]
        total += cores * sum(rows) ** 2
    return total


def _too_small(
    graph: LayerGraph,
    chip: Chip,
    layer_bits: Callable[[int, int], int],
    cores: int,
    smallest: int,
) -> str:
    layers = len(graph.layers)
    have = chip.core.data_memory_bits
    cores = max(1, cores)
    worst = max(range(layers), key=lambda layer: layer_bits(layer, cores))
    need = layer_bits(worst, cores)
    head = f"{graph.name} does not fit chip {chip.name} ({chip.cores} cores): "
    if smallest > max(1, graph.width // chip.core.npes):
        tail = "no number of cores fits at this data memory; raise core.data_memory_bits"
    else:
        tail = f"the smallest core count that fits is {smallest * layers} ({smallest} a layer)"
    if need <= have:
        return f"{head}{layers} layers of at least {smallest} cores each; {tail}"
    return (
        f"{head}layer {graph.layers[worst].name} on {cores} cores needs {need:,} bits on its "
        f"fullest core, which has {have:,}; {tail}"
    )
