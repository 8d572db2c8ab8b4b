"""From a model and text to the traces of its variants and what they cost in accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch

from workloads.job.accuracy import Progress, cached_bits_per_byte
from workloads.job.inputs import Inputs
from workloads.job.load import load_over_bytes
from workloads.models.load import Loaded
from workloads.traces import ActivationTrace, in_turns
from workloads.traces.record import record

NATURAL, SPARSIFIED = "natural", "sparsified"


@dataclass(frozen=True)
class Prepared:
    """What a model does on a job's tokens.

    Attributes:
        model: what ran.
        traces: by variant: natural, and sparsified where there is a recipe; several sequences
            take turns.
        pieces: the same, sequence by sequence, each with the state before its first token.
    """

    model: Loaded
    traces: dict[str, ActivationTrace]
    pieces: dict[str, tuple[ActivationTrace, ...]]


def prepare(inputs: Inputs, progress: Progress | None = None) -> Prepared:
    """Load the model and record it on the job's tokens.

    Raises:
        InputError: a checkpoint that cannot be used, or a recipe of another model.
    """
    model = load_over_bytes(inputs, "record a trace on your own tokens and replay it with --trace")
    wanted = variants(inputs)
    pieces: dict[str, tuple[ActivationTrace, ...]] = {}
    for variant, thresholds in wanted.items():
        if progress is not None:
            progress(len(pieces), len(wanted), f"recording {variant}")
        with _one_torch_thread():
            pieces[variant] = recorded(model, inputs, thresholds, variant)
    return Prepared(model, {name: in_turns(found) for name, found in pieces.items()}, pieces)


def recorded(
    model: Loaded, inputs: Inputs, thresholds: Mapping[str, float] | None, variant: str
) -> tuple[ActivationTrace, ...]:
    """Record a model on every sequence of a job, each from the empty state."""
    return tuple(
        record(model, list(window), inputs.context, thresholds, variant)
        for window in inputs.windows
    )


def accuracy(model: Loaded, inputs: Inputs, progress: Progress | None = None) -> dict[str, float]:
    """Bits per byte by variant on the job's evaluation text; empty without one."""
    if len(inputs.evaluation) < 2:
        return {}
    wanted = variants(inputs)
    measure = partial(cached_bits_per_byte, model, inputs.evaluation, progress=progress)
    # One thread for each variant, not several for one: torch's own threads wait for each other
    # after every operation, which is very slow on a busy machine.
    with _one_torch_thread(), ThreadPoolExecutor(len(wanted)) as pool:
        return dict(zip(wanted, pool.map(measure, wanted.values()), strict=True))


def variants(inputs: Inputs) -> dict[str, dict[str, float] | None]:
    """Thresholds by variant: natural, and sparsified where there is a recipe."""
    variants: dict[str, dict[str, float] | None] = {NATURAL: None}
    if inputs.recipe is not None:
        variants[SPARSIFIED] = inputs.recipe.thresholds
    return variants


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Let torch compute in the calling thread: the same sums, and so bits, on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
