"""Goldens of a shape without weights: its masks are drawn anew in each check."""

import json
from pathlib import Path
from typing import Any

import pytest
from golden_tools import Call, replace_in

SHAPE = """schema: seneca-shape/1
family: rwkv4
layers: 1
width: 16
ffn: 32
vocab: 24
variants:
  natural:
    density: {att.key: 1, att.rec: 1, att.val: 1, att.out: 1, ffn.rec: 1, ffn.key: 1, ffn.val: 0.5}
"""
RECORD = ("golden", "record", "shape.yaml", "--chip", "chip.yaml", "--energy", "energy.yaml",
          "--set", "workload.tokens=2", "-o", "made/shape")  # fmt: skip


@pytest.fixture
def shape(call: Call) -> Call:
    Path("shape.yaml").write_text(SHAPE)
    return call


def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("made/shape.json").read_text())
    return found


def test_a_shape_is_recorded_and_checked_without_masks_in_the_file(shape: Call) -> None:
    done = shape(*RECORD)  # the folder is made, the suffix put on
    assert done.code == 0, done.err
    assert done.out.startswith("made/shape.json: recorded dense")
    assert golden()["spec"]["kind"] == "shape"
    assert golden()["spec"]["workload"] == "../shape.yaml"
    assert golden()["inputs"]["settings"]["workload.tokens"] == "2"
    assert set(golden()["numbers"]) == {"dense", "natural"}
    assert shape("golden", "check", "made").code == 0


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [("ffn.val: 0.5", "ffn.val: 0.4", "workload shape_file"), ("ffn: 32", "ffn: 48", "program")],
)
def test_what_a_shape_says_moves_the_numbers_and_is_named(
    shape: Call, old: str, new: str, cause: str
) -> None:
    assert shape(*RECORD).code == 0
    replace_in(Path("shape.yaml"), old, new)
    done = shape("golden", "check", "made")
    assert done.code == 1
    assert cause in done.out


def test_another_seed_is_another_golden(shape: Call) -> None:
    assert shape(*RECORD).code == 0
    before = golden()["inputs"]["workload"]
    Path("made/shape.json").unlink()
    assert shape(*RECORD, "--set", "workload.seed=7").code == 0
    after = golden()["inputs"]["workload"]
    changed = {key for key in before if before[key] != after[key]}
    assert {"trace.natural"} <= changed <= {"trace.natural", "trace.dense", "model"}


def test_one_variant_is_enough(shape: Call) -> None:
    assert shape(*RECORD, "--variant", "natural").code == 0
    assert set(golden()["numbers"]) == {"natural"}
    assert "trace.dense" not in golden()["inputs"]["workload"]
    assert shape("golden", "check", "made").code == 0


def test_what_only_a_model_has_is_refused(shape: Call) -> None:
    for option in (("--text", "t.txt"), ("--recipe", "r.yaml")):
        done = shape(*RECORD, *option)
        assert done.code == 2
        assert "shape.yaml is a shape without weights: leave" in done.err
    done = shape(*RECORD, "--variant", "sparsified")
    assert "no variant 'sparsified'; shape has dense, natural" in done.err
    assert not Path("made").exists()
