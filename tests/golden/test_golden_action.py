"""The CI action: its YAML, and its shell steps run as a runner would run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from golden_tools import GOLDENS, RECORD, Call, replace_in
from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / ".github/actions/seneca-golden"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the action is not in a wheel")


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load((FOLDER / name).read_text())
    return data


def step(name: str) -> dict[str, Any]:
    (found,) = [s for s in load("action.yml")["runs"]["steps"] if s["name"] == name]
    return dict(found)


def test_every_step_has_what_a_composite_action_needs() -> None:
    action = load("action.yml")
    assert action["runs"]["using"] == "composite"
    for one in action["runs"]["steps"]:
        assert ("uses" in one) != ("run" in one)
        assert "run" not in one or one["shell"] == "bash"
        # Inputs reach the shell as variables, never as text of the script.
        assert "${{" not in one.get("run", "")


def test_the_example_uses_only_inputs_that_exist() -> None:
    workflow, inputs = load("example-workflow.yml"), load("action.yml")["inputs"]
    (job,) = workflow["jobs"].values()
    (used,) = [s for s in job["steps"] if "seneca-golden" in s["uses"]]
    assert set(used["with"]) <= set(inputs)
    assert workflow["permissions"]["pull-requests"] == "write"


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """The environment of a runner, with the command and a `gh` that writes down what it is told."""
    tools = tmp_path / "bin"
    tools.mkdir()
    scripts = {
        "seneca-sim": f'exec "{sys.executable}" -m seneca_sim.cli.main "$@"\n',
        "gh": f'echo "$@" >> "{tmp_path}/gh.txt"\n',
    }
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}")
        (tools / name).chmod(0o755)
    (tmp_path / "temp").mkdir()
    return {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


def shell(name: str, runner: dict[str, str], **variables: str) -> int:
    """Run a step as GitHub does: bash -e -o pipefail."""
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step(name)["run"]]
    return subprocess.run(command, env=runner | variables, check=False).returncode


@needs_bash
def test_goldens_that_hold(runner: dict[str, str], tmp_path: Path) -> None:
    found = shell("Check", runner, FILES=f"{GOLDENS}/fan*.json", ARGUMENTS="--keys cycles")
    assert found == 0
    assert (tmp_path / "output").read_text() == "exit-code=0\n"
    assert (tmp_path / "summary.md").read_text().startswith("### Energy goldens: all 1 hold")
    assert (tmp_path / "temp/seneca-golden/junit.xml").exists()
    assert shell("Verdict", runner, CODE="0") == 0


@needs_bash
def test_goldens_that_moved(call: Call, runner: dict[str, str], tmp_path: Path) -> None:
    assert call(*RECORD, "--variant", "natural").code == 0
    replace_in(Path("chip.yaml"), "hop_cycles: 2", "hop_cycles: 3")
    assert shell("Check", runner, FILES="goldens", ARGUMENTS="") == 0  # the verdict comes last
    assert (tmp_path / "output").read_text() == "exit-code=1\n"
    assert "chip noc.hop_cycles 2 -> 3" in (tmp_path / "summary.md").read_text()
    assert shell("Comment", runner, NUMBER="12") == 0
    assert (tmp_path / "gh.txt").read_text() == (
        f"pr comment 12 --body-file {tmp_path}/temp/seneca-golden/comment.md "
        "--edit-last --create-if-none\n"
    )
    assert shell("Verdict", runner, CODE="1") == 1


@needs_bash
def test_goldens_that_are_not_there(runner: dict[str, str], tmp_path: Path) -> None:
    assert shell("Check", runner, FILES="nowhere", ARGUMENTS="") == 0
    assert (tmp_path / "output").read_text() == "exit-code=2\n"
    assert "1 could not be run" in (tmp_path / "summary.md").read_text()
    assert shell("Verdict", runner, CODE="") == 2  # a check that did not even start
