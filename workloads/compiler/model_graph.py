"""The layer graph of a model of any family: the one table from family to graph.

What a family is made of stands in `workloads.families`; here is what the compiler adds to that: the
function that builds its graph, the choices that it leaves, and how its tensors fill memories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from workloads.compiler.graph import LayerGraph
from workloads.compiler.opt import opt_graph
from workloads.compiler.rwkv4 import rwkv4_graph
from workloads.compiler.rwkv7 import rwkv7_graph, rwkv7_tensors
from workloads.families import family_of

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Entry:
    """What is compiled of a family.

    Attributes:
        graph: from name and dimensions, with `head` and the choices.
        choices: its further options -> what they are about.
        tensors: from a checkpoint's tensors to those that memories are filled from.
    """

    graph: Callable[..., LayerGraph]
    choices: Mapping[str, str] = field(default_factory=dict)
    tensors: Callable[[Tensors], Tensors] = dict


_TABLE = {
    "rwkv4": _Entry(rwkv4_graph, {"state_words": "the sums of RWKV-4's recurrence"}),
    "rwkv7": _Entry(rwkv7_graph, tensors=rwkv7_tensors),
    "opt": _Entry(opt_graph, {"context": "a cache of keys and values"}),
}
CHOICES = {name: what for entry in _TABLE.values() for name, what in entry.choices.items()}
"""Options that some families have -> what they are about."""


def model_graph(
    name: str, shape: Mapping[str, object], *, head: str = "in", **choices: int
) -> LayerGraph:
    """Build the layer graph of a model.

    Args:
        name: of the workload.
        shape: family and dimensions, as a trace states them.
        head: ``in`` computes the logits; ``out`` ends with the last LayerNorm's vector.
        choices: `CHOICES` that were made; what is left out is as the family's graph has it.

    Raises:
        InputError: an unknown family, dimensions that do not go together, or a choice that the
            family does not have.
    """
    family = family_of(str(shape["family"])).name
    entry = _TABLE[family]
    for key in choices:
        if key not in entry.choices:
            raise InputError(
                f"mapping.{key} is about {CHOICES[key]}, and {name}, of family {family}, has none; "
                "leave it out"
            )
    sizes = {key: int(str(value)) for key, value in shape.items() if key != "family"}
    return entry.graph(name, sizes, head=head, **choices)


def choices_of(family: str) -> frozenset[str]:
    """The choices that a family has."""
    return frozenset(_TABLE[family].choices)


def chip_tensors(family: str, weights: Tensors) -> Tensors:
    """A checkpoint's tensors as memories are filled from them.

    Args:
        family: name of the model's family.
        weights: float32 by the names of checkpoints.

    Returns:
        By the same names, matrices [outputs, inputs], vectors [channels].
    """
    return _TABLE[family].tensors(weights)
