"""The ranking as text, CSV, JSON and picture."""

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from seneca_sim.errors import InputError
from seneca_sim.sensitivity import Study
from seneca_sim.sensitivity.plot import check_path, write_tornado
from seneca_sim.sensitivity.text import COLUMNS, csv_text, json_of, lines_of


@pytest.mark.parametrize("measure", ["energy-delay", "energy", "latency gain"])
def test_the_text_fits_a_terminal_and_starts_with_the_strongest(study: Study, measure: str) -> None:
    lines = lines_of(study, measure)
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    assert lines[2].startswith(study.ranked(measure)[0].parameter.path)
    assert sum(line[:2] in ("1.", "2.", "3.", "4.", "5.") for line in lines) == 5


def test_operating_points_are_ranked_but_nothing_to_settle(study: Study) -> None:
    lines = lines_of(study)
    assert any(line.startswith("clock_hz") for line in lines)
    assert not any("clock_hz:" in line for line in lines)


def test_all_of_them_can_be_printed(study: Study) -> None:
    text = "\n".join(lines_of(study, everything=True))
    for effect in study.effects:
        assert f"\n{effect.parameter.path} " in text


def test_csv_has_every_point(study: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(study))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == sum(len(effect.points) for effect in study.effects)
    clock = [row for row in rows if row["parameter"] == "clock_hz"]
    assert [row["value"] for row in clock] == ["200 MHz", "700 MHz"]
    assert float(clock[0]["latency_change_percent"]) == pytest.approx(150)
    assert clock[0]["simulated"] == "false"


def test_json_can_be_read_back(study: Study) -> None:
    report = json.loads(json.dumps(json_of(study, "energy")))
    assert report["variants"] == ["natural", "sparsified"]
    swings = [entry["swing"] for entry in report["parameters"]]
    assert swings == sorted(swings, reverse=True)


def test_the_same_study_gives_the_same_picture(study: Study, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    write_tornado(study, first)
    write_tornado(study, second)
    assert first.read_bytes() == second.read_bytes()
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    assert study.ranked()[0].parameter.path in first.read_text()


def test_pictures_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"a plot is written as \.svg, \.png, \.pdf"):
        check_path(tmp_path / "a.jpg")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'seneca-sim\[plots\]'"):
        check_path(tmp_path / "a.svg")
