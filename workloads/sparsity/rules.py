"""How the search tries a density at a site: as a threshold, or as Top-K."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from workloads.models.sites import Tap
from workloads.sparsity.calibrate import batch_quantiles
from workloads.sparsity.recipe import SiteChoice
from workloads.sparsity.thresholds import apply_threshold
from workloads.sparsity.topk import apply_topk, batch_survivors


@dataclass(frozen=True)
class Rule:
    """One way of judging a density.

    Attributes:
        name: the method's name in a recipe.
        calibrate: activations of a batch, densities and the site's name to one number a density,
            whose mean over batches is the threshold.
        act: what the site does under a choice while the search runs.
        threshold_decides: whether choices with equal thresholds do the same.
    """

    name: str
    calibrate: Callable[[Tensor, Sequence[float], str], Tensor]
    act: Callable[[Tensor, SiteChoice], Tensor]
    threshold_decides: bool

    def tap(self, choices: Mapping[str, SiteChoice]) -> Tap:
        """A tap that does what was chosen at each site."""

        def tap(name: str, x: Tensor) -> Tensor:
            return self.act(x, choices[name]) if name in choices else x

        return tap


SEQUENTIAL = Rule(
    name="sequential",
    calibrate=batch_quantiles,
    act=lambda x, choice: apply_threshold(x, choice.threshold),
    threshold_decides=True,
)
TOPK = Rule(
    name="topk",
    calibrate=batch_survivors,
    act=lambda x, choice: apply_topk(x, choice.density),
    threshold_decides=False,
)
RULES = {rule.name: rule for rule in (SEQUENTIAL, TOPK)}
