"""`golden record`, `check`, `update`, `show` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from golden_tools import RECORD, Call, replace_in, write_small_model, write_small_trace

from seneca_sim.cli.golden_files import expand

SMALL = "goldens/small.json"


def recorded(call: Call, *more: str) -> None:
    done = call(*RECORD, *more)
    assert (done.code, done.err) == (0, "")


def test_record_then_check(call: Call) -> None:
    done = call(*RECORD)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{SMALL}: recorded dense 70, natural 70 numbers in ")
    done = call("golden", "check")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"ok      {SMALL}: 140 numbers (dense, natural)"
    assert done.out.splitlines()[-1].startswith("1 ok in ")


def test_the_golden_needs_no_trace_any_more_but_a_live_one_does(call: Call) -> None:
    recorded(call)
    call(*RECORD[:-1], "goldens/live.json", "--live")
    Path("small.trace").unlink()
    assert call("golden", "check", SMALL).code == 0
    done = call("golden", "check", "goldens/live.json")
    assert done.code == 2
    assert "small.trace: cannot be read" in done.out


def test_a_live_golden_sees_another_trace(call: Call) -> None:
    call(*RECORD, "--live")
    write_small_trace(Path("small.trace"), seed=2)
    done = call("golden", "check")
    assert done.code == 1
    assert "; workload trace.natural " in " ".join(done.out.split())


def test_one_percent_of_a_row_fails_the_check_and_is_traced(call: Call) -> None:
    recorded(call)
    replace_in(Path("energy.yaml"), "npe: 1.3 pJ", "npe: 1.313 pJ")
    done = call("golden", "check", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert report["exit_code"] == 1
    (golden,) = report["goldens"]
    assert golden["verdict"] == "moved"
    assert golden["changes"] == [
        {"section": "energy", "path": "npe.mul.npe", "old": "1300 fJ", "new": "1313 fJ"}
    ]
    for variant in golden["variants"]:
        (cause,) = variant["causes"]
        assert cause["text"] == "energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %)"
        assert cause["terms"] == ["npe.mul.npe"]
        old, new = variant["energy_fj"]
        assert cause["energy_fj"] == new - old > 0
        assert {move["key"] for move in variant["moved"]} == {"energy.npe.mul.npe", "energy.total"}


def test_a_shipped_row_is_guarded_like_ones_own(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with the table that ships, changed where it lies."""
    from dataclasses import replace

    from seneca_sim.cost import energy

    call("golden", "record", "--trace", "small.trace", "--chip", "chip.yaml", "-o", SMALL)
    tables = tmp_path / "tables"
    shutil.copytree(energy.LIBRARY.folder, tables)
    text = (tables / "seneca-gf22.yaml").read_text()
    changed = text.replace(
        "ctrl.memory: {parts: {controller: 10 pJ}", "ctrl.memory: {parts: {controller: 10.1 pJ}"
    )
    assert changed != text
    (tables / "seneca-gf22.yaml").write_text(changed)
    monkeypatch.setattr(energy, "LIBRARY", replace(energy.LIBRARY, folder=tables))
    done = call("golden", "check", SMALL, "--variant", "natural")
    assert done.code == 1
    why = "why: energy row ctrl.memory: controller 10 pJ -> 10100 fJ (+1 %) accounts for all of "
    assert why in done.out


def test_hop_cycles_fail_the_check_and_are_traced(call: Call) -> None:
    recorded(call)
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    done = call("golden", "check", SMALL)
    assert done.code == 1
    assert done.out.count("why: chip noc.hop_cycles 2 -> 3 (+50 %) accounts for all of energy") == 2
    assert "all of cycles" in done.out
    assert "if that is meant: seneca-sim golden update FILE --reason" in done.out


def test_update_writes_the_reason_down(call: Call) -> None:
    recorded(call)
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    before = Path(SMALL).read_bytes()
    for arguments in (("update", SMALL), ("update", SMALL, "--reason", " ")):
        done = call("golden", *arguments)
        assert done.code == 2
        assert "reason" in done.err
        assert Path(SMALL).read_bytes() == before
    done = call("golden", "update", SMALL, "--reason", "routers have three stages now")
    assert done.code == 0
    assert done.out.startswith(f"{SMALL}: written\n  dense: ")
    assert call("golden", "check", SMALL).code == 0
    shown = call("golden", "show", SMALL).out
    assert "routers have three stages now" in shown
    assert shown.count("numbers; energy ") == 2
    again = call("golden", "update", SMALL, "--reason", "routers have three stages now")
    assert again.out == f"{SMALL}: holds, nothing written\n"


