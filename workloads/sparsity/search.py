"""The sequential search for thresholds (arXiv 2501.16337), one site after another.

Each site walks its candidate densities while the calibration loss grows by less than `loss_inc`;
the loss it settles on is the base of the next site, so the budget compounds. From block 1 on a
site starts at the density chosen most often so far for its kind. Nothing is random: the same
model, text and settings give the same thresholds. What enters the present stage is kept, so a
candidate runs only what lies behind it; a journal lets a search be taken up again.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.sited import AnyModel, sited
from workloads.models.sites import Site, SitedModel, Tap
from workloads.sparsity.batches import (
    BATCH,
    WINDOW,
    Batch,
    as_tokens,
    batches,
    side_by_side,
    text_hash,
    whole_windows,
)
from workloads.sparsity.cache import CACHE_BYTES, StageCache
from workloads.sparsity.calibrate import mean_over_batches
from workloads.sparsity.evaluate import Progress, evaluate, summed_nats, window_of
from workloads.sparsity.journal import Journal
from workloads.sparsity.recipe import Recipe, SiteChoice
from workloads.sparsity.remaining import Remaining
from workloads.sparsity.rules import RULES, Rule

CANDIDATES = {
    "linear": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
    "exp": (0.20, 0.13, 0.08, 0.06, 0.04, 0.02, 0.01),
}


@dataclass(frozen=True)
class Trial:
    """One candidate at one site.

    Attributes:
        choice: threshold and density.
        loss: on the calibration text with it, nats a token.
    """

    choice: SiteChoice
    loss: float


def sparsify(
    model: AnyModel,
    text: bytes | Tensor,
    loss_inc: float = 1.0005,
    *,
    method: str = "sequential",
    candidates: str | Sequence[float] = "linear",
    warm_start: bool = True,
    window: int = WINDOW,
    batch: int = BATCH,
    cache_bytes: int = CACHE_BYTES,
    workers: int | None = None,
    journal: str | Path | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Recipe:
    """Find one threshold for every site of the model.

    Args:
        model: the model.
        text: calibration text, bytes or tokens (N,); what is left over after the last whole
            window is not used.
        loss_inc: most that the loss may grow by at one site, as a factor, 1 or more.
        method: "sequential", or "topk": candidates are tried as Top-K of each token, and the
            mean smallest survivor is the threshold.
        candidates: "linear", "exp", or densities from dense to sparse.
        warm_start: from block 1 on, start at the density chosen most often so far.
        window: tokens per sequence.
        batch: sequences side by side; a threshold is a mean over batches of means over tokens.
        cache_bytes: most that is kept of what enters the present stage; 0 for a naive search.
        workers: batches at once; None for one on each core.
        journal: a file for what has been measured; a search that was cut short is taken up from
            it, and it is deleted only by `Journal.remove`, when the result is safe.
        command: what to write down as the origin; the call, where it is None.
        progress: called after each site.

    Raises:
        InputError: text too short, a useless `loss_inc`, method or candidates, broken
            activations, or a journal of another search.
    """
    rule, densities = _rule(method), _densities(candidates)
    if not (math.isfinite(loss_inc) and loss_inc >= 1):
        raise InputError(f"loss_inc is {loss_inc}; expected a factor from 1 up, such as 1.0005")
    it = sited(model)
    window = window_of(it, window)
    tokens = whole_windows(as_tokens(text, it.vocab), window)
    call = f"sparsify(model, text, {loss_inc}, candidates={candidates!r}, window={window}"
    call += f", method={method!r})" if method != "sequential" else ")"
    identity: dict[str, Any] = {
        "model": it.fingerprint(), "method": method, "loss_inc": loss_inc,
        "candidates": list(densities), "warm_start": warm_start, "calibration": text_hash(text),
        "window": window, "batch": batch,
    }  # fmt: skip
    notes = Journal(journal, identity)
    try:
        with side_by_side(workers) as work_on:
            natural = evaluate(it, tokens, window=window, batch=batch, work_on=work_on)
            search = Search(
                it, batches(tokens, window, batch), densities, loss_inc, natural.nats,
                rule=rule, warm_start=warm_start, cache_bytes=cache_bytes, work_on=work_on,
                journal=notes,
            )  # fmt: skip
            sites = search.run(progress)
            thresholds = {name: choice.threshold for name, choice in sites.items()}
            final = evaluate(it, tokens, thresholds, window=window, batch=batch, work_on=work_on)
    finally:
        notes.close()
    return Recipe(
        model=identity["model"],
        command=command or call,
        method=method,
        loss_inc=loss_inc,
        candidates=densities,
        calibration_hash=identity["calibration"],
        calibration_length=len(text),
        window=window,
        base_loss=natural.nats,
        final_loss=final.nats,
        natural_sparsity=natural.sparsity,
        sparsity=final.sparsity,
        sites=sites,
        warm_start=warm_start,
        evaluations=search.evaluations,
    )


class Search:
    """The state of a search: choices so far, the loss to beat, what enters the present stage."""

    def __init__(
        self,
        model: SitedModel,
        work: Sequence[Batch],
        densities: Sequence[float],
        loss_inc: float,
        base_loss: float,
        *,
        rule: Rule,
        warm_start: bool,
        cache_bytes: int,
        work_on: Callable[..., list[Any]],
        journal: Journal,
    ) -> None:
        self.model = model
        self.work = work
        self.densities = tuple(densities)
        self.loss_inc = loss_inc
        self.base_loss = base_loss
        self.rule = rule
        self.warm_start = warm_start
        self.cache = StageCache(model, work, cache_bytes, work_on)
        self.chosen: dict[str, SiteChoice] = {}
        self.evaluations = 0
        self._work_on = work_on
        self._journal = journal
        self._counts: dict[str, Counter[int]] = {}

    def run(self, progress: Progress | None = None) -> dict[str, SiteChoice]:
        """Settle every site, in the order of the forward."""
        sites = self.model.sites
        left = Remaining([self.model.stages - site.stage + 1 for site in sites])
        self.cache.move_to(0, self.tap())
        for done, site in enumerate(sites, 1):
            if site.stage != self.cache.stage:
                self.cache.move_to(site.stage, self.tap())
            choice = self.settle(site)
            if progress is not None:
                message = f"{site.name} keeps {choice.density}{left.after(done)}"
                progress(done, len(sites), message)
        return self.chosen

    def tap(self) -> Tap:
        """What is settled so far, as a tap of vectors (…, channels)."""
        return self.rule.tap(self.chosen)

    def settle(self, site: Site) -> SiteChoice:
        """Walk the candidates of one site and fix its choice."""
        trials = _Trials(self, site)
        taken = self._walk(trials, self._start(site))
        forced = not self._passes(taken)
        if not forced:  # a forced step leaves the loss to beat as it is
            self.base_loss = taken.loss
        choice = SiteChoice(taken.choice.threshold, taken.choice.density, forced)
        self.chosen[site.name] = choice
        index = self.densities.index(choice.density)
        self._counts.setdefault(site.kind, Counter())[index] += 1
        return choice

    def _start(self, site: Site) -> int:
        """The first candidate, or the one chosen most often so far; ties: the one met first."""
        counts = self._counts.get(site.kind)
        # Counter keeps the order of first meeting and most_common is stable.
        return counts.most_common(1)[0][0] if self.warm_start and counts else 0

    def _walk(self, trials: "_Trials", start: int) -> Trial:
        """Sparser while it passes; if the start fails, denser until one passes or none is left."""
        best = trials.at(start)
        if self._passes(best):
            for i in range(start + 1, len(self.densities)):
                trial = trials.at(i)
                if not self._passes(trial):
                    break
                best = trial
            return best
        for i in range(start - 1, -1, -1):
            best = trials.at(i)
            if self._passes(best):
                break
        return best

    def _passes(self, trial: Trial) -> bool:
        return trial.loss / self.base_loss < self.loss_inc

    def thresholds(self, site: Site) -> list[float]:
        """The threshold of each density at a site under what is settled so far."""
        found = self._journal.find(site.name)
        if found is None:
            means = self._work_on(lambda b: self._calibrated(b, site), range(len(self.work)))
            found = mean_over_batches(means, site.name)
            self._journal.add(site.name, found)
        return [float(t) for t in found]

    def loss(self, site: Site, choice: SiteChoice) -> float:
        """Cross-entropy with one more choice, nats a token.

        Raises:
            InputError: the loss is not finite.
        """
        self.evaluations += 1
        key = f"{site.name} {choice.density}"
        found = self._journal.find(key)
        if found is None:
            tap = self.rule.tap({**self.chosen, site.name: choice})
            total = sum(self._work_on(lambda b: self._nats(b, tap), range(len(self.work))))
            found = total / sum(piece.targets.numel() for piece in self.work)
            if not math.isfinite(found):
                raise InputError(f"{site.name}: the loss is {found}; check the weights")
            self._journal.add(key, found)
        return float(found)

    def _calibrated(self, batch: int, site: Site) -> Tensor:
        seen: list[Tensor] = []
        apply = self.tap()

        def tap(name: str, x: Tensor) -> Tensor:
            if name == site.name:
                seen.append(x)
            return apply(name, x)

        for _ in self.cache.outputs(batch, site.stage + 1, tap):
            pass
        return self.rule.calibrate(torch.cat(seen, -2), self.densities, site.name)

    @torch.no_grad()
    def _nats(self, batch: int, tap: Tap) -> float:
        total, at, targets = 0.0, 0, self.work[batch].targets
        for carry in self.cache.outputs(batch, self.model.stages, tap):
            logits = self.model.logits(carry, tap)
            total += summed_nats(logits, targets[:, at : at + logits.shape[1]])
            at += logits.shape[1]
        return total


class _Trials:
    """The candidates of one site; many densities share T = 0 where most values are zero anyway."""

    def __init__(self, search: Search, site: Site) -> None:
        self._search = search
        self._site = site
        self._thresholds = search.thresholds(site)
        self._losses: dict[float, float] = {}

    def at(self, index: int) -> Trial:
        density, threshold = self._search.densities[index], self._thresholds[index]
        choice = SiteChoice(threshold, density)
        same = threshold if self._search.rule.threshold_decides else density
        if same not in self._losses:
            self._losses[same] = self._search.loss(self._site, choice)
        return Trial(choice, self._losses[same])


def _rule(method: str) -> Rule:
    if method not in RULES:
        raise InputError(f"method {method!r}; the search knows {' and '.join(RULES)}")
    return RULES[method]


def _densities(candidates: str | Sequence[float]) -> tuple[float, ...]:
    if isinstance(candidates, str):
        if candidates not in CANDIDATES:
            raise InputError(f"candidates {candidates!r}; expected {' or '.join(CANDIDATES)}")
        return CANDIDATES[candidates]
    densities = tuple(candidates)
    falling = all(a > b for a, b in itertools.pairwise(densities))
    if not densities or not falling or not 0 < densities[-1] <= densities[0] < 1:
        raise InputError(f"candidates {densities}; expected densities between 1 and 0, falling")
    return densities
