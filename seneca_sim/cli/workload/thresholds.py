"""Thresholds that a study asks for by a loss: searched once, and remembered by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from seneca_sim.cli.workload.files import file_hash, version_of
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.job import Inputs
    from workloads.sparsity.recipe import Recipe

CALIBRATION_BYTES: Final = 32 * 1024 + 1
HOW: Final[dict[str, Any]] = {
    "method": "sequential", "candidates": "linear", "warm_start": True, "window": 1024, "batch": 16,
}  # fmt: skip
"""How studies search, as arguments of `workloads.sparsity.search.sparsify`."""


def search_of() -> dict[str, object]:
    """What the thresholds of a search depend on beside model, text and loss: plain data."""
    from pathlib import Path

    import workloads
    from seneca_sim.sweep.keys import source_hash

    root = Path(workloads.__file__).parent
    sources = [source_hash(root / part) for part in ("models", "sparsity")]
    return {**HOW, "sources": sources, "torch": version_of("torch")}


def searched_recipe(
    inputs: Inputs, loss_inc: float, tell: Callable[[int, int, str], None]
) -> Recipe:
    """Thresholds for a model at a loss increase, searched once.

    They are remembered in the folder of `workloads.job.accuracy`; one that cannot be read or
    written costs time and nothing else.
    """
    from seneca_sim.files import write_text
    from seneca_sim.results.ids import digest
    from workloads import zoo
    from workloads.job.accuracy import cache_folder
    from workloads.job.load import load
    from workloads.sparsity.recipe import read_recipe, recipe_text
    from workloads.sparsity.search import sparsify

    calibration = zoo.calibration_text()[:CALIBRATION_BYTES]
    text = hashlib.sha256(calibration).hexdigest()
    key = digest([file_hash(inputs.weights), inputs.rescaled, loss_inc.hex(), text, search_of()])
    place = cache_folder() / f"recipe-{key[:32]}.yaml"
    try:
        return read_recipe(place)
    except (OSError, InputError):
        pass  # not there, or no recipe
    recipe = sparsify(
        load(inputs), calibration, loss_inc, **HOW, command="seneca-sim sweep", progress=tell
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, recipe_text(recipe))
    except (OSError, InputError):
        pass  # found all the same
    return recipe
