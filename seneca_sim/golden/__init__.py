"""Goldens: committed files that hold a run's integers still, and say what moved them.

`file` is what is committed, `job` what a golden is run on, `check` compares, `attribute` finds the
cause, `keep` records and updates. How a golden's inputs are opened is the caller's: this package
knows no workload.
"""

from seneca_sim.golden.check import Outcome, check
from seneca_sim.golden.file import Golden, read_golden, write_golden
from seneca_sim.golden.job import Bench, Job
from seneca_sim.golden.keep import record, update

__all__ = [
    "Bench",
    "Golden",
    "Job",
    "Outcome",
    "check",
    "read_golden",
    "record",
    "update",
    "write_golden",
]
