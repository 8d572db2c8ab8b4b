"""Whether tokens travel together: how long each is in a layer in which another one is, too.

With a window of several vectors a core takes a second token's events before the results of the
first are sent (S8), so both leave a layer together, and stay so: each waits for the other's work
although other layers are empty.
"""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.activity import Activity
from seneca_sim.program import Program
from seneca_sim.results.spans import layer_spans


def share_together(program: Program, activity: Activity) -> float:
    """Share of all tokens' time, 0 to 1, in which another token is in the same layer."""
    whole = together = 0
    for begin, end in layer_spans(program, activity).values():
        times = np.concatenate((begin, end))
        order = np.argsort(times, kind="stable")
        inside = np.cumsum(np.where(order < len(begin), 1, -1))[:-1]
        spent = inside * np.diff(times[order])
        whole += int(spent.sum())
        together += int(spent[inside > 1].sum())
    return together / whole if whole else 0.0
