"""Rows of the validation table that need a workload: published sparsity, and values by PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from seneca_sim.validate import Measured

if TYPE_CHECKING:
    from workloads.traces import ActivationTrace

MODELS: Final = {"3b": "rwkv4-3b", "15b": "rwkv4-1.5b"}
"""What the rows call a model -> its shape in the zoo."""
TOKENS: Final = 2


def sparsity_rows() -> dict[str, Measured]:
    """Average sparsities, and the ratio of MACs, of traces drawn from published densities."""
    from workloads import zoo
    from workloads.traces import average_sparsity, mac_ratio, statistical_trace

    def drawn(card: zoo.ShapeCard, densities: zoo.Densities) -> ActivationTrace:
        return statistical_trace(card.shape, densities, TOKENS, seed=0, name=card.name)

    cards = {model: zoo.load_shape(name) for model, name in MODELS.items()}
    traces = {
        (model, variant): drawn(card, card.densities(variant))
        for model, card in cards.items()
        for variant in ("natural", "sparsified")
    }
    rows = {
        f"sp-{model}{'-natural' if variant == 'natural' else ''}": Measured(
            100 * average_sparsity(trace)
        )
        for (model, variant), trace in traces.items()
    }
    nominal = drawn(cards["3b"], cards["3b"].densities("sparsified").nominal())
    rows["sp-3b-chosen"] = Measured(100 * average_sparsity(nominal))
    rows["macs-3b"] = Measured(mac_ratio(traces["3b", "natural"], traces["3b", "sparsified"]))
    return rows


def values_row() -> dict[str, Measured | str]:
    """Events that differ between a compiled program and PyTorch, on the model that ships."""
    if find_spec("torch") is None:
        return {"values-torch": "skipped: torch is not installed"}
    from seneca_sim.chip.load import load_chip
    from workloads.compiler import lower, rwkv4_graph
    from workloads.compiler.check import check_values, verdict
    from workloads.job import shipped_inputs
    from workloads.job.prepare import prepare

    prepared = prepare(shipped_inputs(context=8, tokens=1))
    weights = {name: tensor.numpy() for name, tensor in prepared.model.weights.items()}
    trace = next(iter(prepared.traces.values()))
    sizes = {key: int(str(value)) for key, value in trace.shape.items() if key != "family"}
    program = lower(rwkv4_graph("shipped", sizes), load_chip("seneca-8x8").chip)
    found = [verdict(check_values(program, t, weights)) for t in prepared.traces.values()]
    # Values that are off without any event that is off count as one.
    wrong = sum(max(v.mask_differences, int(not v.passed)) for v in found)
    return {"values-torch": Measured(float(wrong))}
