"""The reference's rules on arrays, compiled by Numba: the same Activity, far sooner.

`layout` names the records, `build` makes them from chip, program and stream (with `network`,
`ways`, `trees` and `tasks`), `loop` runs them (with `controller`, `units`, `routers`, `host`,
`packets` and `parts`), `read` makes the Activity. Public names are `simulate`, `prepare`, which it
calls, and, for benchmarks, `effort`.
"""

from seneca_sim.engine.compiled.build import prepare
from seneca_sim.engine.compiled.run import effort, simulate

__all__ = ["effort", "prepare", "simulate"]
