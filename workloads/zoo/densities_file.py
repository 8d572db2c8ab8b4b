"""Reading the densities of one variant from a shape file."""

from statistics import fmean

from seneca_sim.config.check import check_keys, mark_and_source, table_of
from seneca_sim.config.document import Array, Node, Scalar, Table
from seneca_sim.errors import InputError
from workloads.families import Shape, family_of
from workloads.zoo.densities import Densities, shifted

_NUMBERS = ("number", "whole number")


def read_densities(table: Table, variant: str, shape: Shape) -> Densities:
    """Read `density`, one number or one for each layer by site, and `spread`, if there is one.

    Raises:
        InputError: with file, line and column.
    """
    field = f"variants.{variant}"
    check_keys(table, ("mark", "source", "density", "spread"), field)
    mark, source = mark_and_source(table, field)
    if "density" not in table.items:
        raise InputError(f"{table.where}: {field} has no density; give a share kept for each site")
    means = _by_site(table.items["density"], f"{field}.density", shape, needed=True)
    spread: dict[str, tuple[float, ...]] = {}
    if "spread" in table.items:
        spread = _by_site(table.items["spread"], f"{field}.spread", shape, needed=False)
        _check_spread(table, field)
    by_layer = {
        kind: shifted(spread[kind], fmean(values)) if kind in spread else values
        for kind, values in means.items()
    }
    return Densities(variant, mark, source, by_layer, spread)


def _by_site(node: Node, field: str, shape: Shape, *, needed: bool) -> dict[str, tuple[float, ...]]:
    table = table_of(node, field)
    kinds = family_of(shape.family).kinds
    check_keys(table, kinds, field)
    for kind in kinds:
        if needed and kind not in table.items:
            raise InputError(f"{table.where}: {field} lacks {kind}; it needs {', '.join(kinds)}")
    return {
        kind: _layers(table.items[kind], f"{field}.{kind}", shape)
        for kind in kinds
        if kind in table.items
    }


def _layers(node: Node, field: str, shape: Shape) -> tuple[float, ...]:
    """One density for all layers, or a list of one for each."""
    if not isinstance(node, Array):
        return (density_of(node, field),) * shape.layers
    if len(node.items) != shape.layers:
        raise InputError(
            f"{node.where}: {field} has {len(node.items)} values for {shape.layers} layers; "
            "give one for each, or a single number"
        )
    return tuple(density_of(item, field) for item in node.items)


def _check_spread(table: Table, field: str) -> None:
    """A spread goes with a mean; densities by layer have their own."""
    density = table_of(table.items["density"], field)
    spread = table_of(table.items["spread"], field)
    for kind, where in spread.keys.items():
        if isinstance(density.items[kind], Array):
            raise InputError(
                f"{where}: {field} gives {kind} by layer in density and in spread; leave one out"
            )


def density_of(node: Node, field: str) -> float:
    """Return `node` as a density, 0 to 1."""
    if not isinstance(node, Scalar) or node.kind not in _NUMBERS:
        got = repr(node.text[:60]) if isinstance(node, Scalar) else node.kind
        raise InputError(f"{node.where}: {field} must be a share kept, 0 to 1, got {got}")
    try:
        value = float(node.text)
    except ValueError:
        raise InputError(f"{node.where}: {field} must be a share kept, 0 to 1") from None
    if not 0 <= value <= 1:
        tip = f"; {node.text} % is {value / 100:g}" if 1 < value <= 100 else ""
        raise InputError(f"{node.where}: {field} is {node.text}; a density is 0 to 1{tip}")
    return value
