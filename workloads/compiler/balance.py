"""Balance by measured events: how often each channel of every site is sent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.traces import ActivationTrace


def activity_of(trace: ActivationTrace) -> dict[str, NDArray[np.float64]]:
    """For each site of a trace the mean of its mask, [width]."""
    return {name: site.mask.mean(axis=0) for name, site in trace.sites.items()}
