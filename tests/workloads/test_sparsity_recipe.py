"""Recipe files: what is written is what is read, and faults are named."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from workloads.sparsity import (
    Recipe,
    SiteChoice,
    parse_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)

RECIPE = Recipe(
    model="a1" * 32,
    command="sparsify(model, text, 1.0005)",
    method="sequential",
    loss_inc=1.0005,
    candidates=(0.9, 0.5, 0.1),
    calibration_hash="0" * 64,
    calibration_length=32769,
    window=1024,
    base_loss=0.7275,
    final_loss=1 / 3,
    natural_sparsity=0.25,
    sparsity=0.4,
    sites={
        "blocks.0.att.key": SiteChoice(0.1, 0.9, forced=True),
        "blocks.0.att.rec": SiteChoice(0.0, 0.1),
    },
)

choices = st.builds(
    SiteChoice,
    threshold=st.floats(0, 1e30),
    density=st.floats(0, 1, exclude_min=True),
    forced=st.booleans(),
)
recipes = st.builds(
    Recipe,
    model=st.text("0123456789abcdef", min_size=1),
    command=st.text(st.characters(codec="ascii", exclude_categories=("C",))),
    method=st.just("sequential"),
    loss_inc=st.floats(1, 2),
    candidates=st.lists(st.floats(0, 1), min_size=1).map(tuple),
    calibration_hash=st.text("0123456789e"),
    calibration_length=st.integers(0, 10**12),
    window=st.integers(1, 10**6),
    base_loss=st.floats(0, 10),
    final_loss=st.floats(0, 10),
    natural_sparsity=st.floats(0, 1),
    sparsity=st.floats(0, 1),
    sites=st.dictionaries(st.sampled_from(["blocks.0.att.key", "x"]), choices, min_size=1),
)


@given(recipes)
def test_round_trip(recipe: Recipe) -> None:
    assert parse_recipe(recipe_text(recipe)) == recipe


def test_file_round_trip_and_order(tmp_path: Path) -> None:
    write_recipe(RECIPE, tmp_path / "r.yaml")
    again = read_recipe(tmp_path / "r.yaml")
    assert again == RECIPE
    assert list(again.sites) == list(RECIPE.sites)
    assert again.thresholds == {"blocks.0.att.key": 0.1, "blocks.0.att.rec": 0.0}
    assert (tmp_path / "r.yaml").read_text().startswith("schema: seneca-recipe/1\nmodel: a1a1")


def test_a_recipe_is_for_one_model() -> None:
    RECIPE.check_model("a1" * 32)
    with pytest.raises(InputError, match=r"^recipe is for model a1a1a1a1a1a1, not for ffff"):
        RECIPE.check_model("f" * 64)


FAULTS = {
    "schema": (("recipe/1", "recipe/9"), "schema is 'seneca-recipe/9', expected"),
    "misspelt": (("window:", "windw:"), "unknown key 'windw'; did you mean 'window'?"),
    "unknown": (("window:", "qq: 1\nwindow:"), "unknown key 'qq'"),
    "missing": (("method: sequential\n", ""), "key 'method' is missing"),
    "type": (("window: 1024", "window: 1.5"), "'window' is 1.5, expected int"),
    "text": (("base_loss: 0.7275", "base_loss: low"), "'base_loss' is 'low', expected float"),
    "list": (("- 0.5", "- half"), "'candidates' is 'half', expected float"),
    "negative": (("threshold: 0.1", "threshold: -0.1"), "blocks.0.att.key: threshold is -0.1;"),
    "nan": (("threshold: 0.1", "threshold: .nan"), "blocks.0.att.key: threshold is nan;"),
    "density": (("density: 0.9", "density: 1.5"), "blocks.0.att.key: density is 1.5;"),
    "twice": (("window: 1024", "window: 1024\nwindow: 1"), ":13:1: found duplicate key"),
    "yaml": (("window: 1024", "window: [1"), "r.yaml:13:10: expected ',' or ']'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_files(fault: str) -> None:
    (old, new), message = FAULTS[fault]
    text = recipe_text(RECIPE)
    assert old in text
    with pytest.raises(InputError) as caught:
        parse_recipe(text.replace(old, new), "r.yaml")
    assert str(caught.value).startswith("r.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "schema: seneca-recipe/1", "schema: seneca-recipe/1\nsites: {a: 1}"]
)
def test_files_that_are_no_recipes(text: str) -> None:
    with pytest.raises(InputError, match=r"^recipe: "):
        parse_recipe(text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r\.yaml: cannot be read \(No such file or directory\)$"):
        read_recipe(tmp_path / "r.yaml")


def test_recipes_need_no_torch() -> None:
    code = "import sys, workloads.sparsity; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_recipes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPE.window = 3  # type: ignore[misc]


def test_a_recipe_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"r\.yaml: is nested too deeply$"):
        read_recipe(file)
