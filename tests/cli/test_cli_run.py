"""`run`: the main job on a small model, its folder, and replay."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import Call

from seneca_sim.cli.options import with_order
from seneca_sim.cli.replay import replayed
from seneca_sim.cli.settings import parse_settings
from workloads.traces import ActivationTrace, synthesise, write_trace
from workloads.traces.sites import BLOCK_SITES

PLAIN = ("--set", "mapping.strategy=output-split", "--chip", "seneca-4x4")
SHORT = ("--set", "workload.tokens=2", "--set", "workload.context=3", *PLAIN)
"""A search for the best strategy would take most of the time of each run."""


def _without_wall(text: str) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(text)
    summary.pop("wall")
    return summary


def _recipe(tiny: Path, text: Path, call: Call, folder: Path) -> Path:
    recipe = folder / "recipe.yaml"
    done = call("sparsify", tiny, "--text", text, "--bytes", 1025, "--loss-inc", 1.01, "-o", recipe)
    assert done.code == 0, done.err
    return recipe


def test_three_variants_with_gains_and_accuracy(
    call: Call, tiny: Path, text: Path, tmp_path: Path
) -> None:
    recipe = _recipe(tiny, text, call, tmp_path)
    done = call("run", tiny, "--text", text, "--recipe", recipe, *SHORT, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    summary = json.loads(done.out)
    assert [v["label"] for v in summary["variants"]] == ["dense", "natural", "sparsified"]
    energies = [v["energy_fj"] for v in summary["variants"]]
    assert energies[0] > energies[1] > energies[2] > 0
    assert set(summary["bits_per_byte"]) == {"dense", "natural", "sparsified"}
    assert summary["bits_per_byte"]["dense"] == summary["bits_per_byte"]["natural"] > 0


def test_json_is_the_same_twice_but_for_wall_clock_fields(
    call: Call, tiny: Path, text: Path
) -> None:
    arguments = ("run", tiny, "--text", text, *SHORT, "--json")
    first, second = call(*arguments), call(*arguments)
    assert first.code == second.code == 0
    assert _without_wall(first.out) == _without_wall(second.out)


def test_text_is_short_with_the_verdict_first_and_report_repeats_it(
    call: Call, tiny: Path, text: Path, tmp_path: Path
) -> None:
    recipe = _recipe(tiny, text, call, tmp_path)
    done = call("run", tiny, "--text", text, "--recipe", recipe, *SHORT, "--out", "here")
    lines = done.out.splitlines()
    assert len(lines) <= 25
    assert lines[0].startswith("Sparsified, a token costs ")
    assert call("report", "here").out == done.out


def test_the_folder_holds_resolved_inputs_results_and_tables(
    call: Call, tiny: Path, text: Path, tmp_path: Path
) -> None:
    assert call("run", tiny, "--text", text, *SHORT, "--out", "here", "--packets").code == 0
    here = tmp_path / "here"
    assert {p.name for p in here.iterdir()} == {"summary.json", "resolved.yaml", "dense", "natural"}
    tables = {p.name for p in (here / "natural").iterdir()}
    assert {"energy.csv", "layers.csv", "cores.csv", "links.csv", "tokens.csv"} <= tables
    assert "packets.csv" in tables


def test_a_replayed_trace_costs_what_the_model_cost(call: Call, tiny: Path, text: Path) -> None:
    model = json.loads(call("run", tiny, "--text", text, *SHORT, "--json").out)
    settings = ("--set", "workload.tokens=2", "--set", "workload.context=3")
    assert call("trace", "record", tiny, "--text", text, *settings, "-o", "t.safetensors").code == 0
    done = call("run", "--trace", "t.safetensors", *PLAIN, "--json")
    assert done.code == 0, done.err
    replay = json.loads(done.out)
    for mine, theirs in zip(replay["variants"], model["variants"], strict=True):
        assert mine["label"] == theirs["label"]
        assert mine["energy_fj"] == theirs["energy_fj"]
        assert mine["cycles"] == theirs["cycles"]


@pytest.fixture
def drawn() -> ActivationTrace:
    shape = {"family": "rwkv4", "layers": 1, "width": 16, "ffn": 32, "vocab": 8}
    return synthesise(shape, dict.fromkeys(BLOCK_SITES, 0.5), tokens=3, seed=0)


@pytest.mark.parametrize(
    ("sets", "tokens"),
    [((), [0, 1, 2]), (("workload.tokens=2",), [0, 1]), (("mapping.batch=3",), [0, 1, 2]),
     (("workload.tokens=1", "mapping.batch=2"), [0, 1])],
)  # fmt: skip
def test_a_trace_runs_as_many_of_its_tokens_as_are_asked_for(
    drawn: ActivationTrace, sets: tuple[str, ...], tokens: list[int]
) -> None:
    found = replayed(drawn, parse_settings(sets))
    assert found.tokens.tolist() == drawn.tokens[tokens].tolist()
    for name, site in found.sites.items():
        assert np.array_equal(site.mask, drawn.sites[name].mask[tokens])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("workload.tokens=4", "the trace has 3 tokens; expected 1 to 3"),
        ("workload.tokens=0", "the trace has 3 tokens; expected 1 to 3"),
        ("workload.context=64", "workload.context=64: is about how a trace is made"),
        ("workload.seed=1", "workload.seed=1: is about how a trace is made"),
        ("workload.hot_channels=1", "workload.hot_channels=1: is about how a trace is made"),
    ],
)
def test_what_a_trace_cannot_follow_is_refused(
    call: Call, drawn: ActivationTrace, setting: str, words: str
) -> None:
    write_trace("t.safetensors", drawn)
    done = call("run", "--trace", "t.safetensors", "--chip", "seneca-4x4", "--set", setting)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert words in done.err


def test_pipelined_tokens_overlap(call: Call, tiny: Path, text: Path) -> None:
    four = ("--set", "workload.tokens=4", *SHORT[2:])
    generation = json.loads(call("run", tiny, "--text", text, *four, "--json").out)
    overlapped = json.loads(
        call("run", tiny, "--text", text, *four, "--set", "mode=pipelined", "--json").out
    )
    for one, other in zip(generation["variants"], overlapped["variants"], strict=True):
        assert other["cycles"] < one["cycles"]
        assert other["mode"] == "pipelined"


def test_settings_reach_chip_energy_and_mapping(call: Call, tiny: Path, text: Path) -> None:
    plain = json.loads(call("run", tiny, "--text", text, *SHORT, "--json").out)
    for pair in ("core.npes=4", "chip.noc.hop_cycles=4", "mapping.cores_per_layer=2",
                 "energy.ctrl.instruction.controller=20 pJ"):  # fmt: skip
        other = json.loads(call("run", tiny, "--text", text, *SHORT, "--set", pair, "--json").out)
        assert other["run_id"] != plain["run_id"], pair
        same_time = other["variants"][0]["cycles"] == plain["variants"][0]["cycles"]
        assert same_time == pair.startswith("energy"), pair


@pytest.mark.parametrize("file", ["summary.json", "natural/energy.csv"])
def test_a_run_leaves_no_temporary_file(
    call: Call, tiny: Path, text: Path, tmp_path: Path, file: str
) -> None:
    assert call("run", tiny, "--text", text, *SHORT, "--out", "here").code == 0
    assert (tmp_path / "here" / file).exists()
    assert {p.name for p in tmp_path.iterdir()} == {"here", "cache"}


@pytest.mark.nightly
def test_sequences_side_by_side(call: Call, tiny: Path, text: Path, tmp_path: Path) -> None:
    """Each has tokens of its own piece of the text; the report tells both rates."""
    done = call("run", tiny, "--text", text, *SHORT, "--batch", 2, "--no-accuracy", "--out",
                tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    assert "4 tokens of 2 sequences side by side" in done.out
    assert "tokens/s" in done.out
    assert "all / a sequence" in done.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for variant in summary["variants"]:
        assert (variant["tokens"], variant["sequences"]) == (4, 2)
        assert variant["throughput"]["tokens_per_s"] == 4 / variant["time_s"]


def test_batch_and_mode_are_settings_and_win() -> None:
    sets = with_order(("mode=generation", "mapping.batch=9"), 2, "pipelined")
    settings = parse_settings(sets)
    assert (settings.mode, settings.whole("mapping.batch")) == ("pipelined", 2)
    assert with_order(("mode=pipelined",), None, None) == ("mode=pipelined",)


def test_values_of_sequences_are_checked(call: Call, tiny: Path, text: Path) -> None:
    done = call("check", tiny, "--text", text, *SHORT, "--set", "mapping.batch=2")
    assert done.code == 0, done.out
    assert "vectors agree" in done.out


def test_a_batch_that_the_text_is_too_short_for(call: Call, tiny: Path, text: Path) -> None:
    done = call("run", tiny, "--text", text, *SHORT, "--batch", 10_000)
    assert done.code == 2
    assert "for each of 10000 sequences" in done.err
