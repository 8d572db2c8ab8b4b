"""When a layer is at work on a token."""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.activity import Activity, Ints
from seneca_sim.program import Program


def layer_spans(program: Program, activity: Activity) -> dict[int, tuple[Ints, Ints]]:
    """For every layer with stages, [tokens] cycles in which it begins and ends to be at work.

    From the last stage of the layer before it to its own last stage; the last layer's run to the
    token's answer.
    """
    layers = sorted({stage.layer for stage in program.stages})
    of_stage = np.array([stage.layer for stage in program.stages])
    before: Ints = activity.token_start
    spans = {}
    for layer in layers:
        own: Ints = activity.stage_done[of_stage == layer].max(axis=0)
        end = activity.token_done if layer == layers[-1] else np.maximum(own, before)
        spans[layer] = before, end
        before = end
    return spans


def active_cycles(program: Program, activity: Activity) -> dict[int, int]:
    """For every layer with stages, its active cycles over all tokens; they add up to latency."""
    spans = layer_spans(program, activity).items()
    return {layer: int((end - start).sum()) for layer, (start, end) in spans}
