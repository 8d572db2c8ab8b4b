"""Sparsity against loss and accuracy: the same model under several recipes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from workloads.models.sited import AnyModel, sited
from workloads.sparsity.batches import WINDOW, side_by_side
from workloads.sparsity.evaluate import Progress, evaluate
from workloads.sparsity.recipe import Recipe
from workloads.sparsity.stats import mean_by_kind
from workloads.sparsity.tasks import Task
from workloads.sparsity.thresholds import threshold_tap
from workloads.sparsity.zeroshot import Score, Text, score

NATURAL = "natural"


@dataclass(frozen=True)
class Point:
    """One setting.

    Attributes:
        label: "natural", or what the thresholds are called.
        nats: cross-entropy per token of the evaluation text.
        tokens: how many were predicted.
        sparsity: share of the block MACs that zeros skip.
        zeros: share of zeros by kind of site, mean over blocks.
        scores: what the model reached on the tasks.
    """

    label: str
    nats: float
    tokens: int
    sparsity: float
    zeros: dict[str, float]
    scores: tuple[Score, ...]


def measure_points(
    model: AnyModel,
    text: bytes | Tensor,
    settings: Mapping[str, Mapping[str, float]],
    tasks: Sequence[Task] = (),
    reader: Text | None = None,
    *,
    window: int = WINDOW,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Point]:
    """Measure a model under several sets of thresholds.

    Args:
        model: the model.
        text: evaluation text, bytes or tokens.
        settings: label to thresholds; none of them for the natural model.
        tasks: zero-shot tasks.
        reader: how the model reads the tasks' text; None for bytes.
        window: tokens per sequence.
        workers: batches at once; None for one on each core.
        progress: called after each measurement.
    """
    it = sited(model)
    points, done, total = [], 0, len(settings) * (1 + len(tasks))
    with side_by_side(workers) as work_on:
        for label, thresholds in settings.items():
            found = evaluate(it, text, thresholds, window=window, work_on=work_on)
            scores = []
            for task in tasks:
                done += 1
                if progress is not None:
                    progress(done, total, f"{label}: {task.name}")
                scores.append(
                    score(it, task, reader, tap=threshold_tap(thresholds), work_on=work_on)
                )
            done += 1
            if progress is not None:
                progress(done, total, label)
            zeros = mean_by_kind(found.zeros, it.sites)
            points.append(
                Point(label, found.nats, found.predicted, found.sparsity, zeros, tuple(scores))
            )
    return points


def settings_of(recipes: Sequence[Recipe], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """The natural model first, then the thresholds of each recipe under its label."""
    return {NATURAL: {}, **{n: r.thresholds for n, r in zip(labels, recipes, strict=True)}}
