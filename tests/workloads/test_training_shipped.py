"""The shipped models are as good as their cards say, by a measure that did not train them."""

import csv
import hashlib
import lzma
import os
import re
from importlib import resources
from pathlib import Path

import pytest
import torch
from torch import Tensor

from workloads import zoo
from workloads.models import Opt, OptShape, content_hash, load_any, load_model, rwkv4
from workloads.sparsity.evaluate import evaluate

RWKV, OPT = "rwkv4-byte-6x256", "opt-byte-6x256"
WINDOWS = {RWKV: 1024, OPT: 512}
SLICE = slice(36_864, 36_864 + 8_193)
"""Bytes of the held-out text that no other figure uses."""


def card(name: str) -> str:
    return (resources.files("workloads.zoo") / f"{name}.md").read_text(encoding="utf-8")


def figure(name: str) -> tuple[int, float]:
    """Predicted bytes, and bits per byte over the whole held-out text, as the card says."""
    row = re.search(rf"^\| {WINDOWS[name]} \| ([\d,]+) \| (\d\.\d{{4}}) \|", card(name), re.M)
    assert row is not None
    return int(row[1].replace(",", "")), float(row[2])


@pytest.mark.parametrize("name", [RWKV, OPT])
def test_bits_per_byte_of_a_held_out_slice(name: str) -> None:
    model = load_any(zoo.weights_path(name))
    found = evaluate(model, zoo.held_out_text()[SLICE], window=WINDOWS[name])
    assert found.predicted == 8192
    assert 1.2 < found.bits < 1.35


def test_the_opt_loads_by_its_header() -> None:
    model = load_any(zoo.weights_path(OPT))
    assert isinstance(model, Opt)
    assert model.shape == OptShape(6, 256, 1024, 256, heads=8, positions=512)
    assert sum(tensor.numel() for tensor in model.weights.values()) == 4_936_192
    zoo.recipe(f"{OPT}-1.0005").check_model(content_hash(model.weights))


@pytest.mark.parametrize("name", [RWKV, OPT])
def test_card_and_loss_curve_tell_the_same(name: str) -> None:
    text = (resources.files("workloads.zoo") / f"{name}-loss.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    best = min(rows, key=lambda row: float(row["held_out_bits"]))
    kept = f"| {int(best['step']):,} (kept) | {int(best['bytes']) / 1e6:.1f} | "
    kept += f"{float(best['train_bits']):.4f} | {float(best['held_out_bits']):.4f} |"
    assert kept in card(name)
    assert "Licence of the text: public domain" in card(name)
    assert figure(name)[1] < 1.35


def test_keys_lie_closer_together_than_the_chunks_of_training_tell_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spreads: list[float] = []
    exact = rwkv4.wkv_loop

    def watched(
        k: Tensor, v: Tensor, decay: Tensor, first: Tensor, start: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        spreads.append(float((k.amax(1) - k.amin(1)).max()))
        return exact(k, v, decay, first, start)

    monkeypatch.setattr(rwkv4, "wkv_loop", watched)
    model = load_model(zoo.weights_path(RWKV))
    model.sequence(torch.tensor(list(zoo.held_out_text()[SLICE][:4096])).view(4, 1024))
    assert len(spreads) == 6
    assert 10 < max(spreads) < 30


def test_the_example_in_the_docs_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "training.md"
    (code,) = page.read_text(encoding="utf-8").split("```python\n")[1:]
    exec(compile(code.split("```")[0], str(page), "exec"), {})


@pytest.mark.nightly
@pytest.mark.parametrize("name", [RWKV, OPT])
def test_bits_per_byte_of_the_whole_held_out_text(name: str) -> None:
    """About three minutes each on one core; SENECA_SIM_HELD_OUT names the file."""
    place = os.environ.get("SENECA_SIM_HELD_OUT", "")
    if not Path(place).is_file():
        pytest.skip("the whole held-out text does not ship; SENECA_SIM_HELD_OUT may name it")
    text = lzma.decompress(Path(place).read_bytes())
    assert hashlib.sha256(text).hexdigest() in card(name)
    found = evaluate(load_any(zoo.weights_path(name)), text, window=WINDOWS[name])
    predicted, bits = figure(name)
    assert found.predicted == predicted
    assert found.bits == pytest.approx(bits, abs=2e-4)
