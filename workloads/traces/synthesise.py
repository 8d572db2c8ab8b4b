"""Traces without a model: masks drawn from stated densities, for models too large to run.

The model of a channel is a chain of two states. Its next bit is drawn with probability
p + c (last bit - p): the share of ones stays p, and the correlation of neighbouring tokens is c.
A channel's p is the site's density d, or, with hot channels, d + v (h - d): h is 1 for a share d of
the channels and 0 for the others, and v, from 0 to 1, says how far each is drawn towards its end.
The mean over channels stays d, and the variance is E[v²] d (1 - d).

Nothing but additions, products, square roots and comparisons of PCG64's doubles goes in, all of
them exact by IEEE 754, so a seed gives the same bytes on every machine and with every NumPy.
"""

from collections.abc import Mapping
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from workloads.traces.sites import (
    TraceShape,
    block_sites,
    check_names,
    check_shape,
    family_of_shape,
    kind_of,
    site_widths,
)
from workloads.traces.trace import ActivationTrace, SiteTrace


def synthesise(
    shape: TraceShape,
    densities: Mapping[str, float],
    *,
    tokens: int,
    seed: int,
    token_correlation: float = 0.0,
    hot_channels: float = 0.0,
    variant: str = "synthetic",
    model: str | None = None,
) -> ActivationTrace:
    """Draw the masks of a trace; no values, all token ids 0.

    Each site has its own random stream, so that changing one density moves no other mask; with the
    same seed and options, a lower density keeps a subset of the events of a higher one.

    Args:
        shape: dimensions of the model.
        densities: share kept, 0 to 1, by full name (`blocks.3.att.key`) or for all layers by kind
            (`att.key`); the full name wins. Every block site must be covered.
        tokens: number of tokens.
        seed: not negative; the same arguments give the same trace.
        token_correlation: of a channel's bits at neighbouring tokens, 0 (independent) up to, but
            not including, 1.
        hot_channels: standard deviation of the channels' shares of ones over its largest possible,
            √(d (1 - d)): 0 (all channels alike) to 1 (each always or never fires).
        variant: the trace's variant.
        model: the trace's model; by default a text that says how it was drawn.
    """
    shape = check_shape(shape)
    check_names("site", densities, [*block_sites(shape), *family_of_shape(shape).kinds])
    check_draw(tokens, seed, token_correlation, hot_channels)
    widths = site_widths(shape)
    names = block_sites(shape)
    streams = np.random.SeedSequence(seed).spawn(len(names))
    sites = {
        name: _draw(
            np.random.Generator(np.random.PCG64(stream)),
            (tokens, widths[name]),
            _density(name, densities),
            token_correlation,
            hot_channels,
        )
        for name, stream in zip(names, streams, strict=True)
    }
    how = f"seed={seed}, token_correlation={token_correlation}, hot_channels={hot_channels}"
    return ActivationTrace(
        shape, model or f"synthetic({how})", variant, np.zeros(tokens, np.int32), sites
    )


def _draw(
    rng: np.random.Generator, size: tuple[int, int], density: float, correlation: float, hot: float
) -> SiteTrace:
    """Draw one token after the other, so that memory holds no more than the bits themselves."""
    tokens, width = size
    share = channel_shares(rng, width, density, hot)
    mask = np.empty(size, np.bool_)
    mask[0] = rng.random(width) < share
    for token in range(1, tokens):
        chance = share + correlation * (mask[token - 1] - share) if correlation else share
        mask[token] = rng.random(width) < chance
    return SiteTrace(width, mask)


def channel_shares(
    rng: np.random.Generator, width: int, density: float, hot: float
) -> NDArray[np.float64] | float:
    """Share of ones of each channel: mean `density`, variance hot² density (1 - density).

    v is uniform on [0, √3 hot], or on [low, 1] where that would pass 1, with E[v²] = hot².
    """
    if hot == 0 or density in (0, 1):
        return density
    is_hot = rng.random(width) < density
    if 3 * hot * hot <= 1:
        low, high = 0.0, sqrt(3.0) * hot
    else:  # (1 + low + low²) / 3 = hot²
        low, high = (sqrt(12 * hot * hot - 3) - 1) / 2, 1.0
    pull = low + (high - low) * rng.random(width)
    shares: NDArray[np.float64] = density + pull * (is_hot - density)
    return shares


def _density(name: str, densities: Mapping[str, float]) -> float:
    value = densities.get(name, densities.get(kind_of(name)))
    if value is None:
        raise InputError(f"no density for site {name}; give {name!r} or {kind_of(name)!r}")
    if not 0 <= value <= 1:
        raise InputError(f"density of {name} is {value}; expected 0 to 1")
    return value


def check_draw(tokens: int, seed: int, token_correlation: float, hot_channels: float) -> None:
    """Raise an `InputError` for arguments of a drawing that mean nothing."""
    if tokens < 1:
        raise InputError(f"tokens is {tokens}; expected at least 1")
    if seed < 0:
        raise InputError(f"seed is {seed}; expected an integer >= 0")
    if not 0 <= token_correlation < 1:
        raise InputError(
            f"token_correlation is {token_correlation}; expected 0 <= token_correlation < 1"
        )
    if not 0 <= hot_channels <= 1:
        raise InputError(f"hot_channels is {hot_channels}; expected 0 to 1")
