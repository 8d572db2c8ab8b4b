"""Rivals of the sequential search, which ask for a sparsity instead of a loss.

All of them act at the same sites in the same way, so that they can be compared at equal weighted
sparsity:

- ``uniform``: one density for all sites (TEAL without its search, arXiv 2408.14690);
- ``greedy``: densities block by block, each step at the site where it changes the block's output
  least for the MACs it saves (TEAL's search);
- ``cats``: only the activation inside the feed-forward part, behind the gate of gated units
  (CATS, arXiv 2404.08763);
- ``topk``: one density for all sites, but the K largest of each token instead of a threshold.

Thresholds come from densities as in the sequential search, by the mean quantile over tokens, here
of natural activations. What is asked for is then met to a thousandth by one factor on all of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.models.sites import Site, SitedModel, Tap
from workloads.sparsity.batches import (
    BATCH,
    WINDOW,
    as_tokens,
    batches,
    side_by_side,
    text_hash,
    whole_windows,
)
from workloads.sparsity.calibrate import batch_quantiles, mean_over_batches
from workloads.sparsity.evaluate import Evaluation, evaluate, window_of
from workloads.sparsity.greedy import Table, greedy_densities
from workloads.sparsity.recipe import Recipe, SiteChoice
from workloads.sparsity.thresholds import threshold_tap
from workloads.sparsity.topk import topk_tap

GRID = tuple(round(1 - 0.02 * i, 2) for i in range(50))
"""Densities for which thresholds are measured: 1.00, 0.98 … 0.02; in between, linearly."""

TRIES = 16

CLOSE, COARSE = 1e-3, 0.02
"""How far the weighted sparsity may end up from what was asked for: at best, and where a model of
few channels leaves nothing in between."""

GREEDY_WINDOWS = 4
"""Windows on which the greedy allocation compares block outputs."""

TARGET_METHODS = ("uniform", "greedy", "cats", "topk")

FFN_INNER = ("ffn.val", "fc2", "mlp.down")
"""Kinds of sites that hold the activation inside the feed-forward part."""


@dataclass(frozen=True)
class Meeting:
    """What meets a target: what to do at the sites, and what that gave on the calibration text.

    Attributes:
        method: which.
        choices: threshold and density by site; a density alone counts for Top-K.
        measured: the calibration text evaluated with it.
    """

    method: str
    choices: dict[str, SiteChoice]
    measured: Evaluation

    @property
    def thresholds(self) -> dict[str, float]:
        """T by full name of the site."""
        return {name: choice.threshold for name, choice in self.choices.items()}

    @property
    def tap(self) -> Tap:
        """What is done at the sites."""
        if self.method == "topk":
            return topk_tap({name: choice.density for name, choice in self.choices.items()})
        return threshold_tap(self.thresholds)


def meet(
    model: AnyModel,
    text: bytes | Tensor,
    target: float,
    method: str = "uniform",
    *,
    window: int = WINDOW,
    batch: int = BATCH,
    workers: int | None = None,
) -> Meeting:
    """Find what one of the rival methods does for a weighted sparsity.

    Args:
        model: the model.
        text: calibration text, bytes or tokens (N,).
        target: share of the block MACs to skip, 0 .. 1.
        method: one of `TARGET_METHODS`.
        window: tokens per sequence.
        batch: sequences side by side.
        workers: batches at once; None for one on each core.

    Raises:
        InputError: unknown method, or a target that it cannot reach on this model.
    """
    it = sited(model)
    if method not in TARGET_METHODS:
        raise InputError(f"method {method!r}; expected one of {', '.join(TARGET_METHODS)}")
    if not 0 < target < 1:
        raise InputError(f"target sparsity is {target}; expected a share between 0 and 1")
    window = window_of(it, window)
    tokens = whole_windows(as_tokens(text, it.vocab), window)
    with side_by_side(workers) as work_on:

        def measure(choices: Mapping[str, SiteChoice]) -> Evaluation:
            how = Meeting(method, dict(choices), _NOTHING)
            thresholds = None if method == "topk" else how.thresholds
            tap = how.tap if method == "topk" else None
            return evaluate(it, tokens, thresholds, tap=tap, window=window, batch=batch,
                            work_on=work_on)  # fmt: skip

        if method == "topk":
            names = [site.name for site in it.sites]
            return _bisected(
                method, target, measure,
                lambda s: {name: SiteChoice(0.0, max(1e-6, 1 - s)) for name in names}, (0.0, 1.0),
            )  # fmt: skip
        table = measured_table(it, tokens, _sites_of(it, method), window, batch, work_on)
        if method == "greedy":
            inputs = batches(tokens, window, batch)[0].inputs[:GREEDY_WINDOWS]
            densities = greedy_densities(it, inputs, table, target)
            start = {name: SiteChoice(table.at(name, k), k) for name, k in densities.items()}
            return _scaled(method, start, target, measure)
        return _bisected(method, target, measure, lambda s: _same(table, 1 - s), (0.0, 0.98))


def matched(
    model: AnyModel,
    text: bytes | Tensor,
    recipe: Recipe,
    target: float,
    *,
    window: int = WINDOW,
    batch: int = BATCH,
    workers: int | None = None,
) -> Meeting:
    """A recipe's thresholds, all times one factor, so that the weighted sparsity is `target`."""
    it = sited(model)
    window = window_of(it, window)
    tokens = whole_windows(as_tokens(text, it.vocab), window)
    with side_by_side(workers) as work_on:

        def measure(choices: Mapping[str, SiteChoice]) -> Evaluation:
            thresholds = {name: choice.threshold for name, choice in choices.items()}
            return evaluate(it, tokens, thresholds, window=window, batch=batch, work_on=work_on)

        return _scaled(recipe.method, recipe.sites, target, measure)


