"""What ships: two models trained on bytes, text to run them on, and thresholds found for them.

The RWKV-4 is what runs by default; the OPT of like size, trained on the same text, is there to
compare it with. Beside these, the shapes and published densities of models whose weights do not
ship (`shapes`, `load_shape`). Everything is a file beside this one, so nothing is fetched and
nothing here needs torch. The texts come with a card, ``texts.md``, and the models with one each,
``MODEL.md``, and the loss curve of their training, ``MODEL-loss.csv``.
"""

import difflib
import lzma
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from seneca_sim.errors import InputError
from workloads.sparsity.recipe import Recipe, read_recipe
from workloads.zoo.densities import (
    Densities,
    expected_macs,
    expected_ratio,
    expected_sparsity,
)
from workloads.zoo.shapes import ShapeCard, is_shape, load_shape, shape_names, shapes

__all__ = [
    "EVALUATION",
    "PROMPT",
    "Densities",
    "Entry",
    "ShapeCard",
    "calibration_text",
    "entries",
    "evaluation_text",
    "expected_macs",
    "expected_ratio",
    "expected_sparsity",
    "held_out_text",
    "is_shape",
    "load_shape",
    "prompt_text",
    "recipe",
    "shape_names",
    "shapes",
    "weights_path",
]

PROMPT = slice(0, 4096)
"""Bytes of the held-out text to generate from: context first, then the tokens that follow."""

EVALUATION = slice(4096, 4096 + 32 * 1024 + 1)
"""Bytes of the held-out text to measure on: 32 windows of 1024 predicted bytes, and the first."""


@dataclass(frozen=True)
class Entry:
    """One thing in the zoo.

    Attributes:
        name: how commands call it.
        kind: "model" or "recipe".
        file: the file that holds it, beside this module.
        model: for a recipe, the name of the model that it is for, else the name itself.
        summary: one line for a listing.
    """

    name: str
    kind: str
    file: str
    model: str
    summary: str


_ENTRIES = (
    Entry(
        name="rwkv4-byte-6x256",
        kind="model",
        file="rwkv4-byte-6x256.safetensors",
        model="rwkv4-byte-6x256",
        summary="RWKV-4 over bytes, 6 blocks of 256 channels, FFN 1024, 5.3 M parameters, BF16",
    ),
    Entry(
        name="opt-byte-6x256",
        kind="model",
        file="opt-byte-6x256.safetensors",
        model="opt-byte-6x256",
        summary="OPT over bytes, 6 blocks of 256 channels, FFN 1024, 8 heads, 512 positions, "
        "4.9 M parameters, BF16: a transformer to compare with",
    ),
    Entry(
        name="rwkv4-byte-6x256-1.0005",
        kind="recipe",
        file="rwkv4-byte-6x256-1.0005.yaml",
        model="rwkv4-byte-6x256",
        summary="thresholds for it: linear candidates, loss may grow by 1.0005 a site",
    ),
    Entry(
        name="opt-byte-6x256-1.0005",
        kind="recipe",
        file="opt-byte-6x256-1.0005.yaml",
        model="opt-byte-6x256",
        summary="thresholds for it, found in the same way",
    ),
    Entry(
        name="rwkv4-byte-6x256-1.001",
        kind="recipe",
        file="rwkv4-byte-6x256-1.001.yaml",
        model="rwkv4-byte-6x256",
        summary="the same with a budget of 1.001 a site: sparser, and worse",
    ),
    Entry(
        name="rwkv4-byte-6x256-1.002",
        kind="recipe",
        file="rwkv4-byte-6x256-1.002.yaml",
        model="rwkv4-byte-6x256",
        summary="the same with a budget of 1.002 a site: sparser, and worse",
    ),
    Entry(
        name="rwkv4-byte-6x256-1.005",
        kind="recipe",
        file="rwkv4-byte-6x256-1.005.yaml",
        model="rwkv4-byte-6x256",
        summary="the same with a budget of 1.005 a site: sparser, and worse",
    ),
)


def entries() -> tuple[Entry, ...]:
    """Everything that ships, models before recipes."""
    return _ENTRIES


def weights_path(name: str) -> Path:
    """The weights file of a shipped model.

    Raises:
        InputError: no model of this name.
    """
    return _path(_entry(name, "model").file)


def recipe(name: str) -> Recipe:
    """A shipped recipe.

    Raises:
        InputError: no recipe of this name.
    """
    return read_recipe(_path(_entry(name, "recipe").file))


def held_out_text() -> bytes:
    """96 KiB of text that the shipped models were not trained on; see `PROMPT`, `EVALUATION`."""
    return _text("held-out.txt.xz")


def prompt_text() -> bytes:
    """4 KiB of the held-out text, from the beginning of a paragraph, to generate from."""
    return held_out_text()[PROMPT]


def evaluation_text() -> bytes:
    """32 KiB + 1 byte of the held-out text, none of it in the prompt, to measure on."""
    return held_out_text()[EVALUATION]


def calibration_text() -> bytes:
    """64 KiB of training text, evenly spread: thresholds are never set on held-out text."""
    return _text("calibration.txt.xz")


def _entry(name: str, kind: str) -> Entry:
    names = [entry.name for entry in _ENTRIES if entry.kind == kind]
    for entry in _ENTRIES:
        if entry.kind == kind and entry.name == name:
            return entry
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
    raise InputError(f"zoo: no {kind} {name!r}; {hint}")


def _path(file: str) -> Path:
    return Path(str(resources.files(__name__) / file))


def _text(file: str) -> bytes:
    return lzma.decompress(_path(file).read_bytes())
