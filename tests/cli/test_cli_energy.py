"""`energy show` and `energy explain`."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

from seneca_sim.cost.ops import OPS


def test_show_lists_every_op(call: Call) -> None:
    report = json.loads(call("energy", "show", "--json").out)
    assert [row["op"] for row in report["rows"]] == list(OPS)
    for row in report["rows"]:
        assert row["source"]
        assert row["mark"]
        assert sum(part["value_fj"] for part in row["parts"]) == pytest.approx(row["value_fj"])
    text = call("energy", "show").out
    assert all(f"\n{op} " in text for op in OPS)
    assert max(map(len, text.splitlines())) <= 100


def test_explain_by_hand(call: Call) -> None:
    row = json.loads(call("energy", "explain", "npe.mst", "--json").out)
    assert (row["value_fj"], row["per_npe_fj"]) == (31_200, 3_900)
    assert {p["class"]: p["value_fj"] for p in row["parts"]} == {
        "npe": 1_600, "memory": 28_000, "loop_buffer": 1_600,
    }  # fmt: skip
    assert (row["mark"], row["scaling"]["voltage_factor"]) == ("published", 1)


def test_explain_at_another_voltage_is_marked_scaled(call: Call) -> None:
    for name in ("voltage", "voltage_mv", "chip.voltage_mv"):
        done = call("energy", "explain", "npe.add", "--set", f"{name}=0.6 V", "--json")
        row = json.loads(done.out)
        assert (row["mark"], row["table_mark"]) == ("scaled", "published")
        assert row["value_fj"] == 11_300 * 9 / 16
    text = call("energy", "explain", "npe.add", "--set", "voltage=0.6 V").out
    assert "V^2, from 0.8 V to 0.6 V" in text
    assert "T23 table 8" in text


def test_a_users_row_has_the_users_mark_and_place(call: Call, tmp_path: Path) -> None:
    head = "schema: seneca-energy/1\nextends: seneca-gf22\n"
    (tmp_path / "mine.yaml").write_text(head + "ops: {npe.add: {parts: {npe: 2 pJ}}}\n")
    row = json.loads(call("energy", "explain", "npe.add", "--energy", "mine.yaml", "--json").out)
    assert (row["value_fj"], row["mark"], row["source"]) == (16_000, "user", "mine.yaml:3:16")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "npe.adds"), "has no row for 'npe.adds'; did you mean 'npe.add'?"),
        (("explain", "npe.add", "--set", "voltage=3 V"), "voltage_mv: 3000 is too large"),
        (("explain",), "Missing argument 'OP'"),
        (("show", "--energy", "nowhere"), "no energy table named 'nowhere'"),
    ],
)
def test_bad_input_is_one_line(call: Call, arguments: tuple[str, ...], message: str) -> None:
    done = call("energy", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_a_table_without_a_row_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "schema: seneca-energy/1\nname: one\nops: {npe.add: {parts: {npe: 1 pJ}}}\n"
    )
    done = call("energy", "show", "--energy", "one.yaml")
    assert (done.code, done.out) == (2, "")
    assert "has no row for 'npe.sub'" in done.err
