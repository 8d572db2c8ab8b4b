"""Conformance: hand-computed runs of small programs that any engine can be held against.

``run_conformance(simulate)`` calls an engine's `simulate` on every scenario and returns what
differs, an empty list for an engine that follows docs/semantics.md. A scenario's docstring is its
computation, so a failure can be checked with pencil and paper.
"""

from seneca_sim.conformance.check import Failure, run_conformance
from seneca_sim.conformance.scenario import Scenario, all_scenarios

__all__ = ["Failure", "Scenario", "all_scenarios", "run_conformance"]
