"""`sweep` from the command line: resume, shards, views, and every fault it must survive."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweep_tools import TIMING, lines_of, written

from seneca_sim.cli.main import main
from seneca_sim.results.store import Store

Call = Callable[..., tuple[int, str, str]]
VIEW = """\
derived: {tokens_per_j: 1 / energy_per_token_j}
report: [energy_per_token_j, tokens_per_j, used_mm2]
pareto: {energy_per_token_j: minimize, latency_per_token_s: minimize}
"""
SLOW = """\
axes:
  grid:
    mapping.cores_per_layer: [1, 2, 4]
    noc.hop_cycles: {from: 1, to: 40}
    core.npes: [4, 8]
"""
"""240 points: a few seconds, so that there is something to kill."""


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["sweep", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def answer(call: Call, *arguments: object) -> dict[str, Any]:
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def table(call: Call, study: Path, store: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer(call, "table", study, "--store", store)["rows"]
    return rows


def test_a_sweep_is_run_once_and_found_again(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, TIMING + VIEW)
    first = answer(call, study, "--jobs", 1)
    assert first["run"]["ok"] == 16
    assert first["run"]["work"] == {"compile": 4, "stream": 4, "simulate": 16, "price": 16}
    assert first["store"] == "seneca-sweeps/small"
    again = answer(call, study, "--jobs", 1)
    assert (again["run"]["there"], again["run"]["work"]) == (16, {})
    assert again["rows"] == first["rows"]
    assert len(lines_of(tmp_path / first["store"])) == 16
    rows = answer(call, "table", study)["rows"]
    assert [row["core.npes"] for row in rows] == [4, 8] * 8
    assert all(row["tokens_per_j"] == 1 / row["energy_per_token_j"] for row in rows)


def test_a_study_that_grows_runs_only_what_is_new(call: Call, tmp_path: Path) -> None:
    answer(call, written(tmp_path), "--jobs", 1)
    wider = written(tmp_path, TIMING.replace("to: 4", "to: 5"))
    more = answer(call, wider, "--jobs", 1)["run"]
    assert (more["there"], more["ok"]) == (16, 4)


def test_shards_of_one_store_make_the_same_table(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path)
    answer(call, study, "--jobs", 1, "--store", "whole")
    for part in ("3/3", "1/3", "2/3"):
        answer(call, study, "--jobs", 1, "--store", "parts", "--shard", part)
    assert table(call, study, Path("parts")) == table(call, study, Path("whole"))
    assert len(lines_of(tmp_path / "parts")) == 16


def test_views_show_the_front_and_the_best(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, TIMING + VIEW)
    rows = answer(call, study, "--jobs", 1)["rows"]
    every = answer(call, "table", study)["rows"]
    energies = sorted(row["energy_per_token_j"] for row in every)
    assert rows[0]["energy_per_token_j"] == energies[0]
    one = answer(call, "best", study, "--rows", 2, "--where", f"energy_per_token_j > {energies[3]}")
    assert [row["energy_per_token_j"] for row in one["rows"]] == energies[4:6]
    top = answer(call, "pareto", study, "--maximize", "latency_per_token_s")["rows"]
    slowest = max(row["latency_per_token_s"] for row in every)
    assert {row["latency_per_token_s"] for row in top} == {slowest}
    code, out, _ = call("best", study, "--rows", 1)
    assert code == 0
    assert out.splitlines()[0].split()[-3:] == ["energy_per_token", "tokens_per_j", "used"]
    assert out.splitlines()[1].endswith("mm²")


def test_exports_and_pictures(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, TIMING + VIEW)
    answer(call, study, "--jobs", 1, "--export", "all.csv", "--plot", "front.svg")
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert len(lines) == 17
    assert lines[0].startswith("run_id,status,mapping.cores_per_layer,noc.hop_cycles,core.npes,")
    assert lines[0].endswith("tokens_per_j,error")
    assert (tmp_path / "front.svg").read_text().count("<svg") == 1
    before = (tmp_path / "front.svg").read_bytes()
    answer(call, "table", study, "--plot", "front.svg")
    assert (tmp_path / "front.svg").read_bytes() == before
    code, _, err = call(study, "--export", "all.xlsx")
    assert (code, "expected .csv or .parquet" in err) == (2, True)


def test_failed_points_are_kept_with_their_error_and_not_tried_again(
    call: Call, tmp_path: Path
) -> None:
    study = written(tmp_path, TIMING.replace("[1, 2]", "[1, 400]"))
    first = answer(call, study, "--jobs", 1)
    assert (first["run"]["ok"], first["run"]["failed"], first["failed"]) == (8, 8, 8)
    assert answer(call, study, "--jobs", 1)["run"]["there"] == 16
    errors = {row["error"] for row in table(call, study, Path("seneca-sweeps/small"))}
    assert len(errors - {""}) == 2
    code, out, _ = call(study, "--jobs", 1)
    assert code == 0
    assert "failed (4): mapping: 400 cores per layer, but width 32 has only 8 rows" in out


def test_a_dry_run_compiles_and_names_what_does_not_fit(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, TIMING.replace("[1, 2]", "[1, 400]"))
    code, out, err = call(study, "--dry-run")
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "small: 16 points (0 filtered out), 4 programs"
    assert lines[1] == (
        f"{study}:10:34: mapping: 400 cores per layer, but width 32 has only 8 rows of 4 lanes; "
        "expected at most 8 (4 points)"
    )
    assert err == "seneca-sim: 8 of 16 points cannot run\n"
    assert not (tmp_path / "seneca-sweeps").exists()


def test_all_problems_of_a_study_are_named_before_anything_runs(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, TIMING.replace("[4, 8]", "[6, 0]"))
    code, out, err = call(study, "--jobs", 1)
    assert (code, out) == (2, "")
    assert [line.split(" ", 1)[0] for line in err.splitlines()] == [
        f"{study}:12:17:", f"{study}:12:20:", "seneca-sim:",
    ]  # fmt: skip
    assert "(the first of 2 problems)" in err
    assert not (tmp_path / "seneca-sweeps").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "0/4"], "--shard 0/4: expected i/n with i from 1 to n"),
        (["--search", "3", "--shard", "1/2"], "--search chooses its points itself"),
        (["--dask", "tcp://127.0.0.1:1", "--jobs", "2"], "--jobs is for this machine"),
    ],
)
def test_what_makes_no_sense_is_refused(
    call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, _, err = call(written(tmp_path), *arguments)
    assert (code, message in err) == (2, True)


def test_looking_at_a_store_that_has_nothing_says_so(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path)
    assert "no store here" in call("table", study)[2]
    Store.create(tmp_path / "seneca-sweeps" / "small")
    assert "has no point of study small; sweep it first" in call("table", study)[2]


# -- faults -----------------------------------------------------------------------------------


def test_a_corrupted_record_is_named_and_redone(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path)
    answer(call, study, "--jobs", 1)
    rows = table(call, study, Path("seneca-sweeps/small"))
    (segment,) = (tmp_path / "seneca-sweeps" / "small").glob("*.records")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"cycles":', b'"cycles":9', 1)
    segment.write_bytes(b"".join(lines))
    code, out, err = call(study, "--jobs", 1, "--json")
    assert code == 0
    assert err == (
        f"seneca-sweeps/small/{segment.name}: record on line 6 is corrupted; its point will run "
        "again\n"
    )
    assert json.loads(out)["run"]["ok"] == 1
    assert table(call, study, Path("seneca-sweeps/small")) == rows


def test_an_older_store_is_refused_before_anything_runs(call: Call, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "old")
    (store.path / "store.json").write_text('{"schema": "seneca-store/0"}')
    code, _, err = call(written(tmp_path), "--store", "old", "--jobs", 1)
    assert code == 2
    assert err.startswith("seneca-sim: old/store.json: schema is 'seneca-store/0'")


def _start(study: Path, store: Path, jobs: int = 1) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "seneca_sim.cli.main", "sweep", str(study)]
    return subprocess.Popen(
        [*command, "--store", str(store), "--jobs", str(jobs)], stdout=subprocess.DEVNULL
    )


def _grown(store: Path, size: int, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the store has so many bytes more, or the process is done."""
    while process.poll() is None:
        if sum(path.stat().st_size for path in store.glob("*.records")) >= size:
            return True
        time.sleep(0.001)
    return False


