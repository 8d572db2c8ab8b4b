"""The threshold itself: y = x where |x| > T, else 0. A zero is an event that is never sent."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn.functional import hardshrink

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import Rwkv4Shape, site_names
from workloads.models.sites import Tap, check_site_names


def apply_threshold(x: Tensor, threshold: float) -> Tensor:
    """Zero what is not above `threshold` in size; the rest stays as it is, sign and all.

    NaN stays NaN: a broken activation must not pass for a silent one.
    """
    return hardshrink(x, threshold)


def threshold_tap(thresholds: Mapping[str, float]) -> Tap:
    """A tap that applies the threshold of each site that has one."""

    def tap(name: str, x: Tensor) -> Tensor:
        return apply_threshold(x, thresholds[name]) if name in thresholds else x

    return tap


def check_thresholds(
    thresholds: Mapping[str, float], known: Sequence[str] | Rwkv4Shape
) -> None:
    """Refuse sites that the model does not have, and thresholds that are not numbers from 0 up.

    Args:
        thresholds: T by full name of the site.
        known: full names of the model's sites, or the shape of an RWKV-4 for its own.

    Raises:
        InputError: names the first of them.
    """
    names = site_names(known.layers) if isinstance(known, Rwkv4Shape) else known
    check_site_names(list(thresholds), names)
    for name, threshold in thresholds.items():
        if not (math.isfinite(threshold) and threshold >= 0):
            raise InputError(f"thresholds: {name} is {threshold}; expected a number from 0 up")
