"""Runs a program's values, untimed: the numbers that the machine would compute, at fp32.

`MemoryImage.load` fills the data memories of all cores from checkpoint tensors, as the program's
memory map says; `run_values` then runs tokens through the program's stages, routes and slices.
Nothing is taken from the model but its tensors, so a route or slice that is wrong in the program
is wrong in the values. This is the only package that needs Numba besides the compiled engine.
"""

from seneca_sim.functional.image import MemoryImage
from seneca_sim.functional.machine import ValueMachine, run_values

__all__ = ["MemoryImage", "ValueMachine", "run_values"]
