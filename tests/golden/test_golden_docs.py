"""The session of docs/golden.md is run, on the kept trace of the model that ships."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from golden_tools import Call, own_golden

from seneca_sim.cli.golden_jobs import unpacked
from workloads.traces import ActivationTrace, write_trace

PAGE = (Path(__file__).parents[2] / "docs" / "golden.md").read_text()


def shipped() -> ActivationTrace:
    """One token of the model that ships, without running it."""
    golden, _ = own_golden("shipped-model")
    return unpacked(golden.spec["traces"]["sparsified"], "sparsified").slice(0, 1)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def shape(text: str) -> str:
    """Text without its numbers, and without where lines and columns end: those may change."""
    return " ".join(re.sub(r"\d[\d,.]*", "#", text).split())


@pytest.mark.nightly
def test_the_session(call: Call) -> None:
    for text in blocks("yaml")[:2]:
        name = "chip.yaml" if "seneca-chip" in text else "energy.yaml"
        Path(name).write_text(text)
    (session,) = blocks("console")
    write_trace("model.trace", shipped())
    session = session.replace("--set workload.tokens=1", "--trace model.trace")
    steps = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", session, re.M)
    assert len(steps) == 8
    for command, printed in steps:
        name, *arguments = shlex.split(command)
        if name == "seneca-sim":
            assert shape(call(*arguments).out) == shape(printed), command
        else:
            subprocess.run([name, *arguments], check=True)
    assert "why: energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %) accounts for all of" in session
    assert "why: chip noc.hop_cycles 2 -> 3 (+50 %) accounts for" in session


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert links
    assert all((Path(__file__).parents[2] / "docs" / link).exists() for link in links)
