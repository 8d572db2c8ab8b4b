"""The shipped table against the published numbers, typed here by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.chip import Chip, CoreSpec, NocSpec
from seneca_sim.cost.energy import CLASSES, load_energy, price
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import InputError, InternalError

CHIP = Chip("test")
TABLE = load_energy("seneca-gf22")
# T23 table 8, "total per NPE", pJ.
PER_NPE = {
    "npe.add": "1.4",
    "npe.sub": "1.4",
    "npe.mul": "1.4",
    "npe.i8": "1.2",
    "npe.gth": "1.2",
    "npe.max": "1.2",
    "npe.min": "1.2",
    "npe.eql": "1.1",
    "npe.abs": "1.1",
    "npe.and": "1.1",
    "npe.orr": "1.1",
    "npe.shl": "1.2",
    "npe.shr": "1.2",
    "npe.i2f": "1.1",
    "npe.rnd": "1.4",
    "npe.mld": "3.7",
    "npe.mst": "3.9",
    "npe.evc": "0.5",
}


def total(op: str, chip: Chip = CHIP) -> Fraction:
    return TABLE.row(op, chip).total


def published(op: str) -> Fraction:
    """An op's total per NPE in pJ, rounded to the table's one decimal."""
    return round(total(op) / 8 / 100) * Fraction(1, 10)


@pytest.mark.parametrize("op", PER_NPE)
def test_rows_add_up_to_the_published_total_per_npe(op: str) -> None:
    assert published(op) == Fraction(PER_NPE[op])


@pytest.mark.parametrize(
    ("op", "femtojoules"),
    [
        ("npe.add", 11_300),
        ("npe.mld", 29_600),
        ("npe.mst", 31_200),
        ("npe.evc", 4_300),
        ("evg.event", 1_100),
        ("ctrl.instruction", 11_600),
        ("ctrl.memory", 10_000),
        ("dm.write_word", 3_500),
        ("dm.read_word", 2_900),
        ("noc.flit_hop", 2_000),
    ],
)
def test_rows_on_the_default_chip(op: str, femtojoules: int) -> None:
    assert total(op) == femtojoules


def test_every_row_charged_per_wide_instruction_is_whole_femtojoules() -> None:
    for op in OPS:
        if not op.startswith("leak."):
            assert all(v.denominator == 1 for v in TABLE.row(op, CHIP).parts.values()), op


def test_leakage_of_a_core_in_a_cycle() -> None:
    # (2 Mib + 256 Kib) x 10 pW/b / 500 MHz, and 8 x 64 x 16 b x 600 pW/b / 500 MHz.
    assert total("leak.sram") == Fraction("47.18592")
    assert total("leak.registers") == Fraction("9.8304")
    slow = Chip("slow", clock_hz=250_000_000)
    assert total("leak.sram", slow) == 2 * Fraction("47.18592")


def test_lanes_multiply_npes_and_memory_but_not_the_loop_buffer() -> None:
    wide = Chip("wide", core=CoreSpec(npes=16, line_bits=256))
    assert total("npe.mld", wide) == 16 * (600 + 2900) + 1600
    assert total("npe.evc", wide) == 16 * 400 + 500 + 600


def test_a_wider_flit_costs_in_proportion() -> None:
    assert total("noc.flit_hop", Chip("wide", noc=NocSpec(flit_bits=64))) == 4000


# One synaptic operation from the published totals per NPE: weight load, arithmetic, and the load
# and store of the state shared by G grouped events. Expected to the cent, half up, as published.
SOPS = {
    ("bf16", 1): "14.10",
    ("bf16", 4): "8.40",
    ("bf16", 8): "7.45",
    ("bf16", 16): "6.98",
    ("int8", 1): "13.35",
    ("int8", 4): "7.65",
    ("int8", 8): "6.70",
    ("int8", 16): "6.23",
    ("int4", 1): "12.43",
    ("int4", 4): "6.73",
    ("int4", 8): "5.78",
    ("int4", 16): "5.30",
    ("binary", 1): "9.93",
    ("binary", 4): "4.23",
    ("binary", 8): "3.28",
    ("binary", 16): "2.80",
}


@pytest.mark.parametrize(("kind", "group"), SOPS)
def test_energy_of_a_synaptic_operation(kind: str, group: int) -> None:
    weights_in_a_word = {"bf16": 1, "int8": 2, "int4": 4, "binary": 4}[kind]
    energy = published("npe.mld") / weights_in_a_word + published("npe.add")
    if kind != "binary":
        energy += published("npe.mul")
    if kind in ("int8", "int4"):
        energy += published("npe.i2f")
    energy += (published("npe.mld") + published("npe.mst")) / group
    assert Fraction(int(energy * 100 + Fraction(1, 2)), 100) == Fraction(SOPS[kind, group])


def test_the_headline_is_exact() -> None:
    load, add, store = (published(op) for op in ("npe.mld", "npe.add", "npe.mst"))
    assert load / 4 + add + (load + store) / 16 == Fraction("2.8")


def test_the_table_has_a_row_for_every_op_in_known_classes() -> None:
    assert tuple(sorted(TABLE.rows)) == tuple(sorted(OPS))
    for op in OPS:
        row = TABLE.row(op, CHIP)
        assert set(row.parts) <= set(CLASSES)
        if row.mark in ("published", "second-hand", "derived"):
            assert row.source.startswith("T23 table")
    assert TABLE.rows["noc.flit_hop"].mark == "assumed"


def test_prices_by_op_and_class() -> None:
    counts = {"npe.mld": 3, "noc.flit_hop": 5, "npe.add": 0}
    assert price(counts, TABLE, CHIP) == {
        "npe.mld": {"npe": 14_400, "memory": 69_600, "loop_buffer": 4_800},
        "noc.flit_hop": {"noc": 10_000},
    }


def test_a_total_is_rounded_once_and_half_to_even() -> None:
    assert price({"leak.sram": 1000}, TABLE, CHIP) == {"leak.sram": {"leakage": 47_186}}
    half = load_energy(overrides={"evg.event.event_generator": "0.5 fJ"})
    halves = [
        price({"evg.event": n}, half, CHIP)["evg.event"]["event_generator"] for n in (1, 3, 5)
    ]
    assert halves == [0, 2, 2]


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_whole_rows_price_without_any_rounding(a: int, b: int) -> None:
    def cost(n: int) -> int:
        return sum(price({"npe.mul": n}, TABLE, CHIP).get("npe.mul", {}).values())

    assert cost(a) + cost(b) == cost(a + b) == 11_300 * (a + b)


def test_a_counted_op_without_a_row_is_an_error() -> None:
    message = r"energy table seneca-gf22 has no row for 'npe.mull'; did you mean 'npe.mul'\?"
    with pytest.raises(InputError, match=message):
        price({"npe.mull": 1}, TABLE, CHIP)


def test_a_negative_count_is_a_bug() -> None:
    with pytest.raises(InternalError, match=r"count of 'npe\.add' is -1"):
        price({"npe.add": -1}, TABLE, CHIP)
