"""From counts to an answer: pricing, breakdowns, tables, and the folder that keeps a run."""

from seneca_sim.results.run import RunResult, price_run

__all__ = ["RunResult", "price_run"]
