"""`compare` on run folders."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from golden_tools import RECORD, Call, replace_in, write_inputs, write_small_trace

from seneca_sim.cli.main import main

INPUTS = ("run", "--trace", "small.trace", "--chip", "chip.yaml", "--energy", "energy.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made once."""
    folder = tmp_path_factory.mktemp("finished")
    write_inputs(folder)
    with chdir(folder):
        assert main([*INPUTS, "--out", "before"]) == 0
    return folder / "before"


@pytest.fixture
def before(call: Call, finished: Path) -> Call:
    shutil.copytree(finished, "before")
    return call


def test_a_run_is_the_same_as_itself(before: Call) -> None:
    done = before("compare", "before", "before/summary.json")
    assert done.code == 0
    assert done.out.startswith("before -> before/summary.json: every integer agrees\n")
    assert done.out.endswith("inputs: none that was recorded differs\n")


def test_what_moved_is_ranked_with_its_cause(before: Call) -> None:
    replace_in(Path("energy.yaml"), "npe: 1.3 pJ", "npe: 2.6 pJ")
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 4")
    before(*INPUTS, "--out", "after")
    done = before("compare", "before", "after", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert {(c["section"], c["path"]) for c in report["changes"]} == {
        ("chip", "noc.hop_cycles"),
        ("energy", "npe.mul.npe"),
    }
    for variant in report["variants"]:
        row, hops = variant["causes"]
        assert row["text"] == "energy row npe.mul: npe 1300 fJ -> 2600 fJ (+100 %)"
        assert hops["text"] == "chip noc.hop_cycles 2 -> 4 (+100 %)"
        summaries = [
            json.loads(Path(folder, "summary.json").read_text())["variants"]
            for folder in ("before", "after")
        ]
        old, new = (next(v for v in s if v["label"] == variant["label"]) for s in summaries)
        assert variant["energy_fj"] == [old["energy_fj"], new["energy_fj"]]
        assert variant["cycles"] == [old["cycles"], new["cycles"]]
        # The row doubles what its part cost before; the hops have all the rest, and all cycles.
        cost = {t["term"]: t["price_fj"] for t in variant["terms"]}["npe.mul.npe"]
        assert row["energy_fj"] == cost == 8 * 1300 * mul_count("before", variant["label"])
        assert row["energy_fj"] + hops["energy_fj"] == new["energy_fj"] - old["energy_fj"]
        assert (row["cycles"], hops["cycles"]) == (0, new["cycles"] - old["cycles"])
        deltas = [abs(term["delta_fj"]) for term in variant["terms"]]
        assert deltas == sorted(deltas, reverse=True)
    gains = [v["energy_fj"][1] / v["energy_fj"][0] for v in report["variants"]]
    assert gains == sorted(gains, reverse=True)


def mul_count(folder: str, label: str) -> int:
    lines = Path(folder, label, "energy.csv").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith("npe,npe.mul,")]
    return int(found.split(",")[2])


def test_text_and_markdown(before: Call) -> None:
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 4")
    before(*INPUTS, "--out", "after")
    done = before("compare", "before", "after", "--markdown", "moved.md")
    assert done.code == 1
    assert done.out.splitlines()[0] == "before -> after: moved"
    assert "  why: chip noc.hop_cycles 2 -> 4 (+100 %) accounts for all of energy" in done.out
    assert done.out.endswith("inputs that differ:\n  chip noc.hop_cycles 2 -> 4 (+100 %)\n")
    text = Path("moved.md").read_text()
    assert text.startswith("### before -> after: moved\n")
    assert text.count("| `energy.total` |") == 2


def test_another_trace_and_variants_of_one_side(before: Call) -> None:
    write_small_trace(Path("small.trace"), seed=2, density=0.25)
    before(*INPUTS, "--out", "after")
    done = before("compare", "before", "after")
    assert done.code == 1
    assert re.search(r"^dense: energy .* \(same\), cycles .* \(same\)$", done.out, re.M)
    assert "workload trace " in done.out
    summary = json.loads(Path("after/summary.json").read_text())
    summary["variants"] = summary["variants"][:1]
    Path("after/summary.json").write_text(json.dumps(summary))
    done = before("compare", "before", "after")
    assert "only in before: natural" in done.out


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("resolved.yaml", "a: [", "not YAML; the folder is damaged"),
        pytest.param("resolved.yaml", "[" * 100_000, "not YAML; the folder is damaged", id="deep"),
        ("resolved.yaml", "schema: seneca-run/1", "do not say what went in ('mapping')"),
        ("resolved.yaml", "schema: x", "expected schema seneca-run/1"),
        ("natural/tokens.csv", "token\n0\n", "tables are damaged"),
        ("natural/energy.csv", "op,component,count\na,b,many\n", "tables are damaged"),
        ("summary.json", "{}", "schema is None"),
    ],
)
def test_damaged_folders(before: Call, file: str, text: str, message: str) -> None:
    Path("before", file).write_text(text)
    done = before("compare", "before", "before")
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_missing_table_and_a_missing_folder(before: Call) -> None:
    Path("before/natural/tokens.csv").unlink()
    assert "tokens.csv: cannot be read" in before("compare", "before", "before").err
    assert "no such file" in before("compare", "nowhere", "before").err
    Path("store").mkdir()
    Path("store/store.json").write_text("{}")
    done = before("compare", "store", "before")
    assert (done.code, done.out) == (2, "")
    assert "a store can only be compared with a store" in done.err


def test_two_states_of_a_golden(call: Call) -> None:
    call(*RECORD)
    shutil.copy("goldens/small.json", "older.json")
    replace_in(Path("energy.yaml"), "npe: 1.3 pJ", "npe: 1.313 pJ")
    call("golden", "update", "goldens/small.json", "--reason", "measured again")
    done = call("compare", "older.json", "goldens/small.json")
    assert done.code == 1
    assert done.out.count("why: energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %)") == 2
