"""The threshold itself: y = x where |x| > T, else 0. A zero is an event that is never sent."""

import difflib
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import Rwkv4Shape, Tap, site_names


def apply_threshold(x: Tensor, threshold: float) -> Tensor:
    """Zero what is not above `threshold` in size; the rest stays as it is, sign and all.

    NaN stays NaN: a broken activation must not pass for a silent one.
    """
    return torch.where(x.abs() <= threshold, 0.0, x)


def threshold_tap(thresholds: Mapping[str, float]) -> Tap:
    """A tap that applies the threshold of each site that has one."""

    def tap(name: str, x: Tensor) -> Tensor:
        return apply_threshold(x, thresholds[name]) if name in thresholds else x

    return tap


def check_thresholds(thresholds: Mapping[str, float], shape: Rwkv4Shape) -> None:
    """Refuse sites that the model does not have, and thresholds that are not numbers from 0 up.

    Raises:
        InputError: names the first of them.
    """
    known = site_names(shape.layers)
    for name, threshold in thresholds.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"sites are {known[0]} … {known[-1]}"
            raise InputError(f"thresholds: unknown site {name!r}; {hint}")
        if not (math.isfinite(threshold) and threshold >= 0):
            raise InputError(f"thresholds: {name} is {threshold}; expected a number from 0 up")