def test_an_update_of_several_writes_all_or_none(call: Call) -> None:
    recorded(call)
    call(*RECORD[:-1], "goldens/live.json", "--live")
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    Path("small.trace").unlink()
    before = Path(SMALL).read_bytes()
    assert call("golden", "update", SMALL, "goldens/live.json", "--reason", "why").code == 2
    assert Path(SMALL).read_bytes() == before


def test_one_that_cannot_be_run_does_not_stop_the_others(call: Call) -> None:
    recorded(call)
    Path("goldens/zz.json").write_text("{}")
    done = call("golden", "check", "--junit", "junit.xml", "--markdown", "comment.md")
    assert done.code == 2
    assert "ERROR   goldens/zz.json: schema is None, expected 'seneca-golden/1'" in done.out
    assert "1 ok, 1 ERROR in " in done.out
    suite = ElementTree.parse("junit.xml").getroot()[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "0", "errors": "1", "skipped": "0"}
    assert Path("comment.md").read_text().startswith("### Energy goldens: 0 moved, 1 could not be")


def test_junit_and_markdown_say_what_moved(call: Call) -> None:
    recorded(call)
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    call("golden", "check", "--junit", "junit.xml", "--markdown", "comment.md")
    suite = ElementTree.parse("junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    for case, label in zip(suite, ("dense", "natural"), strict=True):
        assert (case.get("classname"), case.get("name")) == (SMALL, label)
        (failure,) = case
        assert "chip noc.hop_cycles 2 -> 3" in str(failure.get("message"))
        assert "token.1.done" in str(failure.text)
    comment = Path("comment.md").read_text()
    assert comment.startswith("### Energy goldens: 1 of 1 moved\n")
    assert comment.count("- chip noc.hop_cycles 2 -> 3 (+50 %) accounts for all of energy") == 2
    rows = [line for line in comment.splitlines() if line.startswith("| `cycles`")]
    assert len(rows) == 2
    assert all(row.count("|") == 6 for row in rows)


def test_folders_patterns_and_single_files(call: Call) -> None:
    recorded(call)
    shutil.copy(SMALL, "goldens/other.json")
    both = [Path("goldens/other.json"), Path(SMALL)]
    for given in ((), ("goldens",), ("goldens/*.json",), ("**/*.json",), (SMALL, "goldens")):
        assert sorted(expand(given)) == both
    only = ("--keys", "cycles", "--variant", "natural")
    assert call("golden", "check", "goldens/*.json", *only).out.count(": 1 numbers (natural)") == 2
    done = call("golden", "check", "nowhere/*.json")
    assert (done.code, done.out) == (2, "")
    assert "nowhere/*.json: no golden there" in done.err
    done = call("golden", "check", "nowhere.json")
    assert done.code == 2
    assert "no such file; make it with 'golden record" in done.out


def test_without_a_folder_of_goldens(call: Call, tmp_path: Path) -> None:
    (tmp_path / "goldens").rmdir()
    done = call("golden", "check")
    assert (done.code, done.out) == (2, "")
    assert "no golden is named and there is no folder 'goldens'" in done.err


def test_tolerances_from_the_command_line(call: Call) -> None:
    done = call(*RECORD, "--tolerance", "natural/*=5 %:the router is not final")
    assert (done.code, done.err) == (0, "  proves little: natural: every number has a tolerance\n")
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    done = call("golden", "check", SMALL, "--variant", "natural")
    assert done.code == 0
    assert "is within 5 % (the router is not final)" in done.out
    assert "note: proves little: natural: every number has a tolerance" in done.out
    assert call("golden", "check", SMALL).code == 1
    done = call(*RECORD[:-1], "goldens/b.json", "--tolerance", "cycle=5 %:why")
    assert done.code == 2
    assert "covers no number" in done.err
    assert not Path("goldens/b.json").exists()


def test_a_run_that_does_not_work_any_more_is_told(call: Call) -> None:
    recorded(call)
    with Path("chip.yaml").open("a") as file:
        file.write("core: {data_memory_bits: 8 Kib, bank_bits: 8 Kib}\n")
    done = call("golden", "check")
    assert done.code == 2
    assert done.out.startswith(f"ERROR   {SMALL}: ")


def test_a_folder_is_no_golden_to_be(call: Call, tmp_path: Path) -> None:
    """`-o goldens` names the folder that is there, not goldens.json beside it."""
    done = call(*RECORD[:-1], "goldens")
    assert (done.code, done.out) == (2, "")
    assert "goldens: is a folder; name a file in it, as in goldens/NAME.json" in done.err
    assert not (tmp_path / "goldens.json").exists()


def test_what_record_refuses(call: Call) -> None:
    recorded(call)
    cases = {
        RECORD: "exists; 'golden update",
        (*RECORD[:-1], "no/where/x.json"): "folder no does not exist; make it first",
        (
            *RECORD[:-1],
            "x.json",
            "--variant",
            "sparse",
        ): "no variant 'sparse'; there are dense, nat",
        ("golden", "record", "w.pth", "--trace", "t", "-o", "x.json"): "give one of WORKLOAD",
        ("golden", "record", "--program", "p", "-o", "x.json"): "--program FILE with --events",
    }
    for arguments, message in cases.items():
        done = call(*arguments)
        assert done.code == 2
        assert message in done.err
        assert not Path("x.json").exists()


def test_a_program_with_its_events(call: Call) -> None:
    from golden_tools import own_golden

    golden, _ = own_golden()
    Path("p.json").write_text(json.dumps(golden.spec["program"]))
    Path("e.json").write_text(json.dumps(golden.spec["events"]))
    arguments = ("golden", "record", "--program", "p.json", "--events", "e.json", "--chip",
                 "seneca-4x4", "--set", "columns=3", "--set", "rows=2")  # fmt: skip
    assert call(*arguments, "-o", SMALL).code == 0
    assert call("golden", "check", SMALL).code == 0
    done = call(*arguments, "--variant", "dense", "-o", "x.json")
    assert (done.code, done.err.count("no variant 'dense'; a program has one, run")) == (2, 1)
    Path("e.json").write_text("[[1], [2]]")
    done = call(*arguments, "-o", "x.json")
    assert done.code == 2
    assert "events of 2 routes, but the program has 4" in done.err
    Path("e.json").write_text("many")
    assert "cannot be read as events" in call(*arguments, "-o", "x.json").err


def test_a_finished_run_becomes_a_golden(call: Call) -> None:
    inputs = ("--trace", "small.trace", "--chip", "chip.yaml", "--energy", "energy.yaml")
    assert call("run", *inputs, "--out", "here").code == 0
    assert call("golden", "record", "here", "-o", SMALL).code == 0
    assert call("golden", "check", SMALL).code == 0
    total = json.loads(Path("here/summary.json").read_text())["variants"][1]["energy_fj"]
    held = json.loads(Path(SMALL).read_text())["numbers"]["natural"]["terms"].values()
    assert sum(term["energy_fj"] for term in held) == total
    done = call("golden", "record", "here", "--set", "noc.hop_cycles=3", "-o", "x.json")
    assert done.code == 2
    assert "is a finished run: leave out what would change it (sets)" in done.err
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    done = call("golden", "record", "here", "-o", "x.json")
    assert done.code == 2
    assert "here: gives other numbers now" in done.err
    assert not Path("x.json").exists()


def test_a_damaged_trace_in_a_golden_is_an_error_of_one_line(call: Call) -> None:
    from golden_tools import own_golden

    from seneca_sim.cli.golden_jobs import open_job
    from seneca_sim.errors import InputError

    golden, _ = own_golden("small-off-core")
    for lines in (["!!!"], ["AAAA"], 7):
        spec = {**golden.spec, "traces": {"natural": lines}}
        with pytest.raises(InputError, match="trace 'natural' in the golden is damaged"):
            open_job(spec, Path())
    with pytest.raises(InputError, match=r"spec\.kind is 'x'; expected traces"):
        open_job({**golden.spec, "kind": "x"}, Path())


def test_a_model_is_recorded_and_needed_again_only_if_it_is_live(call: Call) -> None:
    write_small_model(Path("model.safetensors"), seed=0)
    text = Path("text.txt")
    text.write_bytes(bytes(range(40, 60)))
    record = ("golden", "record", "model.safetensors", "--text", text, "--chip", "seneca-4x4",
              "--set", "workload.tokens=2", "--set", "workload.context=3", "-o")  # fmt: skip
    assert call(*record, "goldens/kept.json").code == 0
    assert call(*record, "goldens/live.json", "--live").code == 0
    kept, live = (json.loads(Path(f"goldens/{n}.json").read_text()) for n in ("kept", "live"))
    assert kept["numbers"] == live["numbers"]
    assert kept["spec"]["from"]["workload"] == "model.safetensors"
    assert kept["spec"]["sets"] == []
    assert live["spec"]["workload"] == "../model.safetensors"
    assert call("golden", "check").out.count("ok ") == 3
    write_small_model(Path("model.safetensors"), seed=1)
    done = call("golden", "check")
    assert done.code == 1
    assert done.out.startswith("ok      goldens/kept.json")
    assert "why: workload model " in done.out
