"""The optimiser, its schedule, and the running average of the weights that is kept."""

import math

import torch
from torch import nn

BETAS = (0.9, 0.99)


def optimiser(model: nn.Module, weight_decay: float, fused: bool) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and none on vectors; the schedule sets its rate."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=fused)


def learning_rate(step: int, total: int | None, peak: float, warmup: int, final: float) -> float:
    """The rate of `step`, counted from 0: linear growth, then a cosine down to `final` of it.

    `total` may be unknown, None, during the warm-up.
    """
    if step < warmup or total is None:
        return peak * (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move `average` towards `model` after `step`, counted from 0.

    The first steps weigh more, so that the average does not drag the initial weights along.
    """
    decay = min(decay, (1 + step) / (10 + step)) if decay else 0.0
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)
