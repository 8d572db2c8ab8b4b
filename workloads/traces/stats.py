"""What the zeros of a trace are worth: zeros per site, average sparsity, surviving MACs.

An event at a block site wakes one column of each matrix that reads it, so each zero saves as many
MACs as these have rows. Counts are exact integers; shares and ratios are derived from them.
"""

from dataclasses import dataclass

from seneca_sim.errors import InputError
from workloads.families import Shape
from workloads.traces.sites import block_sites, family_of_shape, kind_of, layer_of
from workloads.traces.trace import ActivationTrace


@dataclass(frozen=True)
class SiteZeros:
    """Zeros of one block site in one layer, over all tokens; one row of a tidy table.

    Attributes:
        layer: index of the block.
        site: its name in the block.
        zeros: values that are zero.
        total: values.
    """

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
        head: MACs outside the blocks, which are never thresholded: the head, and projections of
            an embedding of another width.
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
    layers, kinds = trace.shape["layers"], family_of_shape(trace.shape).kinds
    return {kind: sum(r.sparsity for r in rows if r.site == kind) / layers for kind in kinds}


def average_sparsity(trace: ActivationTrace) -> float:
    """Share of zeros over all block sites, weighted as the family's literature does; 0 to 1.

    For RWKV each site has the weight of its matrices: with ffn = 4 width 4/13 for ffn.key and
    ffn.val and 1/13 for the other five of RWKV-4, as in arXiv 2501.16337, so that it equals the
    share of block MACs skipped. For OPT the inputs of q, k, v, fc1 and fc2 are counted instead,
    3 : 1 : 4 (docs/zoo.md); `count_macs(trace).sparsity` is then another number.
    """
    family, shape = family_of_shape(trace.shape), Shape.of(trace.shape)
    rows = zeros_by_site(trace)
    weights = [family.channel_weight(shape, row.layer, row.site) for row in rows]
    zeros = sum(w * row.zeros for w, row in zip(weights, rows, strict=True))
    return zeros / sum(w * row.total for w, row in zip(weights, rows, strict=True))


def count_macs(trace: ActivationTrace) -> MacCount:
    """Surviving and dense MACs of the block matrices, and those of the head.

    Dense matrices of a block (OPT's attention output, RWKV-7's second low-rank halves) count in
    full as surviving. Attention over cached keys and values is left out: it depends on position.
    """
    family, shape, tokens = family_of_shape(trace.shape), Shape.of(trace.shape), trace.tokens.size
    always = tokens * sum(family.dense_macs(shape, layer) for layer in range(shape.layers))
    sites = [
        (trace.sites[name], family.site(kind_of(name)).rows(shape, layer_of(name)))
        for name in block_sites(trace.shape)
    ]
    return MacCount(
        tokens=tokens,
        surviving=always + sum(site.survivors * rows for site, rows in sites),
        dense=always + sum(site.mask.size * rows for site, rows in sites),
        head=family.head_macs(shape) * tokens,
    )


def mac_ratio(more: ActivationTrace, fewer: ActivationTrace, *, head: bool = False) -> float:
    """Surviving MACs per token of `more` over those of `fewer`, say natural over sparsified.

    Raises:
        InputError: two shapes, or nothing survives in `fewer`.
    """
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
