"""Load the model of a job; what the reader only warns of is an error here, with a way out."""

from __future__ import annotations

import warnings

from seneca_sim.errors import InputError
from workloads.job.inputs import Inputs
from workloads.models import content_hash, load_any
from workloads.models.load import Loaded
from workloads.models.readers import RescaleWarning
from workloads.sparsity.batches import BYTE_VOCABULARY


def load(inputs: Inputs) -> Loaded:
    """Load the job's checkpoint, of whatever family.

    Raises:
        InputError: it cannot be used, it may hold halved weights and nothing was said of it, or
            that was said of a family that has none.
    """
    undo = {"undo": True, "keep": False}.get(inputs.rescaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RescaleWarning)
        try:
            return load_any(inputs.weights, undo_rescale=undo)
        except RescaleWarning as warning:
            text = str(warning).partition(";")[0]
            raise InputError(f"{text}; say --rescaled undo or --rescaled keep") from None


def load_over_bytes(inputs: Inputs, otherwise: str) -> Loaded:
    """Load the job's checkpoint, which must be over bytes, as text is, and fit the job's recipe.

    Args:
        inputs: of the job.
        otherwise: what to do with a model over other tokens.

    Raises:
        InputError: as `load`, or the model is not over bytes, or the recipe is another model's.
    """
    model = load(inputs)
    if model.shape.vocab != BYTE_VOCABULARY:
        raise InputError(
            f"{inputs.weights}: vocabulary of {model.shape.vocab}, but text is bytes "
            f"({BYTE_VOCABULARY}); {otherwise}"
        )
    if inputs.recipe is not None:
        inputs.recipe.check_model(content_hash(model.weights))
    return model
