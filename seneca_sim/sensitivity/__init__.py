"""Each assumption varied over its range, one at a time, and ranked by what it changes."""

from seneca_sim.sensitivity.parameters import Note, Parameter, choose, notes, parameters_of
from seneca_sim.sensitivity.study import MEASURES, Cost, Effect, Point, Study, run_study

__all__ = [
    "MEASURES", "Cost", "Effect", "Note", "Parameter", "Point", "Study", "choose", "notes",
    "parameters_of", "run_study",
]  # fmt: skip
