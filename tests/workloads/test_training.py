"""The training recipe: it learns, a killed run ends with the same bytes, what it writes is read."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seneca_sim.errors import Finding
from workloads import zoo
from workloads.models import Opt, Rwkv4, load_any
from workloads.models.opt import OptShape
from workloads.sparsity.evaluate import evaluate
from workloads.training import run
from workloads.training.cli import main
from workloads.training.data import Text
from workloads.training.evaluate import held_out, score
from workloads.training.export import write_weights
from workloads.training.run import build, train
from workloads.training.settings import Settings
from workloads.training.state import save_state

TINY = Settings(
    model="rwkv4", layers=2, width=32, heads=2, window=64, batch=8, steps=6, warmup=2,
    look_every=2, valid_window=64, dropout=0.1, ema=0.9, device="cpu",
)  # fmt: skip
QUIET = ("--device", "cpu", "--threads", "1")


def text(data: bytes) -> Text:
    return Text("text", torch.frombuffer(bytearray(data), dtype=torch.uint8), str(hash(data)))


PROSE = zoo.calibration_text()
TRAIN, VALID = text(PROSE[:48_000]), text(PROSE[48_000:56_000])


def silent(_line: str) -> None:
    pass


def chain(length: int, seed: int) -> bytes:
    """Eight letters; after each one of two others, with probabilities 4/5 and 1/5."""
    rng, letters = np.random.default_rng(seed), [0]
    for rare in rng.random(length - 1) < 0.2:
        letters.append((3 * letters[-1] + (5 if rare else 1)) % 8)
    return bytes(b"etaoinsh"[i] for i in letters)


CHAIN_BITS = 0.2 * math.log2(5) + 0.8 * math.log2(5 / 4)
"""What no model can beat; the shares of letters alone give 3 bits, or a little less."""


@pytest.mark.parametrize(("model", "steps", "lr"), [("rwkv4", 30, 1e-2), ("opt", 80, 5e-3)])
def test_a_tiny_model_learns_what_there_is_to_learn(
    model: str, steps: int, lr: float, tmp_path: Path
) -> None:
    learnt, unseen = chain(20_000, 1), chain(6_000, 2)
    settings = replace(
        TINY, model=model, layers=1, window=32, batch=16, steps=steps, lr=lr, warmup=5,
        look_every=steps // 3, dropout=0.0, valid_window=32,
    )  # fmt: skip
    trained = train(settings, text(learnt), text(unseen), tmp_path, say=silent)
    assert CHAIN_BITS - 0.05 < trained.progress.best_bits < 1.2
    assert trained.stopped == "all steps done"


@pytest.mark.parametrize("model", ["rwkv4", "opt"])
def test_the_module_that_trains_is_the_model_that_is_read(model: str) -> None:
    """The readable forward, with the same weights, gives the same logits."""
    module = build(replace(TINY, model=model)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = dict(module.state_dict())
    shape = module.shape
    reader = Opt(shape, weights) if isinstance(shape, OptShape) else Rwkv4(shape, weights)
    tokens = torch.randint(0, 256, (3, 50), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine = module(tokens)
    assert mine.std() > 0.1
    torch.testing.assert_close(mine, reader.sequence(tokens)[0], atol=1e-4, rtol=1e-4)


def killed_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the process, so to say, once the state after `steps` steps is on disk."""
    real = save_state

    def save(path: Path, settings: Settings, data: str, progress: Any, parts: Any) -> None:
        real(path, settings, data, progress, parts)
        if progress.step == steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(run, "save_state", save)


@pytest.mark.parametrize("model", ["rwkv4", "opt"])
def test_a_killed_run_ends_with_the_same_bytes(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(TINY, model=model)
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)
    whole = train(settings, TRAIN, VALID, tmp_path / "whole", say=silent)
    with monkeypatch.context() as patch:
        killed_after(4, patch)
        with pytest.raises(KeyboardInterrupt):
            train(settings, TRAIN, VALID, tmp_path / "cut", say=silent)
    said: list[str] = []
    resumed = train(settings, TRAIN, VALID, tmp_path / "cut", resume=True, say=said.append)
    assert said[0] == "resumed after step 4"
    assert resumed.progress.step == 6
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name]), name
    strip = [row[:5] for row in whole.progress.curve]
    assert [row[:5] for row in resumed.progress.curve] == strip
    another = train(replace(settings, seed=1), TRAIN, VALID, tmp_path / "other", say=silent)
    assert any(not torch.equal(t, another.weights[n]) for n, t in whole.weights.items())


