"""Load-latency studies: files, saturation, plot."""

from pathlib import Path

import pytest

from seneca_sim.chip import BoundarySpec, Chip, NocSpec
from seneca_sim.engine.reference.traffic import Load, LoadPoint
from seneca_sim.errors import InputError
from seneca_sim.report.noc_plot import draw_curves
from seneca_sim.sweep.noc_study import Curve, capacity, read_noc_study, run_noc_study

STUDY = """schema: seneca-noc-study/1
chip: seneca-4x4
patterns: [uniform]
flits: 4
offered: [0.5, 0.05]
cycles: 100
seed: 1
"""


def _curve(*latencies: float) -> Curve:
    points = [
        LoadPoint(Load("uniform", 1, 0.1 * (i + 1)), 0.1, latency, latency, 1, 0)
        for i, latency in enumerate(latencies)
    ]
    return Curve("uniform", 1, tuple(points))


def test_saturation_is_where_latency_crosses_three_times_the_lowest() -> None:
    # 30 lies half-way between 20 at 0.2 and 40 at 0.3.
    assert _curve(10, 20, 40).saturation == pytest.approx(0.25)
    assert _curve(10, 20, 29).saturation is None


def test_capacities_by_hand() -> None:
    """8 x 8: 4/8 less the share of packets to oneself; 1/7; 1 / (0.2 x 64 + 0.8)."""
    chip = Chip("c")
    assert capacity(chip, "uniform") == pytest.approx(0.5 * 63 / 64)
    assert capacity(chip, "transpose") == pytest.approx(1 / 7)
    assert capacity(chip, "hot-spot") == pytest.approx(1 / 13.6)


def test_the_shipped_study_is_what_the_issue_asks() -> None:
    study = read_noc_study("load-latency")
    assert study.patterns == ("uniform", "transpose", "hot-spot")
    assert study.flits == (1, 4, 9)
    assert study.chip == "seneca-8x8"
    assert list(study.offered) == sorted(study.offered)


def test_a_study_runs_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "s.yaml").write_text(STUDY)
    study = read_noc_study(tmp_path / "s.yaml")
    assert study.offered == (0.05, 0.5)
    chip = Chip("c", columns=4, rows=4)
    curves = run_noc_study(chip, study, processes=1)
    assert [p.load.offered for p in curves[0].points] == [0.05, 0.5]
    assert curves[0].points[1].mean_latency > curves[0].points[0].mean_latency
    draw_curves(chip, curves, tmp_path / "a.svg")
    draw_curves(chip, curves, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "<svg" in text
    assert {p.name for p in tmp_path.iterdir()} == {"s.yaml", "a.svg", "b.svg"}
    with pytest.raises(InputError, match="unknown kind of picture"):
        draw_curves(chip, curves, tmp_path / "a.bmp")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("patterns: [uniform]", "patterns: [unifrom]", ":3:11: unknown pattern 'unifrom'"),
        ("flits: 4", "flits: four", ":4:8: flits 'four' is no whole number"),
        ("offered: [0.5, 0.05]", "offered: [2]", ":5:10: offered '2'"),
        ("seed: 1\n", "", ": 'seed' is missing"),
        ("seed: 1\n", "sede: 1\n", ":7:1: unknown key 'sede'"),
    ],
)
def test_slips_are_told_with_their_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(STUDY.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_noc_study(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_closed_form_no_capacity() -> None:
    torus = Chip("t", noc=NocSpec(topology="torus", buffer_flits=68))
    tiles = Chip("b", boundary=BoundarySpec(tile_columns=4))
    assert {capacity(chip, "uniform") for chip in (torus, tiles)} == {None}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("flits: 4", "flits: [1, 18]", ":4:12: flits 18; expected 1 to 17"),
        ("flits: 4", "flits: 0", ":4:8: flits 0; expected 1 to 17"),
        ("[uniform]", "[uniform, transpose]", ":3:21: transpose needs as many columns as rows"),
    ],
)
def test_what_a_chip_cannot_run_is_told_first(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(STUDY.replace(old, new))
    with pytest.raises(InputError) as caught:
        run_noc_study(Chip("c", columns=4, rows=2), read_noc_study(path), processes=1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
