"""A summary.json with a damaged entry is refused in one line that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seneca_sim.cli.main import main
from seneca_sim.errors import InputError
from seneca_sim.results.folder import read_summary
from seneca_sim.results.form import check_summary

SOUND = Path(__file__).parents[1] / "report" / "summary.json"
Change = Callable[[dict[str, Any]], object]


def sound() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SOUND.read_text(encoding="utf-8"))
    return found


def test_a_summary_of_before_is_read() -> None:
    """It has no mapping, inputs, sequences, throughput or nearest bound."""
    check_summary(sound())


DAMAGE: dict[str, tuple[Change, str]] = {
    "null": (
        lambda d: d["variants"][0].update(energy_j=None),
        "variants[0].energy_j is null, expected an object",
    ),
    "word": (
        lambda d: d["variants"][2]["energy_per_token_j"].update(median="x"),
        "variants[2].energy_per_token_j.median is 'x', expected a number",
    ),
    "nan": (
        lambda d: d["variants"][1]["latency_per_token_s"].update(p95=float("nan")),
        "variants[1].latency_per_token_s.p95 is nan, expected a number",
    ),
    "true": (lambda d: d["variants"][1].update(sparsity=True), "variants[1].sparsity is True"),
    "half": (lambda d: d["variants"][0].update(cycles=1.5), "variants[0].cycles is 1.5, expected"),
    "gone": (lambda d: d["variants"][0].pop("mode"), "variants[0].mode is missing"),
    "mode": (
        lambda d: d["variants"][0].update(mode="x"),
        "variants[0].mode is 'x', expected generation or pipelined",
    ),
    "kind": (
        lambda d: d["variants"][0]["energy_j"]["by_kind"].update(wkv=[]),
        "variants[0].energy_j.by_kind.wkv is [], expected a number",
    ),
    "sentence": (
        lambda d: d["variants"][0]["bottleneck"].update(sentence=""),
        "variants[0].bottleneck.sentence is '', expected a sentence",
    ),
    "none": (lambda d: d.update(variants=[]), "variants is empty"),
    "twice": (lambda d: d["variants"][0].update(label="natural"), "the same label twice"),
    "table": (lambda d: d.update(variants={}), "variants is {}, expected a list"),
    "gain": (lambda d: d["comparison"][2].update(mac_ratio="2"), "comparison[2].mac_ratio is '2'"),
    "against": (
        lambda d: d["comparison"][2].update(against="x"),
        "comparison[2].against is 'x', expected the label of a variant",
    ),
    "bits": (lambda d: d["bits_per_byte"].update(dense=None), "bits_per_byte.dense is null"),
    "warning": (lambda d: d.update(warnings=[3]), "warnings[0] is 3, expected text"),
    "id": (lambda d: d.update(run_id=7), "run_id is 7, expected text"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_named(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = DAMAGE[damage]
    summary, file = sound(), tmp_path / "summary.json"
    change(summary)
    file.write_text(json.dumps(summary))
    with pytest.raises(InputError) as caught:
        read_summary(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    for arguments in (["report", str(tmp_path)], ["compare", str(tmp_path), str(tmp_path)]):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert message in told.err
        assert told.err.count("\n") == 1


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": ' + "9" * 5000 + "}", "{"])
def test_what_is_no_json_is_no_internal_error(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nested too deeply, a number too long to be read, cut short."""
    run, deep = tmp_path / "run", tmp_path / "deep.json"
    run.mkdir()
    for file in (run / "summary.json", deep):
        file.write_text(text)
    for arguments in (
        ["report", str(run)],
        ["golden", "show", str(deep)],
        ["check", "--program", str(deep)],
    ):
        assert main(arguments) == 2, arguments
        told = capsys.readouterr()
        assert "not JSON" in told.err, told
        assert told.err.count("\n") == 1
    assert main(["golden", "check", str(deep)]) == 2
    assert "not JSON" in capsys.readouterr().out
