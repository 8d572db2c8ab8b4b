"""The OPT forward of `workloads.models.opt` as a `SitedModel`, one stage a block.

It names the parts it uses instead of importing them: any forward with these parts and the sites
of OPT will do.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from workloads.models.readers import content_hash
from workloads.models.sites import Carry, Site, Tap, no_tap


class OptLikeShape(Protocol):
    """Sizes of an OPT."""

    layers: int
    width: int
    ffn: int
    vocab: int
    positions: int


class OptLike(Protocol):
    """The parts of an OPT forward."""

    shape: Any
    weights: Mapping[str, Tensor]

    def zero_state(self, batch: int = 1) -> Any:
        """An empty key-value cache."""

    def embed(self, tokens: Tensor, tap: Tap) -> Tensor:
        """Tokens to the input of block 0."""

    def block(self, n: int, x: Tensor, state: Any, tap: Tap) -> tuple[Tensor, Any]:
        """Run block `n`."""

    def head(self, x: Tensor, tap: Tap) -> Tensor:
        """Output of the last block to logits."""


class OptSites:
    """QKV, fc1 and fc2 of every block; the attention's output projection stays dense."""

    gates: tuple[Site, ...] = ()

    def __init__(self, model: OptLike) -> None:
        self.model = model
        shape: OptLikeShape = model.shape
        d, f = shape.width, shape.ffn
        sizes = {"self_attn.qkv": 3 * d * d, "fc1": d * f, "fc2": d * f}
        self.vocab, self.stages, self.positions = shape.vocab, shape.layers, shape.positions
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