def _size(store: Path) -> int:
    return sum(path.stat().st_size for path in store.glob("*.records"))


def _killed_often(study: Path, store: Path, kills: int, seed: int, jobs: int) -> int:
    """Start the sweep again and again and kill it after some bytes; how often it was."""
    rng = random.Random(seed)
    done = 0
    for _ in range(kills):
        process = _start(study, store, jobs)
        if _grown(store, _size(store) + rng.randrange(1, 12_000), process):
            time.sleep(rng.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        done += process.wait() == -signal.SIGKILL
    assert _start(study, store, jobs).wait() == 0
    return done


def _check_whole(call: Call, study: Path, store: Path, points: int) -> None:
    """Nothing lost, nothing twice, the table of a sweep that nobody disturbed."""
    answer(call, study, "--jobs", 1, "--store", "undisturbed")
    assert table(call, study, store) == table(call, study, Path("undisturbed"))
    runs = Counter(line.split()[1] for line in lines_of(store) if line.split()[3:4] == [b"ok"])
    assert len(runs) == points
    assert set(runs.values()) == {1}


def test_a_sweep_that_is_killed_loses_nothing_and_does_nothing_twice(
    call: Call, tmp_path: Path
) -> None:
    study = written(tmp_path, SLOW)
    assert _killed_often(study, tmp_path / "store", kills=2, seed=1, jobs=1) == 2
    _check_whole(call, study, tmp_path / "store", 240)


@pytest.mark.nightly
@pytest.mark.parametrize("jobs", [1, 2])
def test_twenty_five_kills(call: Call, tmp_path: Path, jobs: int) -> None:
    study = written(tmp_path, SLOW.replace("to: 40", "to: 200"))
    assert _killed_often(study, tmp_path / "store", kills=25, seed=jobs, jobs=jobs) >= 20
    _check_whole(call, study, tmp_path / "store", 1200)


@pytest.mark.nightly
def test_two_sweeps_at_once_on_one_store(call: Call, tmp_path: Path) -> None:
    study = written(tmp_path, SLOW.replace("to: 40", "to: 200"))
    both = [_start(study, tmp_path / "store") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    answer(call, study, "--jobs", 1, "--store", "undisturbed")
    assert table(call, study, tmp_path / "store") == table(call, study, Path("undisturbed"))
    assert len(lines_of(tmp_path / "store")) < 1.5 * 1200


def test_interrupting_says_how_to_go_on(tmp_path: Path) -> None:
    study = written(tmp_path, SLOW)
    store = tmp_path / "store"
    command = [sys.executable, "-m", "seneca_sim.cli.main", "sweep", str(study)]
    with subprocess.Popen(
        [*command, "--store", str(store), "--jobs", "1"],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert _grown(store, 1, process)
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 130
    kept = len(lines_of(store))
    assert said.split("\n", 1)[0] == (
        f"{store}: {kept} points are kept; the same command goes on from there"
    )
    assert said.endswith("seneca-sim: interrupted\n")
