"""How activity is spread over channels and tokens: what uniform noise would hide from a mapping.

`token_correlation` and `hot_channels` are the two options of `synthesise`, estimated from masks: a
recorded trace can be measured here and imitated there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.traces.sites import block_sites, family_of_shape, kind_of
from workloads.traces.trace import ActivationTrace


@dataclass(frozen=True)
class ChannelStats:
    """Activity of one kind of site, over all layers.

    Attributes:
        site: without its layer.
        density: share kept, mean over layers.
        gini: of the events of a layer's channels, 0 (all alike) to 1 (one has all), mean over
            layers; of few tokens it is mostly chance.
        variance: of the channels' shares of ones within a layer, mean over layers.
        always, never: share of channels that fire for every token, and for none.
        token_correlation: of a channel's bits at neighbouring tokens; None where there are fewer
            than three tokens or no bit varies.
        hot_channels: standard deviation of the channels' own shares over its largest possible,
            √(d (1 - d)), freed of chance; None as above.
    """

    site: str
    density: float
    gini: float
    variance: float
    always: float
    never: float
    token_correlation: float | None
    hot_channels: float | None


def channel_stats(trace: ActivationTrace) -> tuple[ChannelStats, ...]:
    """One row for each kind of block site, in forward order."""
    names = block_sites(trace.shape)
    return tuple(
        _stats(kind, [trace.sites[name].mask for name in names if kind_of(name) == kind])
        for kind in family_of_shape(trace.shape).kinds
    )


def gini(counts: NDArray[np.integer]) -> float:
    """Gini coefficient: mean absolute difference over twice the mean; 0 if nothing was counted."""
    ordered = np.sort(counts)
    total = int(ordered.sum())
    if total == 0:
        return 0.0
    n = ordered.size
    ranks = np.arange(1, n + 1)
    return float(2 * (ranks * ordered).sum() / (n * total) - (n + 1) / n)


def _stats(kind: str, masks: Sequence[NDArray[np.bool_]]) -> ChannelStats:
    counts = [mask.sum(axis=0) for mask in masks]
    tokens = masks[0].shape[0]
    correlation, hot = _model(masks)
    return ChannelStats(
        site=kind,
        density=float(np.mean([c.mean() / tokens for c in counts])),
        gini=float(np.mean([gini(c) for c in counts])),
        variance=float(np.mean([(c / tokens).var() for c in counts])),
        always=float(np.mean([(c == tokens).mean() for c in counts])),
        never=float(np.mean([(c == 0).mean() for c in counts])),
        token_correlation=correlation,
        hot_channels=hot,
    )


def _model(masks: Sequence[NDArray[np.bool_]]) -> tuple[float | None, float | None]:
    """Fit `synthesise`'s model to the correlations of all channels' bits one and two tokens apart.

    Around the layer's density they are r1 = h² + (1 - h²) c and r2 = h² + (1 - h²) c², so
    c = (1 - r2) / (1 - r1) - 1 and h² = 1 - (1 - r1) / (1 - c); chance is not in them.
    """
    if masks[0].shape[0] < 3:
        return None, None
    total = sum(d * (1 - d) for d in (float(mask.mean()) for mask in masks))
    if total == 0:
        return None, None
    near, far = (sum(_covariance(mask, lag) for mask in masks) / total for lag in (1, 2))
    if 1 - near < 1e-9:  # no bit ever changed: hot and cold channels explain it all
        return 0.0, 1.0
    correlation = (1 - far) / (1 - near) - 1
    hot_squared = 1 - (1 - near) / (1 - correlation) if correlation < 1 else 0.0
    return correlation, float(np.sqrt(max(hot_squared, 0.0)))


def _covariance(mask: NDArray[np.bool_], lag: int) -> float:
    """Mean product of bits `lag` tokens apart, around the density of the tokens compared."""
    first, second = mask[:-lag], mask[lag:]
    both = np.count_nonzero(first & second) / first.size
    return float(both - first.mean() * second.mean())
