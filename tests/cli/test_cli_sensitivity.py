"""`sensitivity` from the command line, on a small model and on a trace."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

SHORT = ("--chip", "seneca-4x4", "--set", "workload.context=3", "--processes", 1)
ONLY = ("--only", "core.controller.event_in_instructions", "--only", "voltage_mv")


def test_two_parameters_on_a_model(call: Call, tiny: Path, text: Path, tmp_path: Path) -> None:
    done = call("sensitivity", tiny, "--text", text, *SHORT, *ONLY, "--csv", "s.csv", "--json")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["variants"] == ["dense", "natural"]
    assert {p["parameter"] for p in report["parameters"]} == set(ONLY[1::2])
    assert report["simulations"] == 2 * 3  # two variants at nominal, low and high
    assert (tmp_path / "s.csv").read_text().count("\n") == 1 + 4


def test_a_trace_needs_no_model(call: Call, tiny: Path, text: Path) -> None:
    settings = ("--set", "workload.tokens=1", "--set", "workload.context=3")
    assert call("trace", "record", tiny, "--text", text, *settings, "-o", "t.safetensors").code == 0
    rest = SHORT[:2] + SHORT[4:]  # all but the context, which is past
    done = call("sensitivity", "--trace", "t.safetensors", *rest, *ONLY)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("A token, t: ")
    assert "over dense" in lines[0]
    assert len(lines) <= 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "noc.hops"), "no assumed parameter 'noc.hops'; did you mean 'noc.hop_cycles'"),
        (("--plot", "a.jpg"), "a plot is written as"),
        (("--plot", "nowhere/a.svg"), "folder nowhere does not exist"),
        (("--trace", "a", "--recipe", "b"), "--trace replays a trace"),
        (("--trace", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--by", "luck"), "luck"),
    ],
)
def test_bad_input_is_one_line(call: Call, arguments: tuple[str, ...], message: str) -> None:
    done = call("sensitivity", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
