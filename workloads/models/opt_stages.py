"""The OPT forward as a `SitedModel`, one stage a block."""

from collections.abc import Iterator

import torch
from torch import Tensor

from workloads.families import Shape, family_of
from workloads.models.opt import OPT_SITES, Opt
from workloads.models.readers import content_hash
from workloads.models.sites import Carry, Site, Tap, no_tap


class OptSites:
    """QKV, fc1 and fc2 of every block; the attention's output projection stays dense."""

    gates: tuple[Site, ...] = ()

    def __init__(self, model: Opt) -> None:
        self.model = model
        shape, family = model.shape, family_of("opt")
        sizes = Shape(
            "opt", shape.layers, shape.width, shape.ffn, shape.vocab, shape.heads, shape.positions
        )
        self.vocab, self.stages = shape.vocab, shape.layers
        self.positions: int | None = shape.positions
        self.block_macs = family.block_macs(sizes)
        self.sites = tuple(
            Site(family.full_name(n, kind), kind, n, n, family.site_macs(sizes, n, kind))
            for n in range(shape.layers)
            for kind in OPT_SITES
        )

    def fingerprint(self) -> str:
        """Content hash of the weights."""
        return content_hash(self.model.weights)

    @torch.no_grad()
    def start(self, tokens: Tensor) -> Carry:
        """Tokens (B, T) to the input of block 0."""
        return (self.model.embed(tokens, no_tap),)

    @torch.no_grad()
    def run(self, first: int, last: int, carry: Carry, tap: Tap) -> Iterator[Carry]:
        """Run blocks `first` .. `last` - 1 over whole sequences."""
        x = carry[0]
        empty = self.model.zero_state(x.shape[0])
        for n in range(first, last):
            x, _ = self.model.block(n, x, empty.layer(n), tap)
        yield (x,)

    @torch.no_grad()
    def logits(self, carry: Carry, tap: Tap) -> Tensor:
        """Through the last norm and the head."""
        return self.model.head(carry[0], tap)
