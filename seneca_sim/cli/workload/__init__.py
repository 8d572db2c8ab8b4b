"""Workloads of studies: a model that is recorded, a trace replayed, or masks that are drawn."""

from seneca_sim.cli.workload.read import workload_of

__all__ = ["workload_of"]