def test_training_asks_for_a_fixed_order_of_sums_and_gives_the_setting_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[bool] = []
    step = run.Trainer.step

    def noted(self: run.Trainer) -> None:
        during.append(torch.are_deterministic_algorithms_enabled())
        step(self)

    monkeypatch.setattr(run.Trainer, "step", noted)
    train(replace(TINY, steps=2), TRAIN, VALID, tmp_path / "one", say=silent)
    assert during == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    # Two metadata keys, which the library writes in an order that differs from call to call.
    weights = {"b": torch.ones(2), "a": torch.zeros(3)}
    for n in range(8):
        write_weights(tmp_path / f"{n}", weights, replace(TINY, model="opt"))
    assert len({(tmp_path / f"{n}").read_bytes() for n in range(8)}) == 1
    assert torch.equal(load_file(tmp_path / "0")["a"], torch.zeros(3))


def test_it_stops_early_and_keeps_the_best_look(tmp_path: Path) -> None:
    """A rate that spoils what was learnt: looks get worse, and an earlier one is what is kept."""
    settings = replace(
        TINY, steps=400, lr=0.3, warmup=40, look_every=2, patience=3, ema=0.0, dropout=0.0
    )
    trained = train(settings, TRAIN, VALID, tmp_path, say=silent)
    p = trained.progress
    assert trained.stopped == "no better look in 3"
    assert p.step == p.best_step + 6 < 400
    assert p.best_bits == min(row[4] for row in p.curve)
    module = build(settings)
    module.load_state_dict(trained.weights)
    kept = score(module, held_out(VALID.tokens, 64).peeked, 16)
    assert kept.bits == pytest.approx(p.best_bits, abs=1e-6)


def test_a_diverging_run_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.Trainer, "_loss", lambda self, i, t: _nan(self.model))
    with pytest.raises(Finding, match=r"^training: the loss is nan at step 2; try a lower lr$"):
        train(TINY, TRAIN, VALID, tmp_path, say=silent)


def _nan(model: torch.nn.Module) -> Tensor:
    return sum(p.sum() for p in model.parameters()) * torch.tensor(math.nan)


def test_what_the_command_writes_is_read_and_scores_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.txt").write_bytes(PROSE[:48_000])
    (tmp_path / "valid.txt").write_bytes(PROSE[48_000:50_000])
    for model in ("rwkv4", "opt"):
        code = main(command(tmp_path, model, "--licence", "public domain", "--json"))
        report = json.loads(capsys.readouterr().out)
        assert code == 0
        out = tmp_path / model
        assert json.loads((out / "run.json").read_text()) == report
        loaded = load_any(out if model == "opt" else out / "model.safetensors")
        assert report["parameters"] == sum(t.numel() for t in loaded.weights.values())
        weights = load_file(out / "model.safetensors")
        assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
        (scored,) = (s for s in report["held_out"] if s["window"] == 128)
        assert scored["predicted"] == 1999
        measured = evaluate(loaded, PROSE[48_000:50_000], window=128).bits
        assert measured == pytest.approx(scored["bits"], abs=1e-5)
        card = (out / "card.md").read_text()
        assert f"| 128 | 1,999 | {scored['bits']:.4f} |" in card
        assert "Licence of the text: public domain. Licence of the weights: not stated." in card
        assert str(tmp_path / model) not in card
        assert (out / "loss.csv").read_text().count("\n") == 3


def command(folder: Path, model: str, *more: str) -> list[str]:
    sizes = "--layers 1 --width 16 --heads 2 --window 128 --batch 4 --steps 4 --warmup 2"
    looks = "--look-every 2 --valid-window 128"
    texts = ["--text", str(folder / "train.txt"), "--valid", str(folder / "valid.txt")]
    return [
        model,
        *sizes.split(),
        *looks.split(),
        *texts,
        "--out",
        str(folder / model),
        *QUIET,
        *more,
    ]
