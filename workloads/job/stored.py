"""The model as a chip stores it: matrices rounded to the program's weights, the rest exact."""

from __future__ import annotations

import torch

from seneca_sim.functional.quantise import quantise
from workloads.compiler.precision import precision
from workloads.job.inputs import Inputs
from workloads.job.prepare import Prepared, recorded
from workloads.models.load import Loaded
from workloads.traces import ActivationTrace


def as_stored(
    prepared: Prepared, inputs: Inputs, bits: str
) -> tuple[Loaded, dict[str, tuple[ActivationTrace, ...]]]:
    """Round the matrices alike and record the traces of what that model does, by sequence.

    Args:
        prepared: model and traces at full precision.
        inputs: the tokens that the traces were recorded on.
        bits: ``bf16`` (values are checked at fp32, where nothing is rounded), ``int8`` or ``int4``.
    """
    if bits == "bf16":
        return prepared.model, prepared.pieces
    width = precision(bits).bits
    weights = {
        name: torch.from_numpy(quantise(tensor.numpy(), width).dequantised())
        if tensor.dim() == 2 and name != "emb.weight"
        else tensor
        for name, tensor in prepared.model.weights.items()
    }
    model = prepared.model.with_weights(weights)
    pieces = {
        variant: recorded(model, inputs, trace.thresholds or None, variant)
        for variant, trace in prepared.traces.items()
    }
    return model, pieces
