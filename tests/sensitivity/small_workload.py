"""A workload small enough to vary everything: one core, two variants, made by hand."""

from collections.abc import Mapping

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.program import EventStream, Program
from seneca_sim.validate.bench import one_core


def build(chip: Chip) -> tuple[Program, Mapping[str, EventStream]]:
    """64 channels into 64 neurons on core 3; 48 events natural, 20 sparsified, two tokens."""
    program = one_core(
        chip, core=3, kernel="event_bf16", neurons=64, width=64, step=("send_acc", 8)
    )
    counts = {"natural": 48, "sparsified": 20}
    return program, {
        name: EventStream(np.array([[n, n - 1], [8, 8]], np.int64)) for name, n in counts.items()
    }
