"""The recipe: train, look at the held-out text, keep the best, stop in time, save.

A step is a function of the weights before it, the seed and its number: the windows that it sees
and the values that dropout sets to zero follow from the latter two. That is why a resumed run
ends with the same bytes as one that was never interrupted.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seneca_sim.errors import Finding, InputError
from workloads.training.data import Sampler, Text
from workloads.training.evaluate import HeldOut, held_out, score
from workloads.training.opt import TrainableOpt
from workloads.training.optim import learning_rate, optimiser, update_average
from workloads.training.repeatable import repeatable
from workloads.training.rwkv4 import TrainableRwkv4
from workloads.training.settings import MEASURED_STEPS, Settings
from workloads.training.state import Progress, load_state, save_state

SAVE_SECONDS = 60.0
SPARE = 0.97
"""Share of a budget in minutes that is planned for; the rest is for what cannot be foreseen."""

SCORE_BATCH_TOKENS = 65536

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What a run gave.

    Attributes:
        weights: the best averaged weights, fp32, on the CPU.
        progress: where it ended and its loss curve.
        stopped: why it ended.
        parameters: how many numbers the model has.
    """

    weights: dict[str, Tensor]
    progress: Progress
    stopped: str
    parameters: int


def build(settings: Settings) -> TrainableRwkv4 | TrainableOpt:
    """The model of `settings`, initialised from its seed, on the CPU."""
    torch.manual_seed(settings.seed)
    if settings.model == "opt":
        return TrainableOpt(settings.opt_shape, settings.dropout)
    return TrainableRwkv4(settings.rwkv4_shape, settings.dropout)


class Trainer:
    """Model, average, optimiser and text of one run; `step` and `look` are its two moves."""

    def __init__(self, settings: Settings, text: Text, valid: Text) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        self.model = build(settings).to(self.device)
        self.average = copy.deepcopy(self.model)
        self.optimiser = optimiser(
            self.model, settings.weight_decay, fused=self.device.type == "cuda"
        )
        self.sampler = Sampler(
            text.tokens.to(self.device), settings.window, settings.batch, settings.seed
        )
        self.held_out: HeldOut = held_out(valid.tokens.to(self.device), settings.valid_window)
        self.progress = Progress(0, settings.steps, 0.0, 0, -1, math.inf, {}, [])
        self._losses: list[Tensor] = []
        if settings.compile:
            for block in self.model.blocks:
                block.compile()

    def step(self) -> None:
        """One step of the optimiser."""
        s, number = self.settings, self.progress.step
        torch.manual_seed(s.seed * 1_000_003 + number + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr(number)
        loss = self._loss(*self.sampler.batch(number))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), s.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        update_average(self.average, self.model, number, s.ema)
        self._losses.append(loss.detach())
        self.progress.step += 1

    def lr(self, number: int) -> float:
        """The learning rate of step `number`."""
        s = self.settings
        return learning_rate(number, self.progress.total, s.lr, s.warmup, s.final_lr)

    def look(self) -> list[float]:
        """Measure the averaged weights on the peeked part of the held-out text, keep the best.

        Raises:
            Finding: the loss is no longer a number.
        """
        s, p = self.settings, self.progress
        bits = score(self.average, self.held_out.peeked, score_batch(s.valid_window)).bits
        train = float(torch.stack(self._losses).mean()) / math.log(2)
        self._losses.clear()
        if not math.isfinite(bits + train):
            raise Finding(f"training: the loss is {train} at step {p.step}; try a lower lr")
        p.looks_since_best += 1
        if bits < p.best_bits:
            p.best_bits, p.best_step, p.looks_since_best = bits, p.step, 0
            p.best = {k: v.clone() for k, v in self.average.state_dict().items()}
        row = [p.step, p.step * s.window * s.batch, self.lr(p.step - 1), train, bits, p.seconds]
        p.curve.append(row)
        return row

    def parts(self) -> dict[str, Any]:
        """State of model, average and optimiser."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, progress: Progress, parts: dict[str, Any]) -> None:
        """Go on from `parts`."""
        self.progress = progress
        self.model.load_state_dict(parts["model"])
        self.average.load_state_dict(parts["average"])
        self.optimiser.load_state_dict(parts["optimiser"])

    def synchronise(self) -> None:
        """Wait for the device, so that a clock tells something."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            logits = self.model(inputs)
        return cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def train(
    settings: Settings, text: Text, valid: Text, out: Path, *, resume: bool = False, say: Say
) -> Trained:
    """Train to the end of the budget, or until looks no longer get better.

    Args:
        settings: model, recipe and budget.
        text: what to learn.
        valid: the held-out text.
        out: a folder; the state of the run is kept in it.
        resume: go on with the state there.
        say: told what happens, a line at a time.

    Raises:
        InputError: settings that cannot be, or a folder with another run.
        Finding: training diverged.
    """
    state = out / "state.pt"
    if state.exists() and not resume:
        raise InputError(f"{state}: a run is here; resume it or choose another folder")
    _check_device(settings.device)
    out.mkdir(parents=True, exist_ok=True)
    with repeatable():
        trainer = Trainer(settings, text, valid)
        if resume:
            trainer.restore(*load_state(state, settings, text.sha256))
            say(f"resumed after step {trainer.progress.step}")
        stopped = _loop(trainer, state, text.sha256, say)
    weights = {name: tensor.cpu() for name, tensor in trainer.progress.best.items()}
    count = sum(tensor.numel() for tensor in weights.values())
    return Trained(weights, trainer.progress, stopped, count)


