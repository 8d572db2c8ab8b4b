"""Load the model of a job; what the reader only warns of is an error here, with a way out."""

from __future__ import annotations

import warnings

from seneca_sim.errors import InputError
from workloads.job.inputs import Inputs
from workloads.models import Rwkv4, load_model
from workloads.models.readers import RescaleWarning


def load(inputs: Inputs) -> Rwkv4:
    """Load the job's checkpoint.

    Raises:
        InputError: it cannot be used, or it may hold halved weights and nothing was said of it.
    """
    undo = {"undo": True, "keep": False}.get(inputs.rescaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RescaleWarning)
        try:
            return load_model(inputs.weights, undo_rescale=undo)
        except RescaleWarning as warning:
            text = str(warning).partition(";")[0]
            raise InputError(f"{text}; say --rescaled undo or --rescaled keep") from None
