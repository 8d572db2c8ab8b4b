"""What ships can be read, is what its cards say, and needs no torch to be found."""

import hashlib
import subprocess
import sys
from importlib import resources

import pytest

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.models import content_hash, load_model, site_names

NAME = "rwkv4-byte-6x256"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_importing_the_zoo_needs_no_torch() -> None:
    code = "import sys, workloads.zoo; print([m for m in ('torch', 'numba') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_texts_are_what_the_card_says() -> None:
    card = (resources.files("workloads.zoo") / "texts.md").read_text(encoding="utf-8")
    held_out, calibration = zoo.held_out_text(), zoo.calibration_text()
    assert (len(held_out), len(calibration)) == (98304, 65536)
    assert sha256(held_out) in card
    assert sha256(calibration) in card
    held_out.decode("utf-8")
    calibration.decode("utf-8")


def test_parts_do_not_overlap() -> None:
    assert zoo.held_out_text().startswith(zoo.prompt_text() + zoo.evaluation_text())
    assert len(zoo.prompt_text()) == 4096
    assert len(zoo.evaluation_text()) == 32769


def test_calibration_text_is_not_held_out() -> None:
    held_out, calibration = zoo.held_out_text(), zoo.calibration_text()
    pieces = [calibration[i : i + 100] for i in range(0, len(calibration), 100)]
    assert not any(piece in held_out for piece in pieces)


def test_the_model_loads() -> None:
    model = load_model(zoo.weights_path(NAME))
    assert (model.shape.layers, model.shape.width, model.shape.ffn) == (6, 256, 1024)
    assert sum(tensor.numel() for tensor in model.weights.values()) == 5_260_800


def test_the_recipe_is_for_the_model() -> None:
    recipe = zoo.recipe(f"{NAME}-1.0005")
    model = load_model(zoo.weights_path(NAME))
    recipe.check_model(content_hash(model.weights))
    assert tuple(recipe.sites) == site_names(6)
    text = zoo.calibration_text()[: recipe.calibration_length]
    assert sha256(text) == recipe.calibration_hash


def test_entries_are_files() -> None:
    for entry in zoo.entries():
        assert (resources.files("workloads.zoo") / entry.file).is_file()
        assert entry.model in [e.name for e in zoo.entries() if e.kind == "model"]


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"^zoo: no model 'rwkv4-byte'; did you mean"):
        zoo.weights_path("rwkv4-byte")
    with pytest.raises(
        InputError, match=r"^zoo: no recipe 'x'; there are: rwkv4-byte-6x256-1.0005, opt-byte"
    ):
        zoo.recipe("x")
