"""`init`: the example is written, refuses to overwrite, and runs as it is."""

import json
import re
import shlex
from pathlib import Path

import pytest
from cli_tools import Call
from ruamel.yaml import YAML

COMMANDS = re.compile(r"^seneca-sim (.*)$", re.M)


def test_init_writes_the_files_it_names(call: Call, tmp_path: Path) -> None:
    answer = call("init", "mine", "--json")
    assert answer.code == 0
    made = json.loads(answer.out)
    found = {str(p.relative_to("mine")) for p in Path("mine").rglob("*") if p.is_file()}
    assert found == set(made["files"])
    assert ".github/workflows/energy.yml" in found
    assert list(Path("mine/goldens").iterdir()) == []


def test_init_takes_an_empty_folder(call: Call) -> None:
    Path("empty").mkdir()
    answer = call("init", "empty")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "empty: 7 files; the commands are in empty/README.md\n"


def test_init_refuses_what_holds_something(call: Call) -> None:
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    answer = call("init", "full")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "seneca-sim: full: is not empty; give a new or an empty folder\n"
    assert [p.name for p in Path("full").iterdir()] == ["mine.txt"]
    assert call("init", "full/mine.txt").code == 2
    assert call("init", "full/mine.txt/below").code == 2


def test_the_workflow_checks_goldens(call: Call) -> None:
    call("init", "mine")
    workflow = YAML(typ="safe").load(Path("mine/.github/workflows/energy.yml"))
    steps = workflow["jobs"]["goldens"]["steps"]
    assert any("seneca-sim golden check goldens" in step.get("run", "") for step in steps)


def test_the_example_runs_unchanged(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("init", "mine")
    monkeypatch.chdir("mine")
    lines = COMMANDS.findall(Path("README.md").read_text())
    assert len(lines) == 7
    for line in lines:
        answer = call(*shlex.split(line))
        assert answer.code == 0, (line, answer.err)
    assert answer.out.startswith("ok      goldens/mine.json")
    # The gate closes: the table's row of the example counts.
    table = Path("energy.yaml")
    table.write_text(table.read_text().replace("npe: 1.2 pJ", "npe: 1.3 pJ"))
    answer = call("golden", "check")
    assert answer.code == 1
    assert "energy row npe.mul: npe 1200 fJ -> 1300 fJ" in answer.out
