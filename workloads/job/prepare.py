"""From a model and text to the traces of its variants and what they cost in accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from seneca_sim.errors import InputError
from workloads.job.accuracy import Progress, cached_bits_per_byte
from workloads.job.inputs import Inputs
from workloads.models import Rwkv4, content_hash, load_model
from workloads.traces import ActivationTrace
from workloads.traces.record import record

NATURAL, SPARSIFIED = "natural", "sparsified"


@dataclass(frozen=True)
class Prepared:
    """`traces` by variant: natural, and sparsified where there is a recipe."""

    model: Rwkv4
    traces: dict[str, ActivationTrace]


def prepare(inputs: Inputs, progress: Progress | None = None) -> Prepared:
    """Load the model and record it on the job's tokens.

    Raises:
        InputError: a checkpoint that cannot be used, or a recipe of another model.
    """
    model = load_model(inputs.weights)
    if model.shape.vocab != 256:
        raise InputError(
            f"{inputs.weights}: vocabulary of {model.shape.vocab}, but text is bytes (256); "
            "record a trace on your own tokens and replay it with --trace"
        )
    if inputs.recipe is not None:
        inputs.recipe.check_model(content_hash(model.weights))
    wanted: dict[str, dict[str, float] | None] = {NATURAL: None}
    if inputs.recipe is not None:
        wanted[SPARSIFIED] = inputs.recipe.thresholds
    traces: dict[str, ActivationTrace] = {}
    for variant, thresholds in wanted.items():
        if progress is not None:
            progress(len(traces), len(wanted), f"recording {variant}")
        traces[variant] = record(model, list(inputs.window), inputs.context, thresholds, variant)
    return Prepared(model, traces)


def accuracy(model: Rwkv4, inputs: Inputs, progress: Progress | None = None) -> dict[str, float]:
    """Bits per byte by variant on the job's evaluation text; empty without one."""
    if len(inputs.evaluation) < 2:
        return {}
    found = {NATURAL: cached_bits_per_byte(model, inputs.evaluation, None, progress)}
    if inputs.recipe is not None:
        thresholds = inputs.recipe.thresholds
        found[SPARSIFIED] = cached_bits_per_byte(model, inputs.evaluation, thresholds, progress)
    return found
