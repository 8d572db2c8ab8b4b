"""How many values are zero at each site, and what share of the block MACs that saves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from workloads.models.sites import Site, SitedModel, Tap


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
    """Counts exact zeros at sites after another tap has done its work.

    Args:
        inner: the other tap.
        names: full names of the sites to count at.
    """

    def __init__(self, inner: Tap, names: Iterable[str]) -> None:
        self._inner = inner
        self._names = frozenset(names)
        self.counts: dict[str, ZeroCount] = {}

    def tap(self, name: str, x: Tensor) -> Tensor:
        """Apply the inner tap, count, pass on."""
        y = self._inner(name, x)
        if name in self._names:
            seen = ZeroCount(y.numel() - int(y.count_nonzero()), y.numel())
            self.counts[name] = self.counts.get(name, ZeroCount(0, 0)) + seen
        return y


def added(counts: Iterable[Mapping[str, ZeroCount]]) -> dict[str, ZeroCount]:
    """The counts of several batches together."""
    out: dict[str, ZeroCount] = {}
    for each in counts:
        for name, count in each.items():
            out[name] = out.get(name, ZeroCount(0, 0)) + count
    return out


def weighted_sparsity(counts: Mapping[str, ZeroCount], model: SitedModel) -> float:
    """Share of the block MACs that zeros skip, 0 .. 1.

    For RWKV-4 with F = 4 D a site weighs 1/13 of its block, ffn.key and ffn.val 4/13 (arXiv
    2501.16337). Matrices without a site count as dense. Gates count where they were counted.
    MACs are those of `workloads.families`, as in `traces.count_macs` and in a run's summary.
    """
    skipped = sum(site.macs * counts[site.name].share for site in model.sites)
    skipped += sum(gate.macs * counts[gate.name].share for gate in model.gates
                   if gate.name in counts)  # fmt: skip
    return skipped / model.block_macs


def mean_by_kind(counts: Mapping[str, ZeroCount], sites: Iterable[Site]) -> dict[str, float]:
    """Share of zeros of each kind of site, mean over blocks."""
    shares: dict[str, list[float]] = {}
    for site in sites:
        shares.setdefault(site.kind, []).append(counts[site.name].share)
    return {kind: sum(each) / len(each) for kind, each in shares.items()}
