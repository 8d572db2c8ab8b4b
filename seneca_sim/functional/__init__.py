"""Runs a program's values, untimed: the numbers that the machine would compute.

`MemoryImage.load` fills the data memories of all cores from checkpoint tensors, as the program's
memory map says; `run_values` then runs tokens through the program's stages, routes and slices.
Nothing is taken from the model but its tensors, so a route or slice that is wrong in the program
is wrong in the values. `MemoryImage.load(…, precision="bf16")` makes the same run at the chip's own
precision, bit for bit as the micro-kernels compute. This is the only package that needs Numba
besides the compiled engine.
"""

from seneca_sim.functional.image import MemoryImage
from seneca_sim.functional.machine import ValueMachine, run_values

__all__ = ["MemoryImage", "ValueMachine", "run_values"]
