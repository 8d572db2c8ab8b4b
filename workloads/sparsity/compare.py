"""Which way of choosing keeps most accuracy at equal weighted sparsity: one table for a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.models.sites import SitedModel, Tap, no_tap
from workloads.sparsity.batches import BATCH, WINDOW, side_by_side
from workloads.sparsity.evaluate import Progress, evaluate
from workloads.sparsity.methods import TARGET_METHODS, Meeting, matched, meet
from workloads.sparsity.recipe import Recipe
from workloads.sparsity.tasks import Task
from workloads.sparsity.zeroshot import Score, Text, score


@dataclass(frozen=True)
class Row:
    """One method on the evaluation text and tasks.

    Attributes:
        method: its name; "natural" for the model as it is.
        sparsity: weighted sparsity on the evaluation text; NaN where the method has no answer.
        nats: cross-entropy per token there.
        scores: what it reached on the tasks.
        note: why there is no answer.
    """

    method: str
    sparsity: float
    nats: float
    scores: tuple[Score, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """Rows at one target."""

    target: float
    rows: tuple[Row, ...] = field(default=())

    @property
    def best(self) -> str:
        """The method that keeps the loss lowest, the natural model aside."""
        tried = [row for row in self.rows if row.method != "natural" and not row.note]
        return min(tried, key=lambda row: row.nats).method


def compare_methods(
    model: AnyModel,
    text: bytes | Tensor,
    *,
    target_sparsity: float | None = None,
    recipe: Recipe | None = None,
    evaluation: bytes | Tensor,
    tasks: Sequence[Task] = (),
    reader: Text | None = None,
    methods: Sequence[str] = TARGET_METHODS,
    window: int = WINDOW,
    batch: int = BATCH,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare methods at one weighted sparsity on the calibration text.

    A recipe of the sequential search takes part with its own thresholds, all times one factor
    where its sparsity is not the target.

    Args:
        model: the model.
        text: calibration text, bytes or tokens.
        target_sparsity: share of the block MACs to skip; None for that of the recipe.
        recipe: what the sequential search found; None to leave it out.
        evaluation: held-out text on which the loss is measured.
        tasks: zero-shot tasks to score as well.
        reader: how the model reads the tasks' text; None for bytes.
        methods: rivals to take part.
        window: tokens per sequence.
        batch: sequences side by side.
        workers: batches at once; None for one on each core.
        progress: called after each method.

    Raises:
        InputError: neither a target nor a recipe, or thresholds of another model.
    """
    it = sited(model)
    if recipe is not None:
        recipe.check_model(it.fingerprint())
    target = target_sparsity if target_sparsity is not None else recipe and recipe.sparsity
    if target is None:
        raise InputError("compare_methods: give target_sparsity, or a recipe for its sparsity")
    how: dict[str, Any] = {"window": window, "batch": batch, "workers": workers}
    names = ["natural", *(["sequential"] if recipe else []), *methods]
    rows = []
    for done, name in enumerate(names, 1):
        try:
            meeting = _meeting(it, text, target, name, recipe, how)
        except InputError as error:
            rows.append(Row(name, float("nan"), float("nan"), note=str(error)))
        else:
            rows.append(_row(it, name, meeting, evaluation, tasks, reader, how))
        if progress is not None:
            progress(done, len(names), name)
    return Comparison(target, tuple(rows))


def _meeting(
    model: SitedModel,
    text: bytes | Tensor,
    target: float,
    name: str,
    recipe: Recipe | None,
    how: dict[str, Any],
) -> Meeting | None:
    if name == "natural":
        return None
    if name == "sequential":
        assert recipe is not None
        return matched(model, text, recipe, target, **how)
    return meet(model, text, target, name, **how)


def _row(
    model: SitedModel,
    name: str,
    meeting: Meeting | None,
    evaluation: bytes | Tensor,
    tasks: Sequence[Task],
    reader: Text | None,
    how: dict[str, Any],
) -> Row:
    tap: Tap = no_tap if meeting is None else meeting.tap
    # Thresholds by name where there are some, so that the zeros of gates are counted.
    thresholds = meeting.thresholds if meeting and meeting.method != "topk" else None
    with side_by_side(how["workers"]) as work_on:
        found = evaluate(
            model, evaluation, thresholds, tap=None if thresholds else tap,
            window=how["window"], batch=how["batch"], work_on=work_on,
        )  # fmt: skip
        scores = tuple(score(model, t, reader, tap=tap, work_on=work_on) for t in tasks)
    return Row(name, found.sparsity, found.nats, scores)
