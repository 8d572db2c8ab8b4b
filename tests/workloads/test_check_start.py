"""OPT and RWKV-7 onto a chip: values against torch from the empty state, and bits per byte."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_models import save, small_opt, small_rwkv7

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from seneca_sim.program import Program
from workloads.compiler import MapSettings, lower
from workloads.compiler.check import verdict
from workloads.job.check_start import check_from_start, check_tokens
from workloads.job.inputs import shipped_inputs
from workloads.job.onchip import OnChip, bits_per_byte
from workloads.job.onto_chip import OntoChip, onto_chip, rounded
from workloads.models.load import Loaded
from workloads.models.sited import sited
from workloads.sparsity.evaluate import evaluate

TEXT = b"It is a truth universally acknowledged"
FAMILIES = {"opt": small_opt, "rwkv7": small_rwkv7}
families = pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)


def compiled(chip: OntoChip, bits: str = "bf16") -> Program:
    graph = chip.graph(context=64)
    return lower(graph, Chip("small", 8, 8), settings=MapSettings(bits=bits))


@families
@pytest.mark.parametrize("bits", ["bf16", "int4"])
def test_every_site_is_torchs(make: Callable[[], Loaded], bits: str, tmp_path: Path) -> None:
    """From a file, with thresholds from none; INT4 against the model rounded alike."""
    path = save(make(), tmp_path / "m.safetensors")
    (tmp_path / "text").write_bytes(TEXT)
    inputs = shipped_inputs(str(path), text=tmp_path / "text", context=2, tokens=3)
    chip = onto_chip(make())
    found = check_from_start(inputs, bits, lambda shape: _of(chip, shape, bits))
    assert set(found) == {"natural"}
    assert verdict(found["natural"]).passed
    assert {c.site for c in found["natural"]} >= {*chip.sites, "head", "logits"}
    assert {c.token for c in found["natural"]} == set(range(5))


def _of(chip: OntoChip, shape: object, bits: str) -> Program:
    assert shape == chip.shape
    return compiled(chip, bits)


@families
@pytest.mark.nightly
def test_a_wrong_weight_is_found_where_it_is(make: Callable[[], Loaded]) -> None:
    chip = onto_chip(make())
    name = next(n for n in chip.tensors if n.endswith(("ffn.value.weight", "fc2.weight")))
    wrong = {**chip.tensors, name: chip.tensors[name] * np.float32(1.001)}
    thresholds = dict.fromkeys(chip.sites, 0.1)
    assert verdict(check_tokens(compiled(chip), chip, chip.tensors, [TEXT[:4]], thresholds)).passed
    found = verdict(check_tokens(compiled(chip), chip, wrong, [TEXT[:4]], thresholds))
    assert not found.passed
    assert found.failed[0].layer == 1


@families
def test_rounding_rounds_what_the_program_applies(make: Callable[[], Loaded]) -> None:
    chip = onto_chip(make())
    name = next(n for n in chip.tensors if n.endswith((".w1", "fc1.weight")))
    stored = rounded(chip, [name], 4)
    columns = np.abs(stored.tensors[name] - chip.tensors[name]).max(axis=1)
    assert np.all(columns > 0)
    assert np.all(columns < 0.6 * np.abs(chip.tensors[name]).max(axis=1) / 7)
    same = [n for n in chip.tensors if n != name]
    assert all(np.array_equal(stored.tensors[n], chip.tensors[n]) for n in same)


@families
def test_bits_per_byte_on_the_chip(make: Callable[[], Loaded]) -> None:
    """Beside torch's; windows start from an empty state or cache, shorter than it or as long."""
    model = make()
    text = TEXT * 3
    found = bits_per_byte(model, text, 16, window=64)
    wanted = evaluate(sited(model), text, window=64).nats / np.log(2)
    assert found == pytest.approx(wanted, rel=0.02)
    piece = OnChip.of(model, context=32).code_lengths(text[:33])
    assert piece.mean() == pytest.approx(bits_per_byte(model, text[:33]), rel=1e-12)


def test_ranks_that_differ_are_refused() -> None:
    model = small_rwkv7()
    weights = {**model.weights, "blocks.1.att.g1": model.weights["blocks.1.att.g1"][:, :3]}
    with pytest.raises(InputError, match=r"ranks of att\.g1 are \[3, 12\]; expected one for all"):
        onto_chip(dataclasses.replace(model, weights=weights))
