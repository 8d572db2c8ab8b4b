"""A run that begins in a later cycle is the same run, later."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from random_programs import random_case

from seneca_sim.engine import compiled, reference
from seneca_sim.engine.activity import PACKET_FIELDS, SLICE_FIELDS, Activity
from seneca_sim.engine.compiled import layout

TIMES = [PACKET_FIELDS.index(n) for n in ("created", "injected", "arrived", "started", "done")]
SLICE_TIMES = [SLICE_FIELDS.index(n) for n in ("since", "start", "end")]


def later(found: Activity, by: int) -> Activity:
    """By hand: times move, windows of one cycle move, nothing else does."""
    assert found.packets is not None
    assert found.slices is not None
    packets, slices = found.packets.copy(), found.slices.copy()
    packets[:, TIMES] += by
    slices[:, SLICE_TIMES] += by
    return replace(
        found,
        cycles=found.cycles + by,
        token_start=found.token_start + by,
        token_done=found.token_done + by,
        stage_done=found.stage_done + by,
        window_ops=np.pad(found.window_ops, ((by, 0), (0, 0))),
        packets=packets,
        slices=slices,
    )


@pytest.mark.parametrize("engine", [reference, compiled])
@pytest.mark.parametrize("seed", range(12))
def test_everything_is_later(engine, seed: int) -> None:
    rnd = Random(f"later.{seed}")
    case, by = random_case(rnd), rnd.choice((1, 63, 1000, layout.WHEEL + 5))
    how = {"mode": case.mode, "window_cycles": 1, "log_packets": True, "log_slices": True}
    found = engine.simulate(*case[:3], **how)
    moved = engine.simulate(*case[:3], **how, first_cycle=by)
    assert moved.differences(later(found, by)) == []
    assert moved.wakeups == found.wakeups
