"""Tables of studies from rows written by hand, and latency by critical path."""

from pathlib import Path
from typing import Any

import pytest

from seneca_sim.errors import InputError
from workloads.studies.__main__ import HERE, lines_of, main
from workloads.studies.picture import draw_scaling, series
from workloads.studies.tables import (
    VIEWS,
    batches,
    choice,
    compare,
    energies,
    gains,
    parts,
    scaling,
)


def row(variant: str, joules: float, seconds: float, macs: float) -> dict[str, Any]:
    return {
        "status": "ok", "workload.variant": variant, "weights.bits": "int4",
        "mapping.head": "out", "mapping.weights": "core", "cycles": 1, "tokens": 2,
        "cores_used": 5573, "energy_per_token_j": joules, "latency_per_token_s": seconds,
        "macs_per_token": macs, "energy_by_class_fj.npe": 2_000_000_000_000,
        "energy_by_class_fj.noc": 400_000_000_000, "energy_by_class_fj.leakage": 10**12,
        "energy_by_op_fj.noc.flit_hop": 8_000_000_000, "error": "",
    }  # fmt: skip


THREE = [
    row("dense", 0.03, 0.04, 27),
    row("natural", 0.02, 0.03, 20),
    row("sparsified", 0.01, 0.02, 10),
]


def test_parts_of_energy_are_per_token_in_mj() -> None:
    assert energies(THREE[0]) == pytest.approx((1.0, 0.2, 0.5))


def test_gains_are_over_the_natural_run() -> None:
    line = gains(THREE)[-1]
    assert "30 / 20 / 10" in line
    assert line.endswith("| 2.00 | 1.50 | 2.000 |")
    assert len(gains(THREE[1:])) == 2  # no third run, no row


def test_parts_compare_natural_with_sparsified() -> None:
    assert parts(THREE)[-1] == (
        "| INT4 | cores | out | 1 / 1 | 1.00 | 0.2 / 0.2 | 1.00 | 0.5 / 0.5 | 1.00 |"
    )


def test_flit_hops_and_errors_have_their_cells() -> None:
    broken = {**THREE[0], "status": "failed", "error": "does not fit"}
    lines = compare([THREE[0], broken])
    assert lines[-2].endswith("| 2.00 |")  # 8e9 fJ over two tokens, 2,000 fJ a flit-hop: 2 M
    assert "does not fit" in lines[-1]


def test_speed_up_is_over_the_smallest_mesh() -> None:
    small = {**THREE[0], "columns": 14, "rows": 14, "mode": "generation", "time_s": 0.1}
    large = {**small, "columns": 28, "latency_per_token_s": 0.01}
    rows = [small, large, {**small, "mode": "pipelined"}, {**large, "mode": "pipelined"}]
    assert "| 10.000 | 4.00 |" in scaling(rows)[-1]


def test_every_study_file_has_a_view() -> None:
    for file in HERE.glob("*.yaml"):
        assert any(part in file.stem for part in VIEWS) or file.stem.startswith(("rwkv4-", "opt-"))


def test_an_unknown_study_is_named_with_those_there() -> None:
    with pytest.raises(InputError, match=r"there are .*rwkv4-3b.*speed"):
        lines_of(["rwkv4-4b"])


def test_the_choice_stands_beside_the_best_strategy() -> None:
    mesh = {**THREE[0], "columns": 14, "rows": 14}
    rows = [
        {**mesh, "mapping.strategy": "auto", "latency_per_token_s": 0.011},
        {**mesh, "mapping.strategy": "grouped", "latency_per_token_s": 0.010},
        {**mesh, "mapping.strategy": "tiles-2d", "status": "failed"},
    ]
    line = choice(rows)[-1]
    assert line == "| 14 x 14 | 11.000 (5,573) | 10.000 (5,573) | does not fit | 1.10 |"


def test_a_scaling_study_is_drawn_from_its_rows(tmp_path: Path) -> None:
    small = {**THREE[0], "columns": 14, "rows": 14, "mode": "generation", "time_s": 0.1}
    rows = [small, {**small, "mode": "pipelined", "time_s": 0.02, "cores_used": 99}]
    assert series(rows, "pipelined") == ([99], [10.0], [30.0])  # two tokens in 20 ms
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    draw_scaling(rows, first)
    draw_scaling(rows, second)
    assert first.read_bytes() == second.read_bytes()
    assert b"cores used" in first.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scaling-169m", "--picture"], "--picture needs a file"),
        (["scaling-169m", "--picture", "a.txt"], r"a.txt: unknown kind of picture"),
        (["rwkv4-3b", "--picture", "a.svg"], "rwkv4-3b has no picture"),
    ],
)
def test_pictures_that_cannot_be(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_batches_show_both_rates() -> None:
    """By hand: 2 tokens in 0.1 s are 20 a second, 5 for each of 4 sequences."""
    both = {"mapping.batch": "4", "mode": "generation", "time_s": 0.1, "average_power_w": 0.2,
            "latency_per_token_mean_s": 0.02, "energy_per_token_mean_j": 3e-5}  # fmt: skip
    lines = batches([{**THREE[2], **both}, {**THREE[2], **both, "mode": "pipelined"}])
    assert lines[2] == "| 4, generation | 5,573 | 2 | 20 | 20 | 5 | 30 | 200 |"
    assert lines[3].startswith("| 4, pipelined | ")
