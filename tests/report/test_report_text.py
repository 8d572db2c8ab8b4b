"""The report's text: fixed input and fixed output, and its promises on real runs.

summary.json here is of a 6 x 256 model on random masks (densities of the shipped model); it is
fixed, so that only a change of the layout moves the text.
"""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from seneca_sim.chip.load import load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.engine.reference import simulate
from seneca_sim.report import Extras, render_report, render_run
from seneca_sim.report.text import render_summary
from seneca_sim.results import RunResult, price_run
from seneca_sim.results.folder import write_run
from workloads.compiler.lower import lower
from workloads.compiler.rwkv4 import rwkv4_graph
from workloads.compiler.stream import event_stream
from workloads.traces.synthesise import synthesise

HERE = Path(__file__).parent
SITES = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")
SHAPE = {"layers": 1, "width": 32, "ffn": 128, "vocab": 40}


def fixed() -> dict[str, Any]:
    return json.loads((HERE / "summary.json").read_text(encoding="utf-8"))


@cache
def runs(mode: str = "generation") -> tuple[RunResult, ...]:
    loaded, table = load_chip("seneca-4x4"), load_energy()
    program = lower(rwkv4_graph("small", SHAPE), loaded.chip)
    results = []
    for label, density in (("dense", 1.0), ("natural", 0.8), ("sparsified", 0.4)):
        densities = dict.fromkeys(SITES, density)
        trace = synthesise({"family": "rwkv4", **SHAPE}, densities, tokens=3, seed=1)  # type: ignore[typeddict-item]
        stream = event_stream(program, trace)
        activity = simulate(loaded.chip, program, stream, mode=mode)  # type: ignore[arg-type]
        results.append(
            price_run(loaded, table, program, stream, activity, label=label, mode=mode)  # type: ignore[arg-type]
        )
    return tuple(results)


def test_golden_text() -> None:
    expected = (HERE / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert render_summary(fixed(), "seneca-runs/small") == expected


@pytest.mark.parametrize("mode", ["generation", "pipelined"])
def test_the_report_made_later_is_the_same(tmp_path: Path, mode: str) -> None:
    bits = {"dense": 2.1, "natural": 2.1, "sparsified": None}
    extras = Extras(bits, 32768, tmp_path / "run", warnings=["one", "two"])
    now = render_run(runs(mode), extras)
    write_run(tmp_path / "run", runs(mode), {"schema": "seneca-run/1"}, extras.entries())
    assert render_report(tmp_path / "run") == now
    assert render_report(f"{tmp_path}/run/summary.json") == now
    assert now[-3].endswith(f"kept in {tmp_path}/run")
    assert now[-2:] == ["Warning: one", "Warning: two"]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("mode", ["generation", "pipelined"])
def test_lines_fit_a_terminal(count: int, mode: str) -> None:
    lines = render_run(runs(mode)[-count:])
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)


def test_one_run_alone_is_not_compared() -> None:
    lines = render_run(runs()[1:2])
    assert lines[0].startswith("Natural, a token costs ")
    assert not any("vs " in line or "than " in line for line in lines)
    assert "bits per byte" not in lines[0]


def test_shares_of_the_energy_are_of_everything() -> None:
    lines = render_run(runs())
    (row,) = (
        lines[n + 1].split()[1:] for n, line in enumerate(lines) if line.startswith("energy by cl")
    )
    assert sum(0.0 if cell == "<0.1" else float(cell) for cell in row) == pytest.approx(
        100, abs=0.4
    )


def changed(**entries: Any) -> list[str]:
    summary = deepcopy(fixed())
    summary["comparison"][-1].update(entries)
    return render_summary(summary)


def test_a_loss_is_called_a_loss() -> None:
    text = " ".join(changed(energy_gain=0.5, latency_gain=1.0)[:2])
    assert "2.00x more energy and 1.00x less time than natural" in text


def test_without_bits_per_byte_nothing_is_claimed() -> None:
    summary = fixed()
    summary["bits_per_byte"] = {"natural": 2.0}
    lines = render_summary(summary)
    assert lines[1].endswith("(surviving MACs 1.32x).")
    (row,) = (line for line in lines if line.startswith("bits per byte"))
    assert row.split()[-5:] == ["–", "2.000", "–", "–", "–"]


def test_wide_values_move_columns_together() -> None:
    summary = fixed()
    for variant in summary["variants"]:
        variant["energy_per_token_j"] = {"median": 999e-9, "p95": 1.25e-6, "mean": 1e-6}
    lines = render_summary(summary)
    assert "999 nJ / 1.25 µJ" in lines[5]
    assert max(map(len, lines)) <= 100


def test_no_folder_no_place() -> None:
    assert render_summary(fixed())[-1] == f"Run {fixed()['run_id'][:12]}"


def test_precision_and_head_are_told() -> None:
    """A figure without the head, or with fewer bits, says so; the shipped default says nothing."""
    summary = fixed()
    plain = " ".join(render_summary(summary))
    assert "weights, head" not in plain
    summary["variants"][-1]["mapping"] = {"weights": "int4", "head": "out"}
    assert ", int4 weights, head out" in " ".join(render_summary(summary))
    summary["variants"][-1]["mapping"] = {"weights": "bf16", "head": "in"}
    assert " ".join(render_summary(summary)) == plain
