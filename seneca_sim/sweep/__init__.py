"""Many runs: today a pool of processes for the variants of one job."""

from seneca_sim.sweep.pool import Run, simulate_many

__all__ = ["Run", "simulate_many"]
