"""Top-K: keep the K largest values of every token, whatever their size.

It needs a sort in front of every matrix, which no event-driven chip does; it serves as a rival
to compare with and, in the older variant of the search, as the judge of a density, whose mean
smallest survivor is then the threshold.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workloads.models.sites import Tap
from workloads.sparsity.calibrate import check_finite


def kept(channels: int, density: float) -> int:
    """How many of `channels` a density keeps: the nearest whole number, at least one."""
    return max(1, round(density * channels))


def apply_topk(x: Tensor, density: float) -> Tensor:
    """Keep the largest values in size of each token of `x` (..., channels), zero the rest.

    Of equals exactly as many stay as there is room for; NaN stays, as it counts as the largest.
    """
    top = x.abs().topk(kept(x.shape[-1], density), sorted=False).indices
    return torch.zeros_like(x).scatter_(-1, top, x.gather(-1, top))


def topk_tap(densities: Mapping[str, float]) -> Tap:
    """A tap that keeps the share of each site that has one."""

    def tap(name: str, x: Tensor) -> Tensor:
        return apply_topk(x, densities[name]) if name in densities else x

    return tap


def batch_survivors(x: Tensor, densities: Sequence[float], where: str) -> Tensor:
    """The smallest survivor of each token, mean over the tokens of a batch, fp64, for each K.

    Raises:
        InputError: NaN or infinity among the activations.
    """
    check_finite(x, where)
    ordered = x.float().abs().sort(-1, descending=True).values
    last = [kept(x.shape[-1], density) - 1 for density in densities]
    return ordered[..., last].flatten(0, -2).double().mean(0)
