"""Rows of the validation table that need a workload: published sparsity, and values by PyTorch."""

from __future__ import annotations

import csv
from importlib.resources import files
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING, Final

from seneca_sim.validate import Measured

if TYPE_CHECKING:
    from workloads.traces import ActivationTrace

SHAPES: Final = {"3b": (32, 2560), "15b": (24, 2048)}
"""Layers and width of RWKV-4 3B and 1.5B; the FFN is four times as wide."""
SITES: Final = ("att.key", "att.val", "att.rec", "att.out", "ffn.key", "ffn.rec", "ffn.val")
TOKENS: Final = 2


def sparsity_rows() -> dict[str, Measured]:
    """Average sparsities, and the ratio of MACs, of traces drawn from published tables."""
    from workloads.traces import average_sparsity, mac_ratio

    traces = {(line["model"], line["variant"]): _drawn(line) for line in _table("rwkv4-zeros.csv")}
    rows = {
        f"sp-{model}{'-natural' if variant == 'natural' else ''}": Measured(
            100 * average_sparsity(trace)
        )
        for (model, variant), trace in traces.items()
    }
    rows["sp-3b-chosen"] = Measured(100 * average_sparsity(_chosen()))
    rows["macs-3b"] = Measured(mac_ratio(traces["3b", "natural"], traces["3b", "sparsified"]))
    return rows


def _table(name: str) -> list[dict[str, str]]:
    text = files("seneca_sim.validate").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _drawn(line: dict[str, str]) -> ActivationTrace:
    """A trace with the zeros (in percent, mean over layers) of one line of the table."""
    densities = {site: 1 - float(line[site]) / 100 for site in SITES}
    return _trace(line["model"], densities)


def _chosen() -> ActivationTrace:
    """A trace with the shares kept that the published search chose, layer by layer."""
    lines = _table("rwkv4-3b-chosen.csv")
    named = {
        f"blocks.{line['layer']}.{site}": float(line[site]) for line in lines for site in SITES
    }
    means = {site: fmean(float(line[site]) for line in lines) for site in SITES}
    return _trace("3b", {**means, **named})


def _trace(model: str, densities: dict[str, float]) -> ActivationTrace:
    from workloads.traces import TraceShape, synthesise

    layers, width = SHAPES[model]
    shape = TraceShape(family="rwkv4", layers=layers, width=width, ffn=4 * width, vocab=50277)
    return synthesise(shape, densities, tokens=TOKENS, seed=0)


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
