"""Points on Dask: the same records; a worker that dies costs nothing but time."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sweep_tools import TIMING, numbers, swept, written

from seneca_sim.errors import InputError
from seneca_sim.results.store import Store
from seneca_sim.sweep.cluster import Cluster
from seneca_sim.sweep.runners import Serial

pytest.importorskip("distributed")

SLOW = TIMING.replace("to: 4", "to: 80")
# Dask leaves sockets and threads to their own end; that is not what is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed.*"),
]


def serial(folder: Path, body: str) -> dict[str, object]:
    store = Store.create(folder / "serial")
    sweep = swept(body)
    sweep.run(store, Serial())
    store.refresh()
    return dict(numbers(store))


def test_a_cluster_gives_the_same_records(tmp_path: Path) -> None:
    """A scheduler and a worker in this process, by their address, as a cluster of one's own."""
    from distributed import LocalCluster

    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with LocalCluster(dashboard_address=None, **options) as local:
        cluster = Cluster(local.scheduler_address)
        store = Store.create(tmp_path / "store")
        try:
            tally = swept().run(store, cluster)
        finally:
            cluster.close()
    store.refresh()
    assert (tally.ok, tally.failed) == (16, 0)
    assert numbers(store) == serial(tmp_path, TIMING)


def test_no_scheduler_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seneca_sim.sweep.cluster.WAIT_SECONDS", 1)
    with pytest.raises(InputError, match=r"^Dask at tcp://127\.0\.0\.1:1: .*is a scheduler with"):
        Cluster("tcp://127.0.0.1:1")


def test_without_dask_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seneca_sim.sweep.cluster.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'seneca-sim\[cluster\]'"):
        Cluster()


@pytest.mark.nightly
def test_a_worker_killed_mid_run_has_its_points_finished_elsewhere(tmp_path: Path) -> None:
    cluster = Cluster(workers=2)
    sweep, store = swept(SLOW), Store.create(tmp_path / "store")
    pids = list(cluster.client.run(os.getpid).values())

    def kill() -> None:
        while not any(p.stat().st_size > 20_000 for p in store.path.glob("*.records")):
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        tally = sweep.run(store, cluster)
    finally:
        killer.join()
        cluster.close()
    store.refresh()
    assert (tally.ok, tally.failed) == (320, 0)
    assert numbers(store) == serial(tmp_path, SLOW)


@pytest.mark.nightly
def test_one_flag_starts_a_local_cluster(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seneca_sim.cli.main", "sweep", str(written(tmp_path))]
    options = ["--dask", "--jobs", "2", "--store", str(tmp_path / "store")]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("16 points in ")
    assert len(Store.open(tmp_path / "store")) == 16
