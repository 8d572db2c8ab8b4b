"""The reference's rules on arrays, compiled by Numba: the same Activity, far sooner.

`layout` names the records, `build` makes them from chip, program and stream (with `tasks` and
`trees`), `loop` runs them (with `core` and `parts`), `read` makes the Activity. Public names are
`simulate` and, for benchmarks, `effort`.
"""

from seneca_sim.engine.compiled.run import effort, simulate

__all__ = ["effort", "simulate"]
