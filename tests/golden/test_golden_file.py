"""The committed file: its form, its seal, tolerances, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden_tools import GOLDENS, own_golden

from seneca_sim.errors import InputError
from seneca_sim.golden import read_golden, write_golden
from seneca_sim.golden.degenerate import degenerate
from seneca_sim.golden.file import golden_text
from seneca_sim.golden.tolerance import Tolerance, check_used, parse_tolerance, tolerance_of
from seneca_sim.results.compare import Move, Numbers

FILES = sorted(GOLDENS.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_reads_back_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    golden = read_golden(path)
    write_golden(tmp_path / "again.json", golden)
    assert (tmp_path / "again.json").read_text() == path.read_text()
    assert read_golden(tmp_path / "again.json") == golden


def test_a_diff_names_the_number() -> None:
    golden, _ = own_golden()
    lines, term = golden_text(golden).splitlines(), golden.numbers["run"].terms["npe.mul.npe"]
    (line,) = [text for text in lines if '"npe.mul.npe": {' in text]
    assert json.loads("{" + line.strip().rstrip(",") + "}") == {
        "npe.mul.npe": {
            "count": term.count,
            "fj_per_count": "10400",
            "energy_fj": term.count * 10400,
        }
    }
    assert max(map(len, lines)) <= 130


def test_hashes_name_every_section_of_the_inputs() -> None:
    data = json.loads((GOLDENS / "shipped-model.json").read_text())
    sections = {"tool", "workload", "settings", "chip", "energy", "kernels", "program", "streams"}
    assert set(data["hashes"]) == set(data["inputs"]) == sections
    assert all(len(value) == 64 for value in data["hashes"].values())
    assert data["inputs"]["tool"].keys() == {"version", "cost model"}


def edited(tmp_path: Path, change: Any) -> Path:
    data = json.loads((GOLDENS / "fan-out.json").read_text())
    change(data)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(data))
    return path


def set_cycles(data: dict[str, Any]) -> None:
    data["numbers"]["run"]["cycles"] += 1


def set_chip(data: dict[str, Any]) -> None:
    data["inputs"]["chip"]["rows"] = 7


def set_spec(data: dict[str, Any]) -> None:
    data["spec"]["sets"] = []


@pytest.mark.parametrize("change", [set_cycles, set_chip, set_spec])
def test_changes_by_hand_are_found_out(tmp_path: Path, change: Any) -> None:
    with pytest.raises(InputError, match=r"edited\.json: .* changed by hand.*golden update"):
        read_golden(edited(tmp_path, change))


def test_tolerances_are_written_by_hand(tmp_path: Path) -> None:
    item = {"keys": "token.*", "size": "1 %", "reason": "arbitration is being reworked"}
    golden = read_golden(edited(tmp_path, lambda data: data["tolerances"].append(item)))
    assert golden.tolerances == (Tolerance(**item),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="x/1"), "schema is 'x/1', expected 'seneca-golden/1'"),
        (lambda d: d.pop("seal"), "'seal' is missing"),
        (lambda d: d.update(numbers={}), "damaged"),
        (lambda d: d.update(history=[{"when": 1}]), "history is damaged"),
        (lambda d: d["tolerances"].append({"keys": "*", "size": "1 %"}), "keys, size and reason"),
        (
            lambda d: d["tolerances"].append({"keys": "*", "size": "1 %", "reason": " "}),
            "expected keys and a reason",
        ),
    ],
)
def test_what_is_no_golden_is_refused_in_one_line(
    tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_golden(edited(tmp_path, change))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}")


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; make it with 'golden record -o"):
        read_golden(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text('{"schema": ')
    with pytest.raises(InputError, match=r"torn\.json:1:12: not JSON"):
        read_golden(tmp_path / "torn.json")


@pytest.mark.parametrize(
    ("size", "old", "new", "allowed"),
    [
        ("1 %", 1000, 1010, True),
        ("1 %", 1000, 1011, False),
        ("1 %", 1000, 990, True),
        ("0.1%", 999, 1000, False),
        ("5", 100, 105, True),
        ("5", 100, 94, False),
        ("5", 0, 5, True),
        ("50 %", None, 1, False),
        ("50 %", 1, None, False),
    ],
)
def test_sizes(size: str, old: int | None, new: int | None, allowed: bool) -> None:
    assert Tolerance("*", size, "why").allows(Move("cycles", old, new)) == allowed


@pytest.mark.parametrize("size", ["", "0", "-1", "1.5", "100 %", "ten", "1/0", "0 %"])
def test_sizes_that_mean_nothing(size: str) -> None:
    with pytest.raises(InputError, match="expected a share below 100 %"):
        Tolerance("cycles", size, "why")


def test_the_last_tolerance_that_covers_a_number_counts() -> None:
    wide, narrow = Tolerance("energy.*", "5 %", "a"), Tolerance("dense/energy.*", "1 %", "b")
    assert tolerance_of((wide, narrow), "dense", "energy.total") is narrow
    assert tolerance_of((wide, narrow), "natural", "energy.total") is wide
    assert tolerance_of((wide, narrow), "natural", "cycles") is None
    check_used((wide, narrow), {"dense": ["energy.total"]})
    with pytest.raises(InputError, match="covers no number; keys are cycles"):
        check_used((narrow,), {"natural": ["energy.total"]})


def test_tolerances_of_the_command_line_need_a_reason() -> None:
    assert parse_tolerance("token.*=1 %:ties") == Tolerance("token.*", "1 %", "ties")
    for text in ("token.*=1 %", "token.*=1 %: ", "token.*"):
        with pytest.raises(InputError, match="expected KEYS=SIZE:REASON"):
            parse_tolerance(text)


def test_numbers_that_prove_nothing_are_named() -> None:
    good = own_golden()[0].numbers["run"]
    leaks = {path: term for path, term in good.terms.items() if path.startswith("leak.")}
    still = Numbers(5, (0,), (5,), leaks)
    lonely = {path: term for path, term in good.terms.items() if not path.startswith("noc.")}
    assert degenerate({"a": good}) == ()
    assert degenerate({"a": still}) == ("a: nothing is counted but leakage",)
    assert degenerate({"a": Numbers(5, (), (), {})}) == ("a: no token",)
    assert degenerate({"a": Numbers(5, (0,), (5,), lonely)}) == ("a: nothing crosses the NoC",)
    assert degenerate({"a": good, "b": good}) == (
        "b has the numbers of a: nothing tells them apart",
    )
    everything = (Tolerance("*", "1 %", "why not"),)
    assert degenerate({"a": good}, everything) == ("a: every number has a tolerance",)
