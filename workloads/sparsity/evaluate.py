"""What thresholds cost: cross-entropy and bits per byte of a text, and the zeros on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.models.sites import SitedModel, Tap
from workloads.sparsity.batches import BATCH, WINDOW, Batch, as_tokens, batches
from workloads.sparsity.stats import ZeroCount, ZeroCounter, added, weighted_sparsity
from workloads.sparsity.thresholds import check_thresholds, threshold_tap

Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``, called after each piece of work."""

Map = Callable[..., list["Part"]]


@dataclass(frozen=True)
class Part:
    """What one batch gave: summed cross-entropy in nats, and zeros by site."""

    nats: float
    zeros: dict[str, ZeroCount]


@dataclass(frozen=True)
class Evaluation:
    """What one pass over a text gave.

    Attributes:
        nats: cross-entropy per predicted token.
        predicted: how many tokens were predicted.
        zeros: zeros by full site name.
        sparsity: share of the block MACs that they skip.
    """

    nats: float
    predicted: int
    zeros: dict[str, ZeroCount]
    sparsity: float

    @property
    def bits(self) -> float:
        """Bits per token: bits per byte for a model over bytes."""
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp of the cross-entropy per token."""
        return math.exp(self.nats)


def bits_per_byte(
    model: AnyModel,
    data: bytes,
    thresholds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> float:
    """Bits per byte of `data` under a byte-level model; see `evaluate`."""
    return evaluate(model, data, thresholds, progress=progress).bits


def evaluate(
    model: AnyModel,
    text: bytes | Tensor,
    thresholds: Mapping[str, float] | None = None,
    *,
    tap: Tap | None = None,
    window: int = WINDOW,
    batch: int = BATCH,
    progress: Progress | None = None,
    work_on: Map | None = None,
) -> Evaluation:
    """Predict every token of `text` but the first, window by window from the zero state.

    Args:
        model: the model.
        text: bytes, for a model over bytes, or tokens (N,).
        thresholds: T by full site name; none of them for the natural model.
        tap: what else to do at sites, instead of thresholds (Top-K, say).
        window: tokens per sequence; a model with fewer positions takes as many as it has.
        batch: sequences side by side.
        progress: called after each batch.
        work_on: a map for the batches, as `side_by_side` gives; None for one after another.

    Raises:
        InputError: text too short, unknown sites, or activations that are not numbers.
    """
    it = sited(model)
    names = [site.name for site in (*it.sites, *it.gates)]
    check_thresholds(thresholds or {}, names)
    inner = tap or threshold_tap(thresholds or {})
    counted = [site.name for site in it.sites]
    counted += [gate.name for gate in it.gates if gate.name in (thresholds or {})]
    work = batches(as_tokens(text, it.vocab), window_of(it, window), batch)
    done: list[int] = []

    def one(piece: Batch) -> Part:
        part = run_batch(it, piece, ZeroCounter(inner, counted))
        done.append(1)
        if progress is not None:
            progress(len(done), len(work), "evaluating")
        return part

    parts = work_on(one, work) if work_on else [one(piece) for piece in work]
    total = sum(part.nats for part in parts)
    if not math.isfinite(total):
        raise InputError(f"{first_bad(it, work[0].inputs)}; check the weights")
    predicted = sum(piece.targets.numel() for piece in work)
    zeros = added(part.zeros for part in parts)
    return Evaluation(total / predicted, predicted, zeros, weighted_sparsity(zeros, it))


def window_of(model: SitedModel, window: int) -> int:
    """`window`, or as many tokens as the model has positions."""
    return window if model.positions is None else min(window, model.positions)


def run_batch(model: SitedModel, batch: Batch, counter: ZeroCounter) -> Part:
    """Run a whole batch through the whole model."""
    total, at = 0.0, 0
    for carry in model.run(0, model.stages, model.start(batch.inputs), counter.tap):
        logits = model.logits(carry, counter.tap)
        total += summed_nats(logits, batch.targets[:, at : at + logits.shape[1]])
        at += logits.shape[1]
    return Part(total, counter.counts)


def summed_nats(logits: Tensor, targets: Tensor) -> float:
    """Sum of the cross-entropies of (B, T, V) against (B, T), added up in fp64."""
    flat = logits.reshape(-1, logits.shape[-1])
    return float(cross_entropy(flat, targets.reshape(-1), reduction="none").double().sum())


def first_bad(model: SitedModel, tokens: Tensor) -> str:
    """Where NaN or infinity comes up first."""
    bad: list[str] = []

    def tap(name: str, x: Tensor) -> Tensor:
        if not bool(torch.isfinite(x).all()):
            bad.append(name)
        return x

    for carry in model.run(0, model.stages, model.start(tokens), tap):
        model.logits(carry, tap)
    return f"{bad[0] if bad else 'activations'}: NaN or infinity among the activations"
