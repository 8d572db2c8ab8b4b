"""What runs on a Dask worker; imported where Dask is."""

from __future__ import annotations

import pickle
import threading
from typing import Any

from distributed import WorkerPlugin

from seneca_sim.sweep.stages import Job, Outcome, Stages

_lock = threading.Lock()
_setups: dict[str, bytes] = {}
_stages: dict[str, Stages] = {}


class SetupPlugin(WorkerPlugin):
    """Puts the setup into every worker, when the plugin comes or when the worker starts."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name, data

    def setup(self, worker: Any) -> None:
        """Keep the setup for `run_portion`."""
        _setups[self.name] = self.data


def run_portion(name: str, jobs: list[Job]) -> list[Outcome]:
    """Run some points with the stages of a setup, one thread at a time."""
    with _lock:
        if name not in _stages:
            _stages.clear()  # those of an earlier sweep
            _stages[name] = Stages(pickle.loads(_setups[name]))
        return [_stages[name].evaluate(job) for job in jobs]
