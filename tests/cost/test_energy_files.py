import re
from pathlib import Path

import pytest

from seneca_sim.chip import Chip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import energy_yaml, load_energy, parse_energy, resolved_energy
from seneca_sim.errors import InputError

EXTENDS = "schema: seneca-energy/1\nextends: seneca-gf22\n"


def test_a_table_reads_back() -> None:
    table = load_energy()
    again = parse_energy(energy_yaml(table))
    assert (again.name, again.rows) == (table.name, table.rows)
    assert resolved_energy(again) == resolved_energy(table)


def test_a_row_of_an_extending_file_replaces_the_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(EXTENDS + "name: mine\nops:\n  npe.evc: {parts: {npe: 1 pJ}}\n")
    table = load_energy(path)
    assert table.rows["npe.evc"].parts == {"npe": 1000}
    assert table.rows["npe.evc"].mark is Mark.USER
    assert table.rows["npe.add"] == load_energy().rows["npe.add"]


def test_an_override_sets_one_part_and_takes_the_mark() -> None:
    table = load_energy(overrides={"npe.mld.memory": "1 pJ"})
    row = table.row("npe.mld", Chip("x"))
    assert row.parts == {"npe": 4800, "memory": 8000, "loop_buffer": 1600}
    assert (row.mark, row.source) == (Mark.USER, "--set npe.mld.memory=1 pJ")


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("npe.mld.memry", "1 pJ", "no part 'npe.mld.memry' in seneca-gf22; did you mean"),
        ("noc.flit_hop.noc", "1", "--set noc.flit_hop.noc=1: noc.flit_hop.noc: 1 needs a unit"),
        ("leak.sram.leakage", "1 pJ", "'pJ' is not a unit of power per bit"),
    ],
)
def test_overrides_that_do_not_fit(path: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load_energy(overrides={path: text})


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ("{npe.add: {parts: {npe: 1.4}}}", "e.yaml:3:30: npe.add.npe: 1.4 needs a unit of energy"),
        ("{npe.add: {parts: {npe: -1 pJ}}}", "e.yaml:3:30: npe.add.npe: '-1 pJ' is negative"),
        ("{npe.add: {parts: {npe: 1 pW}}}", "e.yaml:3:30: npe.add.npe: 'pW' is not a unit of"),
        ("{npe.ad: {parts: {npe: 1 pJ}}}", "e.yaml:3:7: unknown key 'npe.ad' in ops; did you"),
        ("{npe.add: {parts: {np: 1 pJ}}}", "e.yaml:3:25: unknown key 'np' in npe.add.parts"),
        ("{npe.add: {parts: {}}}", "e.yaml:3:16: npe.add has no parts"),
        ("{npe.add: 1 pJ}", "e.yaml:3:16: npe.add must be a mapping"),
        ("{leak.sram: {parts: {leakage: 1 pJ}}}", "'pJ' is not a unit of power per bit"),
        ("{npe.add: {parts: {npe: 1 pJ}, mark: assumed}}", "npe.add is marked assumed, so it"),
        ("[]", "e.yaml:3:6: ops must be a mapping"),
    ],
)
def test_a_slip_is_told_with_its_place(ops: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_energy(EXTENDS + "ops: " + ops, "e.yaml")
    assert "\n" not in str(caught.value)


def test_a_table_needs_name_and_ops() -> None:
    with pytest.raises(InputError, match=r"^e:1:1: 'ops' is missing"):
        parse_energy("schema: seneca-energy/1\nname: x", "e")
