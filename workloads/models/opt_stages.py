"""The OPT forward as a `SitedModel`, one stage a block."""

from collections.abc import Iterator

import torch
from torch import Tensor

from workloads.models.opt import OPT_SITES, Opt
from workloads.models.readers import content_hash
from workloads.models.sites import Carry, Site, Tap, no_tap


class OptSites:
    """QKV, fc1 and fc2 of every block; the attention's output projection stays dense."""

    gates: tuple[Site, ...] = ()

    def __init__(self, model: Opt) -> None:
        self.model = model
        shape, d, f = model.shape, model.shape.width, model.shape.ffn
        sizes = dict(zip(OPT_SITES, (3 * d * d, d * f, d * f), strict=True))
        self.vocab, self.stages = shape.vocab, shape.layers
        self.positions: int | None = shape.positions
        self.block_macs = shape.layers * (4 * d * d + 2 * d * f)
        self.sites = tuple(
            Site(f"layers.{n}.{kind}", kind, n, n, size)
            for n in range(shape.layers)
            for kind, size in sizes.items()
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