def _loop(trainer: Trainer, state: Path, data: str, say: Say) -> str:
    """Steps and looks until there is a reason to stop, which is returned."""
    s, p = trainer.settings, trainer.progress
    begun = saved = time.perf_counter()
    earlier, measured = p.seconds, 0.0
    while (reason := _reason(s, p)) is None:
        trainer.step()
        p.seconds = earlier + time.perf_counter() - begun
        if s.steps is None and p.step in MEASURED_STEPS:
            trainer.synchronise()
            now = time.perf_counter()
            if p.total is None and p.step == MEASURED_STEPS[1]:
                p.total = _plan(trainer, (now - measured) / (p.step - MEASURED_STEPS[0]))
                say(f"{p.total} steps fit into {s.minutes:g} minutes")
            measured = now
        if p.step % s.look_every == 0 or p.step == p.total:
            trainer.synchronise()
            p.seconds = earlier + time.perf_counter() - begun
            say(_line(trainer.look(), p))
            if time.perf_counter() - saved > SAVE_SECONDS or _reason(s, p):
                save_state(state, s, data, p, trainer.parts())
                saved = time.perf_counter()
    if p.best_step < 0:
        trainer.look()
    return reason


def _reason(s: Settings, p: Progress) -> str | None:
    """Why to stop now, if there is a reason."""
    if p.total is not None and p.step >= p.total:
        return "all steps done"
    if p.looks_since_best >= s.patience:
        return f"no better look in {s.patience}"
    if s.minutes is not None and p.seconds > 60 * s.minutes:
        return f"{s.minutes:g} minutes are over"
    return None


def _plan(trainer: Trainer, step_seconds: float) -> int:
    """How many steps fit into the minutes, by the time that a step and a look take."""
    s, p = trainer.settings, trainer.progress
    begun = time.perf_counter()
    score(trainer.average, trainer.held_out.peeked, score_batch(s.valid_window))
    look_seconds = time.perf_counter() - begun
    left = 60 * SPARE * (s.minutes or 0) - p.seconds - look_seconds
    fit = int(left / (step_seconds + look_seconds / s.look_every))
    return max(p.step + fit, p.step + 1)


def score_batch(window: int) -> int:
    """Windows side by side when measuring."""
    return max(1, SCORE_BATCH_TOKENS // window)


def _line(row: list[float], p: Progress) -> str:
    step, seen, lr, train, bits, seconds = row
    best = " best" if p.best_step == step else ""
    total = p.total if p.total is not None else "?"
    return (
        f"step {step:.0f}/{total}  {seen / 1e6:.0f} MB  {seconds:.0f} s  lr {lr:.2e}  "
        f"train {train:.4f}  held-out {bits:.4f} bits per byte{best}"
    )


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"training: no device {device!r} here; try cpu") from error
