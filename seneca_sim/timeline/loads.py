"""Loads of a program in passes on a timeline: what they are called, and which tokens they serve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.activity import SLICE_FIELDS, Ints
from seneca_sim.program import Program
from seneca_sim.results.packets import Selection
from seneca_sim.results.run import RunResult

_TOKEN = SLICE_FIELDS.index("token")


def names(program: Program) -> list[str]:
    """What each pass' load is called, after its layers; a single name where there are no passes."""
    found, start = [], 0
    for part in program.passes:
        layers = [stage.layer for stage in program.stages[start : start + part.stages]]
        found.append(f"load layers {min(layers)}-{max(layers)}")
        start += part.stages
    return found or ["load"]


def chosen(result: RunResult, selection: Selection, rows: Ints) -> NDArray[np.bool_]:
    """Which rows would, as loads, serve a token of a selection; they hold their turn's first one.

    Args:
        result: the run.
        selection: of tokens.
        rows: `Activity.slices`.
    """
    tokens = len(result.tokens.start)
    turn = result.program.sequences if result.mode == "generation" else tokens
    first = rows[:, _TOKEN]
    found: NDArray[np.bool_] = (first < selection.end_token) & (
        first + turn > selection.first_token
    )
    return found
