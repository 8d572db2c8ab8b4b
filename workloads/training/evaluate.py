"""Bits per byte of a module over a text, by the measure of `workloads.sparsity.evaluate`.

Windows one after another, each from the zero state; every byte but the first is predicted once;
fp32; sums in fp64. The remainder after the last whole window is a shorter window. What is done
there with the model that ships is done here with the module that trains, on its device.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

PEEK_EVERY = 3
"""One window in so many is looked at while training, to choose when to stop; the others are
looked at once, at the end."""


@dataclass(frozen=True)
class Score:
    """Summed loss over windows.

    Attributes:
        nats: sum over all predicted bytes.
        predicted: how many.
    """

    nats: float
    predicted: int

    @property
    def bits(self) -> float:
        """Bits per byte."""
        return self.nats / self.predicted / math.log(2)

    def __add__(self, other: "Score") -> "Score":
        return Score(self.nats + other.nats, self.predicted + other.predicted)


@dataclass(frozen=True)
class HeldOut:
    """The held-out text in windows: those looked at while training, and the others."""

    peeked: list[Tensor]
    unseen: list[Tensor]


def held_out(tokens: Tensor, window: int) -> HeldOut:
    """Cut `tokens` (N,) into windows (T + 1,) that overlap by the byte between them."""
    starts = range(0, len(tokens) - 1, window)
    windows = [tokens[s : s + window + 1] for s in starts]
    peeked = windows[::PEEK_EVERY]
    return HeldOut(peeked, [w for i, w in enumerate(windows) if i % PEEK_EVERY])


@torch.no_grad()
def score(model: nn.Module, windows: list[Tensor], batch: int) -> Score:
    """Predict every byte of each window but its first."""
    was_training = model.training
    model.eval()
    nats, predicted = 0.0, 0
    for group in _batches(windows, batch):
        tokens = torch.stack(group).long()
        logits = model(tokens[:, :-1]).flatten(0, 1)
        losses = cross_entropy(logits, tokens[:, 1:].flatten(), reduction="none")
        nats += float(losses.double().sum())
        predicted += len(losses)
    model.train(was_training)
    return Score(nats, predicted)


def _batches(windows: list[Tensor], batch: int) -> list[list[Tensor]]:
    """Windows of one length side by side, `batch` at most."""
    by_length: dict[int, list[Tensor]] = {}
    for window in windows:
        by_length.setdefault(len(window), []).append(window)
    return [same[i : i + batch] for same in by_length.values() for i in range(0, len(same), batch)]
