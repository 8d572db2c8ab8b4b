"""Guided search: same store, same points, goes on where it stopped."""

import json
from pathlib import Path

import pytest
from sweep_tools import HEAD, lines_of, written

from seneca_sim.cli.main import main
from seneca_sim.results.store import Store

pytest.importorskip("optuna")

BODY = """\
axes:
  grid:
    core.task_setup_cycles: {from: 0, to: 99}
    core.npes: [4, 8]
    noc.arbitration: [round-robin, fixed-priority]
filters: ["core.task_setup_cycles != 50"]
pareto: {latency_per_token_s: minimize}
search: {seed: 3, sampler: tpe}
"""


def search(
    capsys: pytest.CaptureFixture[str], study: Path, store: Path, trials: int
) -> dict[str, object]:
    capsys.readouterr()
    arguments = ["sweep", study, "--store", store, "--search", trials, "--jobs", 1, "--json"]
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    found: dict[str, object] = json.loads(out)
    return found


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_search_finds_few_setup_cycles_and_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sampler: str
) -> None:
    study = written(tmp_path, BODY.replace("tpe", sampler))
    store = tmp_path / "store"
    first = search(capsys, study, store, 15)
    assert 8 <= first["run"]["ok"] <= 15  # type: ignore[index]
    kept = len(lines_of(store))
    again = search(capsys, study, store, 25)
    assert again["run"]["there"] >= kept  # type: ignore[index]
    assert len(lines_of(store)) == len(Store.open(store)) <= 25
    (row,) = again["rows"]  # type: ignore[misc]
    latencies = [r.summary["latency_per_token_s"] for r in Store.open(store)]
    assert row["latency_per_token_s"] == min(latencies)
    if sampler == "tpe":
        assert row["core.task_setup_cycles"] < 15


def test_the_same_seed_tries_the_same_points(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    study = written(tmp_path, BODY)
    for name in ("a", "b"):
        search(capsys, study, tmp_path / name, 8)
    a, b = (Store.open(tmp_path / name) for name in ("a", "b"))
    assert list(a) == list(b)


def test_a_sweep_uses_what_a_search_has_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = BODY.replace("to: 99", "to: 3")
    study, store = written(tmp_path, body), tmp_path / "store"
    tried = search(capsys, study, store, 6)["run"]["ok"]  # type: ignore[index]
    assert main(["sweep", str(study), "--store", str(store), "--jobs", "1", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert (run["points"], run["there"], run["ok"]) == (16, tried, 16 - tried)


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_settings_of_a_run_vary_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, jobs: int
) -> None:
    """Every combination has a trace of its own, also one that comes up late."""
    body = (
        "axes: {grid: {mapping.batch: [1, 2], core.npes: [4, 8]}}\n"
        "pareto: {energy_per_token_j: minimize}\nsearch: {sampler: random}\n"
    )
    head = HEAD.replace(
        "workload.tokens: 1}", 'mode: pipelined, workload.tokens: "= core.npes / 2"}'
    )
    study, store = written(tmp_path, body, head), tmp_path / "store"
    capsys.readouterr()
    arguments = ["sweep", study, "--store", store, "--search", 12, "--jobs", jobs, "--json"]
    assert main([str(a) for a in arguments]) == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == 0
    tokens = {tuple(r.point.values()): r.summary["tokens"] for r in Store.open(store)}
    assert tokens == {(1, 4): 2, (1, 8): 4, (2, 4): 4, (2, 8): 8}


def test_without_optuna_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seneca_sim.sweep.search.find_spec", lambda _: None)
    code = main(["sweep", str(written(tmp_path)), "--search", "2", "--jobs", "1"])
    assert code == 2
    assert capsys.readouterr().err == (
        "seneca-sim: guided search needs Optuna: pip install 'seneca-sim[search]'\n"
    )
