"""What a killed run needs to go on as if nothing had happened, and its file.

There is no state of random numbers in it: order of the text and dropout of a step are functions
of the seed and the step.
"""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from workloads.training.settings import Settings

FORMAT = "seneca-training/1"

CURVE = ("step", "bytes", "lr", "train_bits", "held_out_bits", "seconds")
"""Columns of the loss curve."""


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: steps done.
        total: steps to do, None while that is not known.
        seconds: wall clock so far, earlier parts of a resumed run included.
        looks_since_best: looks at the held-out text since the best one.
        best_step: where the best look was, -1 before the first.
        best_bits: what it gave.
        best: the weights of then.
        curve: one row of `CURVE` per look.
    """

    step: int
    total: int | None
    seconds: float
    looks_since_best: int
    best_step: int
    best_bits: float
    best: dict[str, Tensor]
    curve: list[list[float]]


def save_state(
    path: Path, settings: Settings, data: str, progress: Progress, parts: dict[str, Any]
) -> None:
    """Write settings, the hash of the text, progress and the state of model and optimiser."""
    buffer = io.BytesIO()
    torch.save(
        {
            "format": FORMAT,
            "settings": settings.to_dict(),
            "data": data,
            "progress": dict(vars(progress)),
            "parts": parts,
        },
        buffer,
    )
    write_bytes(path, buffer.getvalue())


def load_state(path: Path, settings: Settings, data: str) -> tuple[Progress, dict[str, Any]]:
    """Read what `save_state` wrote.

    Raises:
        InputError: no such file, damaged, or of a run with other settings or another text.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file, so there is nothing to resume")
    try:
        found = torch.load(path, map_location=settings.device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: damaged, or not the state of a run") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path}: not the state of a run, expected format {FORMAT!r}")
    other = settings.difference(found["settings"])
    if other is None and found["data"] != data:
        other = "the training text is another one"
    if other is not None:
        raise InputError(f"{path}: a run with other settings: {other}")
    return Progress(**found["progress"]), found["parts"]
