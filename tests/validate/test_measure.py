"""Measurements against numbers worked out by hand, and whether a wrong table is noticed."""

from dataclasses import replace
from fractions import Fraction

import pytest

from seneca_sim.chip.area import load_area
from seneca_sim.chip.load import load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.errors import InputError
from seneca_sim.validate import Bench, Measured, Row, failed, published_rows, select, validate
from seneca_sim.validate.measure import MEASURES
from seneca_sim.validate.sensim import load_sensim
from seneca_sim.validate.text import lines_of

BENCH = Bench(load_chip("seneca-8x8").chip, load_energy())
AREA = load_area()


def measured(*names: str, bench: Bench = BENCH) -> dict[str, Row]:
    return {row.id: row for row in validate(bench, AREA, only=names)}


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.id: row for row in validate(BENCH, AREA)}


def test_nothing_that_must_hold_fails(rows: dict[str, Row]) -> None:
    assert not failed(rows.values())


def test_rows_without_a_number_say_why(rows: dict[str, Row]) -> None:
    from seneca_sim.cli.published_models import sparsity_rows

    given = {*sparsity_rows(), "values-torch"}
    for row in rows.values():
        assert row.simulated is not None or row.reason or row.id in given, row.id
        if row.verdict == "reported":
            assert row.reason, row.id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("e-add", 1.4125),  # 1.3 + 0.9 / 8
        ("e-mld", 3.7),
        ("e-evc", 0.5375),  # 0.4 + (0.5 + 0.6) / 8
        ("e-riscv", 11.6),
        ("e-noc", 2.0),
        ("sop", 2.8125),  # 3.7 / 4 + 1.4125 + (3.7 + 3.9) / 16
        ("sop-explicit", 5.1375),  # and 1.2125 + 1.1125 for each weight
        ("sop-bf16", 7.0),  # 3.7 + 2 x 1.4125 + 7.6 / 16
        ("sop-bf16-1", 14.125),
        # 16 events are 160 + 20 + 6 instructions of 11.6 and 16 accesses of 10 pJ.
        ("sop-controller", 2.8125 + (186 * 11.6 + 160) / (16 * 1024)),
        # 4 groups of 186 less the packet that comes without events, too; 32 rows of
        # (4 + 4 + 5 x 16) instructions in 8 lanes
        ("controller-share", 100 * 724 / (724 + 4 * 8 * 32 * 88)),
        ("noc-zero-load", 46),  # 15 hops of 2 cycles, and 16 flits behind the first
        ("sensim-busy", 266_000),
        ("area", 0.5597888),
    ],
)
def test_values_by_hand(rows: dict[str, Row], name: str, value: float) -> None:
    # sop-*: the events' own values are loaded once for 1,024 neurons, which hand sums leave out.
    assert rows[name].simulated == pytest.approx(value, rel=0.005 if "sop" in name else 1e-9)


