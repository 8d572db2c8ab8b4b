"""How many values are zero at each site, and what share of the block MACs that saves."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from workloads.models.rwkv4 import SITES, Rwkv4Shape, Tap, site_names


@dataclass(frozen=True)
class ZeroCount:
    """Zeros among the values seen at a site."""

    zeros: int
    total: int

    @property
    def share(self) -> float:
        """Share of zeros, 0 .. 1."""
        return self.zeros / self.total

    def __add__(self, other: "ZeroCount") -> "ZeroCount":
        return ZeroCount(self.zeros + other.zeros, self.total + other.total)


class ZeroCounter:
    """Counts exact zeros at every site of the blocks after another tap has done its work."""

    def __init__(self, inner: Tap) -> None:
        self._inner = inner
        self.counts: dict[str, ZeroCount] = {}

    def tap(self, name: str, x: Tensor) -> Tensor:
        """Apply the inner tap, count, pass on."""
        y = self._inner(name, x)
        if name.startswith("blocks."):
            seen = ZeroCount(y.numel() - int(y.count_nonzero()), y.numel())
            self.counts[name] = self.counts.get(name, ZeroCount(0, 0)) + seen
        return y


def site_macs(shape: Rwkv4Shape, name: str) -> int:
    """MACs per token of the matrix behind a site: D x D, or D x F for ffn.key and ffn.val."""
    wide = name.endswith((".ffn.key", ".ffn.val"))
    return shape.width * (shape.ffn if wide else shape.width)


def weighted_sparsity(counts: Mapping[str, ZeroCount], shape: Rwkv4Shape) -> float:
    """Share of the block MACs that zeros skip, 0 .. 1.

    With F = 4 D a site weighs 1/13 of its block, ffn.key and ffn.val 4/13 (arXiv 2501.16337).
    """
    macs = {name: site_macs(shape, name) for name in site_names(shape.layers)}
    return sum(macs[n] * counts[n].share for n in macs) / sum(macs.values())


def mean_by_site(counts: Mapping[str, ZeroCount], layers: int) -> dict[str, float]:
    """Share of zeros of each of the seven sites, mean over layers."""
    return {
        site: sum(counts[f"blocks.{n}.{site}"].share for n in range(layers)) / layers
        for site in SITES
    }
