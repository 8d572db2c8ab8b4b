"""Load the model of a job; what the reader only warns of is an error here, with a way out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from seneca_sim.errors import InputError
from workloads.job.inputs import Inputs
from workloads.models import Rwkv4, load_model
from workloads.models.load import Loaded, load_any
from workloads.models.readers import RescaleWarning

Model = TypeVar("Model")


def load(inputs: Inputs) -> Rwkv4:
    """Load the job's checkpoint to simulate it.

    Raises:
        InputError: it cannot be used, or it may hold halved weights and nothing was said of it.
    """
    return _loaded(load_model, inputs)


def load_to_measure(inputs: Inputs) -> Loaded:
    """Load the job's checkpoint, of whatever family, to sparsify or evaluate it.

    Raises:
        InputError: see `load`.
    """
    return _loaded(load_any, inputs)


def _loaded(reader: Callable[..., Model], inputs: Inputs) -> Model:
    undo = {"undo": True, "keep": False}.get(inputs.rescaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RescaleWarning)
        try:
            return reader(inputs.weights, undo_rescale=undo)
        except RescaleWarning as warning:
            text = str(warning).partition(";")[0]
            raise InputError(f"{text}; say --rescaled undo or --rescaled keep") from None