def test_what_28_picojoules_leave_out_grows_as_slices_shrink(rows: dict[str, Row]) -> None:
    names = ("sop", "sop-controller", "sop-all", "sop-all-64")
    costs = [rows[name].simulated or 0 for name in names]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("op", "row"),
    [
        ("npe.add", "e-add"), ("npe.i8", "e-int8"), ("npe.gth", "e-cmp"), ("npe.eql", "e-eql"),
        ("npe.and", "e-and"), ("npe.shl", "e-shl"), ("npe.i2f", "e-i2f"), ("npe.rnd", "e-rnd"),
        ("npe.mld", "e-mld"), ("npe.mst", "e-mst"), ("npe.evc", "e-evc"),
        ("evg.event", "e-event"), ("ctrl.instruction", "e-riscv"), ("ctrl.memory", "e-data"),
        ("noc.flit_hop", "e-noc"), ("leak.sram", "leak-sram"),
        ("leak.registers", "leak-registers"), ("npe.mld", "sop"),
        ("mem.hbm_bit", "e-hbm"), ("mem.stt_mram_bit", "e-stt-mram"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_noticed(op: str, row: str) -> None:
    found = BENCH.table.rows[op]
    parts = {part: value * Fraction(3, 2) for part, value in found.parts.items()}
    table = replace(BENCH.table, rows={**BENCH.table.rows, op: replace(found, parts=parts)})
    assert measured(row, bench=replace(BENCH, table=table))[row].verdict == "fails"


def test_another_network_still_has_its_closed_form() -> None:
    chip = replace(BENCH.chip, noc=replace(BENCH.chip.noc, hop_cycles=3, link_bits=16))
    row = measured("noc-zero-load", bench=replace(BENCH, chip=chip))["noc-zero-load"]
    assert (row.simulated, row.verdict) == (15 * 3 + 34 - 1, "holds")


def test_sensims_dense_layer_by_hand() -> None:
    peer = load_sensim()
    assert peer.cycles(1, 1024) == 10 + 2 * 128
    assert peer.energy_pj(1, 1024) == 3 * 266 + 2 * 1024 + 12 * 1024 + 96 * 1024
    assert peer.cycles(9, 1025) == 10 + 2 * 9 * 129


def test_every_measurement_has_a_row() -> None:
    assert set(MEASURES) <= {row.id for row in published_rows()}


def test_rows_can_be_given_skipped_and_chosen() -> None:
    given: dict[str, Measured | str] = {
        "sp-3b": Measured(63.0),
        "values-torch": "skipped: torch is not installed",
    }
    found = validate(BENCH, AREA, given, ("values-torch", "sp-3b"))
    assert [(r.id, r.verdict, r.reason) for r in found] == [
        ("sp-3b", "holds", ""),
        ("values-torch", "not reproduced", "skipped: torch is not installed"),
    ]
    with pytest.raises(InputError, match="no row 'sopp'; did you mean 'sop'"):
        select(("sopp",))


OTHER_NETWORKS = (
    {"noc.topology": "torus", "noc.buffer_flits": "68"},
    {"boundary.tile_columns": "3", "boundary.link_bits": "8 b"},
    {"core.completion": "announce"},
    {"noc.packet_events": "4"},
    {"noc.flit_bits": "64 b"},
)


@pytest.mark.parametrize(
    "settings",
    [
        OTHER_NETWORKS[0],
        *(pytest.param(other, marks=pytest.mark.nightly) for other in OTHER_NETWORKS[1:]),
    ],
)
def test_the_capacity_of_other_networks(settings: dict[str, str]) -> None:
    """Apart from the next test, for no measurement takes longer."""
    bench = replace(BENCH, chip=load_chip("seneca-8x8", settings).chip)
    assert not failed(measured("noc-capacity", bench=bench).values())


@pytest.mark.parametrize("settings", OTHER_NETWORKS)
def test_other_networks_agree_or_do_not_compare(settings: dict[str, str]) -> None:
    bench = replace(BENCH, chip=load_chip("seneca-8x8", settings).chip)
    names = ("noc-zero-load", "e-noc", "noc-mean-latency", "packet-events")
    found = measured(*names, bench=bench)
    assert not failed(found.values())
    assert (found["noc-zero-load"].verdict, found["e-noc"].verdict) == ("holds", "holds")
    assert found["e-noc"].simulated == pytest.approx(2.0)


def test_a_number_published_for_another_chip_does_not_compare() -> None:
    settings = {"voltage_mv": "600 mV", "core.npes": "4"}
    bench = replace(BENCH, chip=load_chip("seneca-8x8", settings).chip)
    row = measured("e-add", bench=bench)["e-add"]
    assert (row.verdict, row.error_percent) == ("not comparable", None)
    assert row.reason == "published for voltage_mv 800 (here 600) and core.npes 8 (here 4)"
    shown = lines_of((row,))
    assert max(map(len, shown)) <= 100
    assert any("here 600" in line for line in shown)
    assert "not comparable: 1." in shown[-1]


def test_a_measurement_that_does_not_fit_says_so() -> None:
    settings = {"core.register_words": "32", "core.group_size": "8"}
    bench = replace(BENCH, chip=load_chip("seneca-8x8", settings).chip)
    row = measured("sop", bench=bench)["sop"]
    assert row.verdict == "not reproduced"
    assert row.reason.startswith("the measurement does not fit this chip: core.group_size")
