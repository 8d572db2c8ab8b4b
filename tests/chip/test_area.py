"""Area against sums done by hand."""

from fractions import Fraction

import pytest

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.chip.area import chip_um2, core_area, core_um2, load_area, parse_area
from seneca_sim.config import Mark
from seneca_sim.errors import InputError

TABLE = load_area()
EXTENDS = "schema: seneca-area/1\nextends: seneca-gf22\n"


def parts(chip: Chip) -> dict[str, Fraction]:
    return {item.part: item.um2 for item in core_area(chip, TABLE)}


def test_the_memories_alone_exceed_the_published_core() -> None:
    found = parts(Chip("x"))
    both = found["data memory"] + found["instruction memory"]
    assert both == Fraction("471859.2")  # (2 Mib + 256 Kib) x 0.2 um2/b
    assert both / 10**6 > Fraction("0.47")


def test_every_part_by_hand() -> None:
    found = {part: float(area) for part, area in parts(Chip("x")).items()}
    assert found == {
        "data memory": 419_430.4,
        "instruction memory": 52_428.8,
        "NPE registers": 29_491.2,  # 8 x 64 x 16 b x 3.6
        "loop buffer": 10_598.4,  # 128 x 23 b x 3.6
        "event queues": 14_745.6,  # (64 + 64) flits x 32 b x 3.6
        "router buffers": 8_294.4,  # 4 x 18 flits x 32 b x 3.6
        "NPEs": 12_800,
        "controller": 5_200,
        "loop control": 800,
        "event generator": 1_000,
        "SMPU": 1_000,
        "router": 4_000,
    }
    assert core_um2(Chip("x"), TABLE) == Fraction("559788.8")
    assert chip_um2(Chip("x", 3, 2), TABLE) == 6 * Fraction("559788.8")


def test_parts_grow_with_what_they_are_made_of() -> None:
    small, large = parts(Chip("x")), parts(Chip("x", core=CoreSpec(npes=16, line_bits=256)))
    grown = {part for part in small if small[part] != large[part]}
    assert grown == {"NPE registers", "NPEs"}
    assert all(large[part] == 2 * small[part] for part in grown)


def test_assumed_rows_are_marked_and_hold_their_value_in_their_range() -> None:
    for name, row in TABLE.rows.items():
        assert row.range is not None
        assert row.range[0] <= row.value <= row.range[1], name
        assert row.mark is (Mark.SECOND_HAND if "T23" in row.source else Mark.ASSUMED)


def test_a_file_changes_single_rows() -> None:
    mine = parse_area(EXTENDS + "bits: {sram: 0.1 um2/b}\n")
    assert mine.rows["sram"].value == Fraction(1, 10)
    assert mine.rows["sram"].mark is Mark.USER
    assert mine.rows["router"] == TABLE.rows["router"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EXTENDS + "bits: {sram: 0.1}\n", "a.yaml:3:14: bits.sram: 0.1 needs a unit of area per"),
        (EXTENDS + "bits: {srm: 1 um2/b}\n", "a.yaml:3:8: unknown key 'srm' in bits; did you mean"),
        (EXTENDS + "logic: {npe: 1 um2/b}\n", "'um2/b' is not a unit of area"),
        (EXTENDS + "logic: {npe: -1 um2}\n", "is negative"),
        ("schema: seneca-area/1\nname: x\nlogic: {}\n", "a.yaml:1:1: 'bits' is missing"),
        ("schema: seneca-area/1\nname: x\nbits: {sram: 1 um2/b}\n", "bits.register_file is miss"),
        ("schema: seneca-chip/1\n", "a.yaml:1:9: schema is 'seneca-chip/1', expected"),
    ],
)
def test_slips_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_area(text, "a.yaml")
    assert message in str(caught.value)
