"""TEAL's greedy allocation (arXiv 2408.14690): which site of a block gives up how much.

Each block sees its natural input. All its sites start dense; again and again the one step is
taken that changes the block's output least, where a step at a site saves the same share of the
block's MACs whatever the site's size, until the block as a whole is as sparse as asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.models.sites import Carry, Site, SitedModel, joined, no_tap
from workloads.sparsity.thresholds import threshold_tap

STEP = 0.05
"""Share of a block's MACs that one step saves."""

SPARSEST = 0.95
"""No site is asked for more than this."""


@dataclass(frozen=True)
class Table:
    """Thresholds by site for falling densities.

    Attributes:
        densities: the densities, the first of which is 1.
        thresholds: one threshold for each of them, by full name of the site.
    """

    densities: tuple[float, ...]
    thresholds: dict[str, tuple[float, ...]]

    def at(self, name: str, density: float) -> float:
        """The threshold for any density of the range, linearly between measured ones."""
        step = self.densities[0] - self.densities[1]
        place = min((self.densities[0] - density) / step, len(self.densities) - 1.0)
        low = int(place)
        high = min(low + 1, len(self.densities) - 1)
        known = self.thresholds[name]
        value = known[low] + (known[high] - known[low]) * (place - low)
        return float(torch.tensor(value))  # fp32, as the comparison sees it


def greedy_densities(
    model: SitedModel, tokens: Tensor, table: Table, target: float
) -> dict[str, float]:
    """Densities by site, block by block.

    Args:
        model: the model.
        tokens: calibration windows (B, T).
        table: thresholds of all sites.
        target: share of each block's MACs to skip.
    """
    carry = model.start(tokens)
    out: dict[str, float] = {}
    blocks = sorted({site.block for site in model.sites})
    ends = _ends(model, blocks)
    first = 0
    for block in blocks:
        sites = [site for site in model.sites if site.block == block]
        share = model.block_macs / len(blocks)
        clean = joined(list(model.run(first, ends[block], carry, no_tap)))
        out |= _one_block(model, (first, ends[block]), carry, clean, sites, table, target * share)
        carry, first = clean, ends[block]
    return out


def _one_block(
    model: SitedModel,
    stages: tuple[int, int],
    carry: Carry,
    clean: Carry,
    sites: list[Site],
    table: Table,
    wanted: float,
) -> dict[str, float]:
    """Take the cheapest step until `wanted` MACs are saved, or none is left to take."""
    sparsity = {site.name: 0.0 for site in sites}
    step = STEP * sum(site.macs for site in sites)

    def saved(at: Mapping[str, float]) -> float:
        return sum(site.macs * at[site.name] for site in sites)

    while saved(sparsity) < wanted * (1 - 1e-9):  # steps are sums of floats
        choices = [
            {**sparsity, site.name: min(SPARSEST, sparsity[site.name] + step / site.macs)}
            for site in sites
            if sparsity[site.name] < SPARSEST
        ]
        if not choices:
            break
        errors = [_error(model, stages, carry, clean, table, at) for at in choices]
        sparsity = choices[min(range(len(errors)), key=errors.__getitem__)]
    return {name: 1 - s for name, s in sparsity.items()}


def _error(
    model: SitedModel,
    stages: tuple[int, int],
    carry: Carry,
    clean: Carry,
    table: Table,
    sparsity: Mapping[str, float],
) -> float:
    """The distance between the block's output and its natural one."""
    tap = threshold_tap({name: table.at(name, 1 - s) for name, s in sparsity.items() if s > 0})
    found = joined(list(model.run(*stages, carry, tap)))
    return float((found[0] - clean[0]).norm())


def _ends(model: SitedModel, blocks: list[int]) -> dict[int, int]:
    """The stage behind each block: where the next one begins."""
    starts = {b: min(s.stage for s in model.sites if s.block == b) for b in blocks}
    following = [*[starts[b] for b in blocks[1:]], model.stages]
    return dict(zip(blocks, following, strict=True))