def meeting_recipe(
    meeting: Meeting, model: AnyModel, text: bytes | Tensor, target: float, command: str,
    *, window: int = WINDOW, batch: int = BATCH,
) -> Recipe:  # fmt: skip
    """A recipe file's content for what met a target.

    Raises:
        InputError: Top-K has no thresholds to write down.
    """
    if meeting.method == "topk":
        raise InputError(
            "topk at a target has no thresholds; `--method topk` with --loss-inc finds some"
        )
    it = sited(model)
    window = window_of(it, window)
    natural = evaluate(it, whole_windows(as_tokens(text, it.vocab), window), window=window,
                       batch=batch)  # fmt: skip
    return Recipe(
        model=it.fingerprint(),
        command=command,
        method=meeting.method,
        loss_inc=0.0,
        candidates=GRID,
        calibration_hash=text_hash(text),
        calibration_length=len(text),
        window=window,
        base_loss=natural.nats,
        final_loss=meeting.measured.nats,
        natural_sparsity=natural.sparsity,
        sparsity=meeting.measured.sparsity,
        sites=meeting.choices,
        target_sparsity=target,
    )


def measured_table(
    model: SitedModel,
    tokens: Tensor,
    sites: Sequence[Site],
    window: int,
    batch: int,
    work_on: Callable[..., list[dict[str, Tensor]]],
) -> Table:
    """Thresholds of natural activations at all sites for the densities of `GRID`, in one pass."""
    names = {site.name for site in sites}

    def one(inputs: Tensor) -> dict[str, Tensor]:
        sums: dict[str, list[Tensor]] = {}

        def tap(name: str, x: Tensor) -> Tensor:
            if name in names:
                sums.setdefault(name, []).append(batch_quantiles(x, GRID[1:], name))
            return x

        for _ in model.run(0, model.stages, model.start(inputs), tap):
            pass
        return {name: torch.stack(each).mean(0) for name, each in sums.items()}

    work = [piece.inputs for piece in batches(tokens, window, batch)]
    found = work_on(one, work)
    # Nothing is at or below a threshold of zero but zeros, so density 1 costs nothing.
    return Table(
        GRID,
        {s.name: (0.0, *mean_over_batches([f[s.name] for f in found], s.name)) for s in sites},
    )


_NOTHING = Evaluation(0.0, 1, {}, 0.0)


def _sites_of(model: SitedModel, method: str) -> tuple[Site, ...]:
    if method != "cats":
        return model.sites
    return model.gates or tuple(site for site in model.sites if site.kind in FFN_INNER)


def _same(table: Table, density: float) -> dict[str, SiteChoice]:
    return {name: SiteChoice(table.at(name, density), density) for name in table.thresholds}


def _scaled(
    method: str,
    start: Mapping[str, SiteChoice],
    target: float,
    measure: Callable[[Mapping[str, SiteChoice]], Evaluation],
) -> Meeting:
    """One factor on all thresholds of an allocation."""

    def at(factor: float) -> dict[str, SiteChoice]:
        return {
            name: SiteChoice(float(torch.tensor(c.threshold * factor)), c.density, c.forced)
            for name, c in start.items()
        }

    return _bisected(method, target, measure, at, (0.0, 4.0), first=1.0)


def _bisected(
    method: str,
    target: float,
    measure: Callable[[Mapping[str, SiteChoice]], Evaluation],
    at: Callable[[float], dict[str, SiteChoice]],
    ends: tuple[float, float],
    first: float | None = None,
) -> Meeting:
    """Close in on the weighted sparsity, by the straight line between what was measured."""
    low, high = ends
    below, above = math.nan, math.nan  # sparsities at both ends, once they are known
    middle = target if first is None else first
    best: Meeting | None = None
    for _ in range(TRIES):
        there = _measured(method, at(middle), measure)
        found = there.measured.sparsity
        if best is None or abs(found - target) < abs(best.measured.sparsity - target):
            best = there
        if abs(found - target) <= CLOSE:
            return there
        if found > target:
            high, above = middle, found
        else:
            low, below = middle, found
        share = (target - below) / (above - below)  # NaN as long as an end is unknown
        middle = low + (high - low) * (min(0.9, max(0.1, share)) if share == share else 0.5)
    if best is not None and abs(best.measured.sparsity - target) <= COARSE:
        return best  # few channels: what can be reached comes in steps
    if found < target:
        raise InputError(
            f"{method}: reaches a weighted sparsity of {found:.3f} at most on this model, not "
            f"{target:g}; its sites hold too few of the MACs"
        )
    raise InputError(
        f"{method}: a weighted sparsity of {target:g} is below what this model has by nature, "
        f"{found:.3f}"
    )


def _measured(
    method: str,
    choices: dict[str, SiteChoice],
    measure: Callable[[Mapping[str, SiteChoice]], Evaluation],
) -> Meeting:
    return Meeting(method, choices, measure(choices))
