"""From a model's shape and the settings to a program: what every command does alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seneca_sim.chip import Chip
from seneca_sim.cli.settings import Settings
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.program import Program


def compile_shape(
    name: str, shape: Mapping[str, object], chip: Chip, settings: Settings
) -> Program:
    """Compile a model of a trace's `shape` for a chip, mapped as the settings say.

    Raises:
        InputError: a family that has no layer graph, or a model that does not fit.
    """
    if shape["family"] != "rwkv4":
        raise InputError(f"{name} is of family {shape['family']}; only rwkv4 can be compiled")
    from workloads.compiler import lower, rwkv4_graph

    sizes = {key: int(str(value)) for key, value in shape.items() if key != "family"}
    graph = rwkv4_graph(name, sizes, state_words=settings.whole("mapping.state_words"))
    return lower(
        graph,
        chip,
        settings.whole("mapping.cores_per_layer"),
        weights=settings.run["mapping.weights"],
    )
