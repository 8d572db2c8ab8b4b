"""Thresholds on any `torch.nn.Module`, for as long as a with statement lasts.

    with sites(model, ["*.fc1", "*.fc2"]) as s:
        s.thresholds = {"layers.0.fc1": 0.1}
        model(x)
        print(s.stats())
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from seneca_sim.errors import InputError
from workloads.models.hooks import Hooked, Hooks, matching
from workloads.sparsity.calibrate import batch_quantiles, mean_over_batches
from workloads.sparsity.stats import ZeroCounter
from workloads.sparsity.thresholds import check_thresholds, threshold_tap


@dataclass(frozen=True)
class SiteStats:
    """What one site saw.

    Attributes:
        zeros: share of zeros behind the threshold, 0 .. 1.
        values: how many values came by.
        mean_size: mean of |x| before the threshold.
        macs: MACs per token of the matrix behind it.
    """

    zeros: float
    values: int
    mean_size: float
    macs: int


class Sites:
    """The sites of a module while its hooks are in place; see `sites`.

    Attributes:
        names: full names, in the order of the module's layers.
    """

    def __init__(self, hooked: Sequence[Hooked], densities: Sequence[float]) -> None:
        self.names = tuple(site.name for site in hooked)
        self._macs = {site.name: site.macs for site in hooked}
        self._densities = tuple(densities)
        self._thresholds: dict[str, float] = {}
        self.reset()

    @property
    def thresholds(self) -> dict[str, float]:
        """T by full name; sites that are not named pass everything."""
        return dict(self._thresholds)

    @thresholds.setter
    def thresholds(self, thresholds: Mapping[str, float]) -> None:
        check_thresholds(thresholds, self.names)
        self._thresholds = dict(thresholds)
        self.reset()

    def tap(self, name: str, x: Tensor) -> Tensor:
        """Record what arrives at a site and apply its threshold."""
        self._sizes[name] = self._sizes.get(name, 0.0) + float(x.detach().abs().double().sum())
        if self._densities:
            found = batch_quantiles(x.detach(), self._densities, name)
            self._quantiles.setdefault(name, []).append(found)
        return self._counter.tap(name, x)

    def stats(self) -> dict[str, SiteStats]:
        """What the sites saw since the hooks went in, the thresholds were set or `reset`."""
        return {
            name: SiteStats(
                self._counter.counts[name].share,
                self._counter.counts[name].total,
                self._sizes[name] / self._counter.counts[name].total,
                self._macs[name],
            )
            for name in self.names
            if name in self._counter.counts
        }

    def sparsity(self) -> float:
        """Share of the MACs behind all sites that zeros skip, 0 .. 1.

        Raises:
            InputError: a site has seen nothing yet.
        """
        silent = [name for name in self.names if name not in self._counter.counts]
        if silent:
            raise InputError(f"site {silent[0]!r} has seen nothing yet; run the model first")
        counts = self._counter.counts
        skipped = sum(self._macs[name] * counts[name].share for name in self.names)
        return skipped / sum(self._macs.values())

    def suggest(self, density: float) -> dict[str, float]:
        """Thresholds that keep this share: the mean quantile over tokens, then over forwards.

        Raises:
            InputError: `density` was not among the densities given to `sites`, or nothing ran.
        """
        if density not in self._densities:
            raise InputError(
                f"density {density} was not recorded; give densities=[{density}] to sites()"
            )
        at = self._densities.index(density)
        return {
            name: mean_over_batches(self._quantiles.get(name, []), name)[at] for name in self.names
        }

    def reset(self) -> None:
        """Forget what was seen; thresholds stay."""
        self._sizes: dict[str, float] = {}
        self._quantiles: dict[str, list[Tensor]] = {}
        self._counter = ZeroCounter(threshold_tap(self._thresholds), self.names)


@contextmanager
def sites(
    model: nn.Module, patterns: Sequence[str] = ("*",), densities: Sequence[float] = ()
) -> Iterator[Sites]:
    """Record and threshold the inputs of a module's Linear layers while the block lasts.

    Args:
        model: any module; it is left as it was found.
        patterns: names of Linear layers, with ``*`` for any text.
        densities: shares to keep for which `Sites.suggest` is to know thresholds.

    Raises:
        InputError: a pattern that fits no layer, with the nearest there is.
    """
    hooked = matching(model, patterns)
    state = Sites(hooked, densities)
    hooks = Hooks(hooked)
    try:
        with hooks.tapping(state.tap):
            yield state
    finally:
        hooks.remove()

