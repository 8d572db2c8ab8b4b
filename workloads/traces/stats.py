"""What the zeros of a trace are worth: zeros per site, average sparsity, surviving MACs.

An event at a block site wakes one column of the site's matrix, so each zero saves as many MACs as
the matrix has rows. Counts are exact integers; shares and ratios are derived from them.
"""

from dataclasses import dataclass

from seneca_sim.errors import InputError
from workloads.traces.sites import BLOCK_SITES, block_sites, fan_out, kind_of, layer_of
from workloads.traces.trace import ActivationTrace


@dataclass(frozen=True)
class SiteZeros:
    """Zeros of one block site in one layer, over all tokens; one row of a tidy table."""

    layer: int
    site: str
    zeros: int
    total: int

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0 to 1."""
        return self.zeros / self.total


@dataclass(frozen=True)
class MacCount:
    """Multiply-accumulates of a trace, over all its tokens.

    Attributes:
        tokens: number of tokens.
        surviving: MACs of the block matrices for the events that were sent.
        dense: MACs of the block matrices if nothing were skipped.
        head: MACs of the head, which is never thresholded.
    """

    tokens: int
    surviving: int
    dense: int
    head: int

    @property
    def sparsity(self) -> float:
        """Share of block MACs skipped, 0 to 1."""
        return 1 - self.surviving / self.dense

    def per_token(self, *, head: bool = False) -> float:
        """Mean surviving MACs per token, block only or with the head."""
        return (self.surviving + head * self.head) / self.tokens


def zeros_by_site(trace: ActivationTrace) -> tuple[SiteZeros, ...]:
    """One row per layer and block site, in forward order."""
    return tuple(_row(name, trace) for name in block_sites(trace.shape))


def mean_sparsity(trace: ActivationTrace) -> dict[str, float]:
    """Share of zeros of each kind of site, mean over layers, as the literature tabulates it."""
    rows = zeros_by_site(trace)
    layers = trace.shape["layers"]
    return {kind: sum(r.sparsity for r in rows if r.site == kind) / layers for kind in BLOCK_SITES}


def average_sparsity(trace: ActivationTrace) -> float:
    """Share of zeros over all block sites, each weighted by its matrix; 0 to 1.

    With ffn = 4 width the weights are 4/13 for ffn.key and ffn.val and 1/13 for the other five, as
    in arXiv 2501.16337. It equals the share of block MACs skipped.
    """
    return count_macs(trace).sparsity


def count_macs(trace: ActivationTrace) -> MacCount:
    """Surviving and dense MACs of the block matrices, and those of the head."""
    shape, tokens = trace.shape, trace.tokens.size
    sites = [(trace.sites[n], fan_out(kind_of(n), shape)) for n in block_sites(shape)]
    return MacCount(
        tokens=tokens,
        surviving=sum(site.survivors * rows for site, rows in sites),
        dense=sum(site.mask.size * rows for site, rows in sites),
        head=shape["vocab"] * shape["width"] * tokens,
    )


def mac_ratio(more: ActivationTrace, fewer: ActivationTrace, *, head: bool = False) -> float:
    """Surviving MACs per token of `more` over those of `fewer`, say natural over sparsified."""
    if more.shape != fewer.shape:
        raise InputError(f"traces of two shapes cannot be compared: {more.shape}, {fewer.shape}")
    denominator = count_macs(fewer).per_token(head=head)
    if denominator == 0:
        raise InputError("the second trace has no surviving MACs; there is no ratio to it")
    return count_macs(more).per_token(head=head) / denominator


def _row(name: str, trace: ActivationTrace) -> SiteZeros:
    site = trace.sites[name]
    zeros = site.mask.size - site.survivors
    return SiteZeros(layer_of(name), kind_of(name), zeros, site.mask.size)
