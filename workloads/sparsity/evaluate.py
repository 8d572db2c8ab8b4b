"""What thresholds cost: cross-entropy and bits per byte of a text, and the zeros on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import Rwkv4, Tap
from workloads.sparsity.batches import BATCH, WINDOW, as_tokens, batches, sequence_tiles
from workloads.sparsity.stats import ZeroCount, ZeroCounter, weighted_sparsity
from workloads.sparsity.thresholds import check_thresholds, threshold_tap

Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``, called after each piece of work."""


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


def bits_per_byte(
    model: Rwkv4,
    data: bytes,
    thresholds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> float:
    """Bits per byte of `data` under a byte-level model; see `evaluate`."""
    return evaluate(model, data, thresholds, progress=progress).bits


def evaluate(
    model: Rwkv4,
    text: bytes | Tensor,
    thresholds: Mapping[str, float] | None = None,
    *,
    window: int = WINDOW,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Evaluation:
    """Predict every token of `text` but the first, window by window from the zero state.

    Args:
        model: the model.
        text: bytes, for a model over bytes, or tokens (N,).
        thresholds: T by full site name; none of them for the natural model.
        window: tokens per sequence.
        batch: sequences side by side.
        progress: called after each batch.

    Raises:
        InputError: text too short, unknown sites, or activations that are not numbers.
    """
    check_thresholds(thresholds or {}, model.shape)
    counter = ZeroCounter(threshold_tap(thresholds or {}))
    work = batches(as_tokens(text, model.shape.vocab), window, batch)
    total = 0.0
    for done, piece in enumerate(work, 1):
        for logits, targets in sequence_tiles(model, piece, counter.tap):
            total += summed_nats(logits, targets)
        if progress is not None:
            progress(done, len(work), "evaluating")
    if not math.isfinite(total):
        raise InputError(f"{_first_bad(model, work[0].inputs)}; check the weights")
    predicted = sum(piece.targets.numel() for piece in work)
    sparsity = weighted_sparsity(counter.counts, model.shape)
    return Evaluation(total / predicted, predicted, counter.counts, sparsity)


def summed_nats(logits: Tensor, targets: Tensor) -> float:
    """Sum of the cross-entropies of (B, T, V) against (B, T), added up in fp64."""
    flat = logits.reshape(-1, logits.shape[-1])
    return float(cross_entropy(flat, targets.reshape(-1), reduction="none").double().sum())


def _first_bad(model: Rwkv4, tokens: Tensor) -> str:
    bad: list[str] = []
    model.sequence(tokens, tap=_spotting(bad))
    return f"{bad[0] if bad else 'activations'}: NaN or infinity among the activations"


def _spotting(bad: list[str]) -> Tap:
    def tap(name: str, x: Tensor) -> Tensor:
        if not bool(torch.isfinite(x).all()):
            bad.append(name)
        return x

    return tap
