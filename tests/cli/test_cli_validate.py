"""`validate` and `area` from the command line."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cli_tools import Call

from seneca_sim.chip import Chip
from seneca_sim.cli import published_models
from seneca_sim.cost.energy import load_energy
from seneca_sim.validate import Bench, Measured
from seneca_sim.validate.measure import MEASURES

KEYS = {"id", "published", "simulated", "unit", "kind", "mark", "conditions", "verdict"}


@pytest.fixture(scope="module", autouse=True)
def _the_longest_once() -> Iterator[None]:
    """Two tests measure the whole table: what takes longest, and knows no energies, is kept."""
    capacity = MEASURES["noc-capacity"]

    @cache
    def accepted(chip: Chip) -> Measured | None:
        return capacity(Bench(chip, load_energy()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEASURES, "noc-capacity", lambda bench: accepted(bench.chip))
        patch.setattr(published_models, "sparsity_rows", cache(published_models.sparsity_rows))
        yield


def test_the_whole_table_holds(call: Call) -> None:
    done = call("validate", "--json")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    rows = {row["id"]: row for row in report["rows"]}
    assert report["passed"]
    assert all(set(row) >= KEYS for row in rows.values())
    assert not [name for name, row in rows.items() if row["verdict"] == "fails"]
    sop = rows["sop"]
    assert abs(sop["simulated"] / sop["published"] - 1) < 0.02
    assert rows["values-torch"]["simulated"] == 0
    assert rows["sp-3b"]["simulated"] == pytest.approx(62.97, abs=0.1)
    assert rows["macs-3b"]["simulated"] == pytest.approx(1.927, abs=0.005)
    assert rows["gain-3b"]["verdict"] == "not reproduced"
    assert rows["gain-3b"]["reason"]


def test_a_table_that_is_off_is_a_finding(call: Call) -> None:
    off = ("--set", "energy.npe.add.npe=1.5 pJ")
    done = call("validate", "--row", "e-add", "--row", "sop", *off)
    assert done.code == 1
    assert "Rows that hold: 0; fail: 2" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_a_row_that_is_not_there(call: Call) -> None:
    done = call("validate", "--row", "e-ad")
    assert (done.code, done.out) == (2, "")
    assert "no row 'e-ad'; did you mean" in done.err


def test_area_in_text_and_json(call: Call) -> None:
    done = call("area", "--set", "columns=2", "--json")
    report = json.loads(done.out)
    assert report["core_mm2"] == pytest.approx(0.5597888)
    assert report["chip_mm2"] == pytest.approx(16 * 0.5597888)
    assert sum(part["um2"] for part in report["parts"]) == pytest.approx(559_788.8)
    text = call("area").out
    assert text.startswith("A core of seneca-8x8: 0.560 mm²; 64 cores: 35.8 mm²")
    assert max(map(len, text.splitlines())) <= 100
    assert call("area", "--table", "nowhere.yaml").code == 2


def test_the_table_in_the_documentation_is_todays(call: Call) -> None:
    done = call("validate")
    page = Path(__file__).parents[2] / "docs" / "validation.md"
    block = page.read_text(encoding="utf-8").split("## The table")[1].split("```")[1]
    assert block.strip() == done.out.strip(), "put the output of `seneca-sim validate` there"


def test_without_torch_its_row_is_skipped_with_a_word(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seneca_sim.cli.published_models.find_spec", lambda name: None)
    done = call("validate", "--row", "values-torch", "--json")
    (row,) = json.loads(done.out)["rows"]
    assert (done.code, row["verdict"]) == (0, "not reproduced")
    assert row["reason"] == "skipped: torch is not installed"
