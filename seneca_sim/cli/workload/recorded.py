"""A model as a workload of studies: recorded once a number of tokens and set of thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from seneca_sim.cli.options import need_torch
from seneca_sim.cli.workload.base import (
    DENSE,
    LOSS_INC,
    NATURAL,
    RECIPE,
    SPARSIFIED,
    VARIANT,
    VARIANTS,
    StudyWorkload,
    Tell,
    masks_only,
)
from seneca_sim.cli.workload.files import file_hash, stamp_of, version_of
from seneca_sim.cli.workload.thresholds import search_of, searched_recipe
from seneca_sim.config.check import nearest
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.job import Inputs
    from workloads.traces import ActivationTrace

Recording = tuple[str, str, str, str, str]
"""Tokens, context, recipe, loss_inc, sequences: what a recording depends on."""


class RecordedModel(StudyWorkload):
    """A model of the zoo or a checkpoint, run on text.

    `workload.variant` is dense, natural or sparsified (the default where there are thresholds);
    thresholds are those that ship, a recipe (`sparsity.recipe`), or are searched for
    (`sparsity.loss_inc`) and remembered.
    """

    def __init__(self, workload: str, text: Path | None, *, measure: bool) -> None:
        from workloads.job import shipped_inputs

        self.workload, self.text, self.measure = workload, text, measure
        self.name = shipped_inputs(workload, text=text).name
        self._shape: dict[str, object] = {}
        self._traces: dict[tuple[Recording, str], ActivationTrace] = {}
        self._bits: dict[Recording, Mapping[str, float]] = {}

    @property
    def shape(self) -> Mapping[str, object]:
        """The model's dimensions, read from the checkpoint if nothing has been recorded."""
        if not self._shape:
            self._shape = _shape_of(self.workload, self.text)
        return self._shape

    def check(self, run: Mapping[str, str]) -> None:
        """A variant that exists, thresholds that can be read, text that is long enough."""
        variant = run[VARIANT]
        if variant and variant not in VARIANTS:
            raise InputError(
                f"--set {VARIANT}={variant}: expected {', '.join(VARIANTS)}"
                f"{nearest(variant, VARIANTS)}"
            )
        if run[RECIPE] and run[LOSS_INC]:
            raise InputError(
                f"--set {LOSS_INC}={run[LOSS_INC]}: {RECIPE} names thresholds already; give one"
            )
        if run[LOSS_INC]:
            _factor(run[LOSS_INC])
        inputs = self._inputs(_recording(run))
        if variant == SPARSIFIED and inputs.recipe is None and not run[LOSS_INC]:
            raise InputError(
                f"--set {VARIANT}={variant}: {self.name} comes without thresholds; give {RECIPE} "
                f"or {LOSS_INC}"
            )

    def content(self, run: Mapping[str, str]) -> Mapping[str, object]:
        """Weights, thresholds, text, and torch, whose sums decide which events there are."""
        from workloads.sparsity.recipe import recipe_text

        inputs = self._inputs(_recording(run))
        recipe = recipe_text(inputs.recipe) if inputs.recipe and not run[LOSS_INC] else ""
        evaluation = hashlib.sha256(inputs.evaluation).hexdigest() if self.measure else ""
        return {
            "weights": file_hash(inputs.weights),
            "recipe": recipe,
            "search": search_of() if run[LOSS_INC] else {},
            "text": hashlib.sha256(inputs.window).hexdigest(),
            "evaluation": evaluation,
            "torch": version_of("torch"),
        }

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """Run the model for every recording that some run needs."""
        wanted = dict.fromkeys(_recording(run) for run in runs)
        missing = [recording for recording in wanted if recording not in self._bits]
        if missing:
            need_torch("running a model")
        for recording in missing:
            self._record(recording, tell)
        return bool(missing)

    def _record(self, recording: Recording, tell: Tell) -> None:
        from workloads.job.prepare import accuracy, prepare

        inputs = self._inputs(recording)
        if recording[3]:
            recipe = searched_recipe(inputs, _factor(recording[3]), tell)
            inputs = replace(inputs, recipe=recipe)
        prepared = prepare(inputs, tell)
        traces = {NATURAL: prepared.traces[NATURAL], DENSE: prepared.traces[NATURAL].dense()}
        traces |= prepared.traces
        for variant, trace in traces.items():
            self._traces[recording, variant] = masks_only(trace)
        self._shape = dict(prepared.traces[NATURAL].shape)
        bits = accuracy(prepared.model, inputs, tell) if self.measure else {}
        self._bits[recording] = {**bits, **({DENSE: bits[NATURAL]} if NATURAL in bits else {})}

    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The trace of a run's variant."""
        recording = _recording(run)
        variant = run[VARIANT] or self._default(recording)
        return self._traces[recording, variant]

    def accuracy(self, run: Mapping[str, str]) -> Mapping[str, float]:
        """Bits per byte of a run's variant."""
        recording = _recording(run)
        variant = run[VARIANT] or self._default(recording)
        bits = self._bits[recording].get(variant)
        return {} if bits is None else {"bits_per_byte": bits}

    def _default(self, recording: Recording) -> str:
        return SPARSIFIED if (recording, SPARSIFIED) in self._traces else NATURAL

    def _inputs(self, recording: Recording) -> Inputs:
        tokens, context, recipe, _, batch = recording
        stamps = tuple(stamp_of(path) for path in (recipe, self.text or "") if path)
        return _inputs(self.workload, self.text, tokens, context, recipe, batch, stamps)


@lru_cache(maxsize=256)
def _inputs(
    workload: str, text: Path | None, tokens: str, context: str, recipe: str, batch: str,
    stamps: tuple[tuple[int, int], ...],
) -> Inputs:  # fmt: skip
    from workloads.job import shipped_inputs

    return shipped_inputs(
        workload,
        text=text,
        recipe=Path(recipe) if recipe else None,
        context=int(context),
        tokens=int(tokens),
        batch=int(batch),
    )


def _shape_of(workload: str, text: Path | None) -> dict[str, object]:
    """The dimensions of a checkpoint; nothing is run."""
    need_torch("reading a checkpoint")
    from workloads.job import shipped_inputs
    from workloads.job.load import load
    from workloads.traces.record import trace_shape

    return {**trace_shape(load(shipped_inputs(workload, text=text, context=0, tokens=1)))}


def _recording(run: Mapping[str, str]) -> Recording:
    size = run["workload.tokens"], run["workload.context"]
    return (*size, run[RECIPE], run[LOSS_INC], run["mapping.batch"])


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 10:
        raise InputError(f"--set {LOSS_INC}={text}: expected a factor from 1 up, as in 1.0005")
    return value
