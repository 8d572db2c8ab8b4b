"""Energy at other voltages and clocks, by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.chip import Chip
from seneca_sim.chip.load import load_chip, parse_chip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import energy_yaml, load_energy, parse_energy, price
from seneca_sim.cost.explain import explain
from seneca_sim.cost.ops import OPS
from seneca_sim.cost.scaling import scaling_of
from seneca_sim.errors import InputError

TABLE = load_energy()
CHIP = Chip("x")
EXTENDS = "schema: seneca-energy/1\nextends: seneca-gf22\n"


def at(voltage_mv: int) -> Chip:
    return replace(CHIP, voltage_mv=voltage_mv)


@pytest.mark.parametrize(
    ("op", "femtojoules", "mark"),
    [
        ("npe.add", Fraction(11_300) * 9 / 16, Mark.SCALED),  # (0.6 / 0.8)^2
        ("ctrl.instruction", Fraction(11_600) * 9 / 16, Mark.SCALED),
        ("idle.clock", Fraction(50) * 9 / 16, Mark.ASSUMED),
        ("noc.flit_hop", Fraction(2_000) * 9 / 16, Mark.ASSUMED),
        ("leak.sram", Fraction("47.18592") * 3 / 4, Mark.ASSUMED),
        ("mem.hbm_bit", Fraction(7_000), Mark.SECOND_HAND),
        ("noc.boundary_bit", Fraction(1_000), Mark.ASSUMED),
    ],
)
def test_rows_at_six_tenths_of_a_volt(op: str, femtojoules: Fraction, mark: Mark) -> None:
    row = TABLE.row(op, at(600))
    assert (row.total, row.mark) == (femtojoules, mark)


def test_nothing_changes_at_the_tables_own_voltage() -> None:
    for op in OPS:
        assert TABLE.row(op, at(800)).mark is TABLE.rows[op].mark
        assert scaling_of(op, 800, 800).factor == 1


@given(first=st.integers(400, 1200), second=st.integers(400, 1200))
def test_scaling_twice_is_scaling_once(first: int, second: int) -> None:
    for op in OPS:
        steps = scaling_of(op, first, 800).factor * scaling_of(op, second, first).factor
        assert steps == scaling_of(op, second, 800).factor


def test_pricing_follows_and_the_clock_scales_leakage_alone() -> None:
    counts = {"npe.add": 3, "leak.sram": 1000}
    assert price(counts, TABLE, at(900)) == {
        "npe.add": {"npe": 39_488, "loop_buffer": 3_417},  # 31,200 and 2,700 x 81 / 64
        "leak.sram": {"leakage": 53_084},  # 47,185.92 x 9 / 8
    }
    slow = replace(CHIP, clock_hz=250_000_000)
    assert TABLE.row("leak.sram", slow).total == 2 * TABLE.row("leak.sram", CHIP).total
    assert TABLE.row("npe.add", slow) == TABLE.row("npe.add", CHIP)


def test_a_table_of_another_voltage() -> None:
    mine = parse_energy(EXTENDS + "voltage: 0.6 V\n")
    assert mine.voltage_mv == 600
    assert mine.row("npe.add", at(600)).total == 11_300
    assert mine.row("npe.add", at(800)).total == Fraction(11_300) * 16 / 9
    again = parse_energy(energy_yaml(mine))
    assert (again.voltage_mv, again.rows) == (600, mine.rows)


def test_a_chip_states_its_voltage() -> None:
    loaded = load_chip("seneca-8x8", {"voltage_mv": "0.6 V"})
    assert loaded.chip.voltage_mv == 600
    assert load_chip("seneca-8x8").fields["voltage_mv"].range == (600, 900)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.3 V", "c.yaml:3:13: voltage_mv: 300 is too small: at least 400"),
        ("2 V", "c.yaml:3:13: voltage_mv: 2000 is too large: at most 1200"),
        ("0.8", "c.yaml:3:13: voltage_mv: 0.8 needs a unit of voltage, e.g. '0.8 V'"),
    ],
)
def test_voltages_of_a_chip_that_cannot_be(value: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_chip(f"schema: seneca-chip/1\nextends: seneca-8x8\nvoltage_mv: {value}\n", "c.yaml")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("voltage: 3 V\n", "e.yaml:3:10: voltage: energies cannot be scaled to 3 V; expected 0.4"),
        ("ops: {noc.flit_hop: {parts: {noc: 1 pJ}, range: [2 pJ, 1 pJ]}}\n", "must be [low, high]"),
        ("ops: {noc.flit_hop: {parts: {noc: 1 pJ}, range: 2 pJ}}\n", "must be [low, high]"),
        ("ops: {noc.flit_hop: {parts: {noc: 1 pJ}, range: [1 pW, 2 pJ]}}\n", "not a unit of ener"),
        (
            "ops: {npe.add: {parts: {npe: 1 pJ, loop_buffer: 1 pJ}, range: [1 pJ, 2 pJ]}}\n",
            "npe.add has 2 parts; a range needs a row of one part",
        ),
    ],
)
def test_slips_of_a_table_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_energy(EXTENDS + text, "e.yaml")
    assert str(caught.value).startswith("e.yaml:3:")
    assert message in str(caught.value)


def test_assumed_energies_hold_their_value_in_their_range() -> None:
    for op, row in TABLE.rows.items():
        if row.mark is Mark.ASSUMED:
            assert row.range is not None, op
            assert row.range[0] <= next(iter(row.parts.values())) <= row.range[1]


def test_explain_takes_a_row_apart() -> None:
    row = explain(TABLE, "npe.mld", at(600))
    assert [(p.name, p.table_value, p.factor, p.fj) for p in row.parts] == [
        ("npe", 600, 8, 2_700),
        ("memory", 2_900, 8, 13_050),
        ("loop_buffer", 1_600, 1, 900),
    ]
    assert (row.total_fj, row.per_npe_fj) == (16_650, Fraction(16_650, 8))
    assert row.scaling.rule == "V^2, from 0.8 V to 0.6 V"
    assert explain(TABLE, "leak.sram", CHIP).parts[0].factor_text == "2,359,296 b / 500 MHz"


def test_every_op_of_the_table_can_be_explained() -> None:
    for op in OPS:
        row = explain(TABLE, op, CHIP)
        assert row.total_fj == TABLE.row(op, CHIP).total
        assert row.counts
        assert row.source


def test_a_missing_row_is_an_error_and_never_zero() -> None:
    rows = {op: row for op, row in TABLE.rows.items() if op != "npe.add"}
    broken = replace(TABLE, rows=rows)
    with pytest.raises(InputError, match=r"has no row for 'npe\.add'"):
        explain(broken, "npe.add", CHIP)
    with pytest.raises(InputError, match=r"has no row for 'npe\.add'"):
        price({"npe.add": 1}, broken, CHIP)
