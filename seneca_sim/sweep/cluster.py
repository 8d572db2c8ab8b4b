"""Points on a Dask cluster: one of this machine's own, or any scheduler by its address.

The setup travels once to every worker, also to one that comes later, as a plugin; a portion of
points is a task of a few settings. Dask runs the tasks of a worker that dies elsewhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

from seneca_sim.errors import InputError
from seneca_sim.results.ids import digest
from seneca_sim.sweep.dispatch import Dispatcher
from seneca_sim.sweep.stages import COMPILE, Job, Outcome, Setup

LOCAL: Final = "local"
WAIT_SECONDS: Final = 60
AHEAD: Final = 2
"""Portions that a worker has at once: one running, one waiting beside it."""


def need_dask() -> None:
    """Refuse, in one line, to use a cluster without Dask.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("distributed") is None:
        raise InputError("a cluster needs Dask: pip install 'seneca-sim[cluster]'")


class Cluster:
    """Runs points on a Dask cluster."""

    def __init__(self, address: str = LOCAL, workers: int | None = None) -> None:
        """Connect.

        Args:
            address: of a scheduler, or "local" for a cluster of this machine's own.
            workers: processes of the local cluster; None for one a processor.

        Raises:
            InputError: no Dask, no scheduler there, or no worker in time.
        """
        need_dask()
        import distributed

        dask: Any = distributed  # which has types for a part only
        self._cluster: Any = None
        self._name = ""
        try:
            if address == LOCAL:
                self._cluster = dask.LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None
                )
            self.client: Any = dask.Client(self._cluster or address, timeout=WAIT_SECONDS)
            self.client.wait_for_workers(1, timeout=WAIT_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            self.close()
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"Dask at {address}: {reason}; is a scheduler with workers there?"
            ) from None

    def begin(self, setup: Setup) -> None:
        """Send the setup to all workers, and to all that come later."""
        from seneca_sim.sweep.cluster_worker import SetupPlugin

        data = pickle.dumps(setup)
        self._name = digest(data.hex())[:16]
        self.client.register_plugin(SetupPlugin(self._name, data), name=self._name)

    def run(self, dispatcher: Dispatcher) -> Iterator[Outcome]:
        """Run all points."""
        import distributed

        dask: Any = distributed
        running: dict[Any, tuple[str, list[Job]]] = {}
        done = dask.as_completed()
        for address in self._workers() * AHEAD:
            self._submit(dispatcher, address, running, done)
        for future in done:
            address, jobs = running.pop(future)
            error = future.exception()
            if error is None:
                yield from self._learnt(dispatcher, address, future.result())
            elif len(jobs) > 1:  # one of them is at fault: each for itself
                for job in jobs:
                    self._send([job], address, running, done)
            else:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                yield Outcome(jobs[0].index, error=f"its worker died: {text}", passing=True)
            self._submit(dispatcher, address, running, done)
            future.release()

    def _learnt(
        self, dispatcher: Dispatcher, address: str, outcomes: list[Outcome]
    ) -> Iterator[Outcome]:
        for outcome in outcomes:
            dispatcher.learn(outcome.reads)
            dispatcher.told(address, outcome.seconds, opened=COMPILE in outcome.work)
            yield outcome

    def _workers(self) -> list[str]:
        info = self.client.scheduler_info(n_workers=-1)["workers"]
        return [address for address, worker in info.items() for _ in range(worker["nthreads"])]

    def _submit(
        self, dispatcher: Dispatcher, address: str, running: dict[Any, Any], done: Any
    ) -> None:
        jobs = dispatcher.next_for(address)
        if jobs:
            self._send(jobs, address, running, done)

    def _send(self, jobs: list[Job], address: str, running: dict[Any, Any], done: Any) -> None:
        """Near the worker that has the program, if it is still there."""
        from seneca_sim.sweep.cluster_worker import run_portion

        future = self.client.submit(
            run_portion, self._name, jobs, pure=False, workers=[address], allow_other_workers=True
        )
        running[future] = address, jobs
        done.add(future)

    def close(self, *, at_once: bool = False) -> None:
        """Let go of the cluster; one's own ends with it."""
        client = getattr(self, "client", None)
        if client is not None:
            client.close()
        if self._cluster is not None:
            self._cluster.close()
