"""From the share of values to keep to a threshold: the mean quantile over calibration tokens."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from seneca_sim.errors import InputError


def token_quantiles(x: Tensor, densities: Sequence[float]) -> Tensor:
    """The (1 - K)-quantiles of |x| over the channels of each token, in fp32.

    Between two order statistics the quantile is interpolated linearly, as `torch.quantile` and
    `numpy.quantile` do; sorting once serves all K, and has no limit on the size of `x`.

    Args:
        x: activations (..., channels).
        densities: the shares K to keep, each in (0, 1].

    Returns:
        (..., len(densities)).
    """
    ordered = x.float().abs().sort(-1).values
    ranks = [(1 - k) * (x.shape[-1] - 1) for k in densities]
    low = ordered[..., [math.floor(rank) for rank in ranks]]
    high = ordered[..., [math.ceil(rank) for rank in ranks]]
    return torch.lerp(low, high, torch.tensor([rank % 1 for rank in ranks], device=x.device))


def batch_quantiles(x: Tensor, densities: Sequence[float], where: str) -> Tensor:
    """The mean over the tokens of one batch, fp64, (len(densities),).

    Raises:
        InputError: NaN or infinity among the activations.
    """
    check_finite(x, where)
    return token_quantiles(x, densities).flatten(0, -2).double().mean(0)


def mean_over_batches(means: Sequence[Tensor], where: str) -> list[float]:
    """The mean of what the batches gave.

    Raises:
        InputError: there is no batch.
    """
    if not means:
        raise InputError(f"{where}: no activations to calibrate on")
    # The fp32 value is the threshold, so that every later comparison sees the same number.
    return [float(t) for t in torch.stack(list(means)).mean(0).float()]


def check_finite(x: Tensor, where: str) -> None:
    """Refuse what no threshold can be found for.

    Raises:
        InputError: NaN or infinity among the activations.
    """
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"{where}: NaN or infinity among the activations; check the weights")
