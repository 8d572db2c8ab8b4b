"""The sequential search for thresholds (arXiv 2501.16337), one site after another.

Each site walks down its candidate densities while the calibration loss grows by less than
`loss_inc`; the loss it settles on is the base of the next site, so the budget compounds. Block
inputs are kept, so a candidate runs only the blocks from its own on.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.readers import content_hash
from workloads.models.rwkv4 import SITES, Rwkv4
from workloads.sparsity.batches import (
    BATCH,
    WINDOW,
    as_tokens,
    batches,
    run_blocks,
    text_hash,
    tiles,
)
from workloads.sparsity.calibrate import calibrated_thresholds
from workloads.sparsity.evaluate import Evaluation, Progress, evaluate, summed_nats
from workloads.sparsity.recipe import Recipe, SiteChoice
from workloads.sparsity.thresholds import threshold_tap

CANDIDATES = {
    "linear": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
    "exp": (0.20, 0.13, 0.08, 0.06, 0.04, 0.02, 0.01),
}


def sparsify(
    model: Rwkv4,
    text: bytes | Tensor,
    loss_inc: float = 1.0005,
    *,
    candidates: str | Sequence[float] = "linear",
    window: int = WINDOW,
    batch: int = BATCH,
    command: str | None = None,
    progress: Progress | None = None,
) -> Recipe:
    """Find one threshold for every site of the model.

    Args:
        model: the model.
        text: calibration text, bytes or tokens (N,); what is left over after the last whole
            window is not used.
        loss_inc: most that the loss may grow by at one site, as a factor, 1 or more.
        candidates: "linear", "exp", or densities from dense to sparse.
        window: tokens per sequence.
        batch: sequences side by side; a threshold is a mean over batches of means over tokens.
        command: what to write down as the origin; the call, where it is None.
        progress: called after each site.

    Raises:
        InputError: text too short, a useless `loss_inc` or candidates, broken activations.
    """
    densities = _densities(candidates)
    if not (math.isfinite(loss_inc) and loss_inc >= 1):
        raise InputError(f"loss_inc is {loss_inc}; expected a factor from 1 up, such as 1.0005")
    tokens = _whole_windows(as_tokens(text, model.shape.vocab), window)
    natural = evaluate(model, tokens, window=window, batch=batch)
    search = Search(model, tokens, densities, loss_inc, natural.nats, window, batch)
    sites = search.run(progress)
    thresholds = {name: choice.threshold for name, choice in sites.items()}
    final = evaluate(model, tokens, thresholds, window=window, batch=batch)
    call = f"sparsify(model, text, {loss_inc}, candidates={candidates!r}, window={window})"
    return _recipe(search, sites, text, command or call, natural, final)


@dataclass(frozen=True)
class _Trial:
    density: float
    threshold: float
    loss: float


class Search:
    """The state of a search: thresholds so far, the loss to beat, the present block's inputs."""

    def __init__(
        self,
        model: Rwkv4,
        tokens: Tensor,
        densities: Sequence[float],
        loss_inc: float,
        base_loss: float,
        window: int = WINDOW,
        batch: int = BATCH,
    ) -> None:
        self.model = model
        self.densities = tuple(densities)
        self.loss_inc = loss_inc
        self.base_loss = base_loss
        self.window = window
        work = batches(tokens, window, batch)
        with torch.no_grad():
            self.inputs = [model.embed(b.inputs, _pass) for b in work]
        self.targets = [b.targets for b in work]
        self.thresholds: dict[str, float] = {}

    def run(self, progress: Progress | None = None) -> dict[str, SiteChoice]:
        """Settle every site, layer by layer."""
        layers = self.model.shape.layers
        chosen: dict[str, SiteChoice] = {}
        for n in range(layers):
            for site in SITES:
                name = f"blocks.{n}.{site}"
                chosen[name] = self.settle(n, name)
                if progress is not None:
                    message = f"{name} keeps {chosen[name].density}, loss {self.base_loss:.5f}"
                    progress(len(chosen), layers * len(SITES), message)
            tap = threshold_tap(self.thresholds)
            self.inputs = [
                torch.cat(list(run_blocks(self.model, n, n + 1, x, tap)), 1) for x in self.inputs
            ]
        return chosen

    def settle(self, n: int, name: str) -> SiteChoice:
        """Walk down the candidates of one site of block `n` and fix its threshold."""
        tried = list(self._walk(n, name))
        best = [trial for trial in tried if self._passes(trial)][-1:]
        if best:
            self.base_loss = best[0].loss
        # Where none passes, the first is taken all the same, and the loss to beat stays.
        taken = (best or tried)[0]
        choice = SiteChoice(taken.threshold, taken.density, forced=not best)
        self.thresholds[name] = choice.threshold
        return choice

    def _walk(self, n: int, name: str) -> Iterator[_Trial]:
        """Try the candidates in order, up to the first that costs too much."""
        found = calibrated_thresholds(self._activations(n, name), self.densities, name)
        losses: dict[float, float] = {}
        for density, threshold in zip(self.densities, found, strict=True):
            if threshold not in losses:  # many K share T = 0 where most values are zero anyway
                losses[threshold] = self._loss(n, name, threshold)
            trial = _Trial(density, threshold, losses[threshold])
            yield trial
            if not self._passes(trial):
                return

    def _passes(self, trial: _Trial) -> bool:
        return trial.loss / self.base_loss < self.loss_inc

    def _activations(self, n: int, name: str) -> Iterator[Tensor]:
        """What enters the site under the thresholds so far, (B, T, channels) per batch."""
        apply = threshold_tap(self.thresholds)
        seen: list[Tensor] = []

        def tap(at: str, x: Tensor) -> Tensor:
            if at == name:
                seen.append(x)
            return apply(at, x)

        for x in self.inputs:
            seen.clear()
            for _ in run_blocks(self.model, n, n + 1, x, tap):
                pass
            yield torch.cat(seen, 1)

    @torch.no_grad()
    def _loss(self, n: int, name: str, threshold: float) -> float:
        """Cross-entropy per token with one more threshold, from block `n` on."""
        tap = threshold_tap({**self.thresholds, name: threshold})
        total = 0.0
        for x, targets in zip(self.inputs, self.targets, strict=True):
            out = run_blocks(self.model, n, self.model.shape.layers, x, tap)
            for tile, piece in zip(out, tiles(x), strict=True):
                total += summed_nats(self.model.head(tile, tap), targets[:, piece])
        return total / sum(t.numel() for t in self.targets)


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


def _whole_windows(tokens: Tensor, window: int) -> Tensor:
    """Drop the left-over: as a batch of its own it would weigh as much as a whole one."""
    if window < 1:
        raise InputError(f"window {window} must be at least 1")
    whole = (len(tokens) - 1) // window * window
    return tokens[: whole + 1] if whole else tokens


def _recipe(
    search: Search,
    sites: dict[str, SiteChoice],
    text: bytes | Tensor,
    command: str,
    natural: Evaluation,
    final: Evaluation,
) -> Recipe:
    return Recipe(
        model=content_hash(search.model.weights),
        command=command,
        method="sequential",
        loss_inc=search.loss_inc,
        candidates=search.densities,
        calibration_hash=text_hash(text),
        calibration_length=len(text),
        window=search.window,
        base_loss=natural.nats,
        final_loss=final.nats,
        natural_sparsity=natural.sparsity,
        sparsity=final.sparsity,
        sites=sites,
    )


def _pass(_name: str, x: Tensor) -> Tensor:
    return x
