"""Traces without a model: masks drawn from stated densities, for models too large to run."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seneca_sim.errors import InputError
from workloads.traces.sites import (
    BLOCK_SITES,
    TraceShape,
    block_sites,
    check_names,
    check_shape,
    kind_of,
    width_of,
)
from workloads.traces.trace import ActivationTrace, SiteTrace


def synthesise(
    shape: TraceShape,
    densities: Mapping[str, float],
    *,
    tokens: int,
    seed: int,
    spread: float = 0.0,
    variant: str = "synthetic",
) -> ActivationTrace:
    """Draw the masks of a trace; no values, all token ids 0.

    Every (token, channel) is drawn by itself. Its probability is the site's density d, or with
    `spread` s > 0 the channel's own, fixed over the tokens and drawn from the Beta distribution of
    mean d and standard deviation s sqrt(d (1 - d)): hot and cold channels. Each site has its own
    random stream, so that changing one density moves no other mask.

    Args:
        shape: dimensions of the model.
        densities: share kept, 0 to 1, by full name (`blocks.3.att.key`) or for all layers by kind
            (`att.key`); the full name wins. Every block site must be covered.
        tokens: number of tokens.
        seed: not negative; the same arguments give the same trace.
        spread: 0 (independent) up to, but not including, 1 (a channel always or never fires).
        variant: the trace's variant.
    """
    shape = check_shape(shape)
    check_names("site", densities, [*block_sites(shape), *BLOCK_SITES])
    _check_draw(tokens, seed, spread)
    names = block_sites(shape)
    streams = np.random.SeedSequence(seed).spawn(len(names))
    sites = {
        name: _draw(
            stream, (tokens, width_of(kind_of(name), shape)), _density(name, densities), spread
        )
        for name, stream in zip(names, streams, strict=True)
    }
    model = f"synthetic(seed={seed}, spread={spread})"
    return ActivationTrace(shape, model, variant, np.zeros(tokens, np.int32), sites)


def _draw(
    stream: np.random.SeedSequence, size: tuple[int, int], density: float, spread: float
) -> SiteTrace:
    rng = np.random.Generator(np.random.PCG64(stream))
    return SiteTrace(size[1], rng.random(size) < _channels(rng, size[1], density, spread))


def _channels(
    rng: np.random.Generator, width: int, density: float, spread: float
) -> NDArray[np.float64] | float:
    """Probabilities of the channels. Beta(a, b) has variance d (1 - d) / (a + b + 1)."""
    if spread == 0 or density in (0, 1):
        return density
    total = 1 / spread**2 - 1
    return rng.beta(density * total, (1 - density) * total, width)


def _density(name: str, densities: Mapping[str, float]) -> float:
    value = densities.get(name, densities.get(kind_of(name)))
    if value is None:
        raise InputError(f"no density for site {name}; give {name!r} or {kind_of(name)!r}")
    if not 0 <= value <= 1:
        raise InputError(f"density of {name} is {value}; expected 0 to 1")
    return value


def _check_draw(tokens: int, seed: int, spread: float) -> None:
    if tokens < 1:
        raise InputError(f"tokens is {tokens}; expected at least 1")
    if seed < 0:
        raise InputError(f"seed is {seed}; expected an integer >= 0")
    if not 0 <= spread < 1:
        raise InputError(f"spread is {spread}; expected 0 <= spread < 1")
