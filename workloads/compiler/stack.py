"""Stacks of Linear layers with elementwise work between them: a layer graph in a few lines.

    graph = stack("mlp", [Linear(784, 512, bias=True), "relu", Linear(512, 10)])

Every Linear with what follows it is a layer of its own, on cores of its own. The host sends the
input, zeros left out, and gets the last layer's outputs. Hidden vectors are sparse where a
nonlinearity makes zeros, else dense. The tensors are `layers.<i>.weight` and `layers.<i>.bias`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

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

OUTPUTS = "outputs"
ACTIVATIONS = {"relu": "relu_fire", "relu2": "relu2_fire"}
"""Nonlinearity -> the micro-kernel that applies it, sends what is above a threshold, and resets."""


@dataclass(frozen=True, slots=True)
class Linear:
    """`columns` inputs, `rows` outputs, and perhaps a bias."""

    columns: int
    rows: int
    bias: bool = False


def stack(name: str, items: Sequence[Linear | str], *, dense_input: bool = False) -> LayerGraph:
    """Build the graph of Linear layers with elementwise work between them.

    Args:
        name: of the workload.
        items: Linear layers, each perhaps followed by a name of `ACTIVATIONS`.
        dense_input: send every input, also those that are 0.

    Raises:
        InputError: not a stack: no Linear in front, sizes that do not follow each other, an
            unknown nonlinearity.
    """
    found = _pairs(name, items)
    layers = tuple(
        _layer(i, linear, activation, last=i == len(found) - 1, dense=_dense(i, found, dense_input))
        for i, (linear, activation) in enumerate(found)
    )
    shape = tuple((f"layers.{i}", linear.rows) for i, (linear, _) in enumerate(found))
    first = found[0][0].columns
    return LayerGraph(name, first, layers, "answer", (("inputs", first), *shape))


def _pairs(name: str, items: Sequence[Linear | str]) -> list[tuple[Linear, str]]:
    """Each Linear with the nonlinearity that follows it, or ""."""
    found: list[tuple[Linear, str]] = []
    for place, item in enumerate(items):
        if isinstance(item, Linear):
            if min(item.columns, item.rows) < 1:
                raise InputError(f"stack {name}: item {place}, {item}: expected positive sizes")
            if found and found[-1][0].rows != item.columns:
                raise InputError(
                    f"stack {name}: item {place} takes {item.columns} channels, but the Linear "
                    f"before it makes {found[-1][0].rows}"
                )
            found.append((item, ""))
            continue
        if item not in ACTIVATIONS:
            close = difflib.get_close_matches(str(item), ACTIVATIONS, 1)
            tip = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(ACTIVATIONS)}"
            raise InputError(f"stack {name}: item {place} is {item!r}{tip}")
        if not found or found[-1][1]:
            raise InputError(f"stack {name}: item {place}, {item!r}, does not follow a Linear")
        found[-1] = found[-1][0], item
    if not found:
        raise InputError(f"stack {name}: no Linear; expected [Linear(4, 8), 'relu', Linear(8, 2)]")
    if found[-1][1]:
        raise InputError(
            f"stack {name}: ends with {found[-1][1]!r}; the last item must be a Linear, whose "
            "outputs go to the host"
        )
    return found


def _dense(index: int, found: list[tuple[Linear, str]], dense_input: bool) -> bool:
    return dense_input if index == 0 else not found[index - 1][1]


def entry(index: int) -> str:
    """Name of the site that a layer of a stack takes."""
    return f"layers.{index}.in"


def _layer(index: int, linear: Linear, activation: str, *, last: bool, dense: bool) -> Layer:
    here, leaving = entry(index), "answer" if last else entry(index + 1)
    acc = ("acc", f"acc:{here}")
    steps = [GraphStep("bias", (acc, ("bias", f"layers.{index}.bias")))] if linear.bias else []
    out = ("out", f"out:{leaving}")
    if activation:
        threshold = ("threshold", f"threshold:{leaving}")
        steps.append(GraphStep(ACTIVATIONS[activation], (threshold, acc, out)))
    else:
        steps.append(GraphStep("send_acc", (acc, out)))
    kind = "dense" if dense else "events"
    sites = [
        GraphSite(here, linear.columns, kind, "layer", OUTPUTS, window="always")  # type: ignore[arg-type]
    ]
    if last:
        sites.append(GraphSite(leaving, linear.rows, "dense", "host", OUTPUTS))
    name = f"layers.{index}"
    vectors = (Vector(f"{name}.bias", linear.rows, OUTPUTS, tensor=f"{name}.bias"),)
    return Layer(
        name=name,
        entry=here,
        groups=(Group(OUTPUTS, linear.rows),),
        sites=tuple(sites),
        vectors=vectors if linear.bias else (),
        matrices=(Matrix(f"{name}.weight", here, linear.rows, linear.columns, OUTPUTS),),
        stages=(
            GraphStage(f"{name}.out", OUTPUTS, "all", (here,), tuple(steps), (leaving,), (here,)),
        ),
    )
