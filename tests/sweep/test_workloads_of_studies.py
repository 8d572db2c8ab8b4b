"""Workloads of studies: a sweep's numbers are those that `run` prints; the studies that ship."""

import json
from pathlib import Path
from typing import Any

import pytest
from sweep_tools import written

from seneca_sim.cli.main import main
from seneca_sim.cli.settings import RUN_SETTINGS
from seneca_sim.cli.sweeping import open_study
from seneca_sim.cli.workload import thresholds
from seneca_sim.errors import InputError
from seneca_sim.sweep.study import LIBRARY
from workloads.traces import synthesise, write_trace
from workloads.traces.sites import BLOCK_SITES


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save_file

    from workloads.models import Rwkv4Shape
    from workloads.models.layout import expected_shapes

    generator = torch.Generator().manual_seed(0)
    shape = Rwkv4Shape(layers=2, width=32, ffn=64, vocab=256)
    weights = {
        name: torch.randn(size, generator=generator) / (size[-1] ** 0.5 if len(size) == 2 else 1)
        for name, size in expected_shapes(shape).items()
    }
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_file(weights, path)
    return path


@pytest.fixture
def answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENECA_SIM_CACHE", str(tmp_path / "cache"))

    def run(*arguments: object) -> Any:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return run


HEAD = """\
schema: seneca-study/1
name: variants
workload: %s
settings: {workload.tokens: 2, workload.context: 3}
"""


def test_a_model_gives_what_run_prints(answer: Any, tmp_path: Path, model: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(bytes(range(32, 127)) * 3)
    body = (
        "axes: {grid: {workload.variant: [dense, natural], workload.tokens: [2, 3]}}\n"
        "report: [energy_per_token_j, bits_per_byte]\n"
    )
    study = written(tmp_path, body, HEAD % f"{{model: {model}, text: {text}}}")
    answer("sweep", study, "--jobs", 1, "--json")
    rows = answer("sweep", "table", study, "--json")["rows"]
    for tokens in (2, 3):
        sets = ["--set", f"workload.tokens={tokens}", "--set", "workload.context=3"]
        run = answer("run", model, "--text", text, *sets, "--json")
        for variant in run["variants"]:
            (row,) = (
                r
                for r in rows
                if (r["workload.variant"], r["workload.tokens"]) == (variant["label"], tokens)
            )
            assert row["run_id"] == variant["run_id"]
            assert row["energy_fj"] == variant["energy_fj"]
            assert row["bits_per_byte"] == run["bits_per_byte"]["natural"]


def test_a_trace_gives_what_run_prints(answer: Any, tmp_path: Path, model: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(bytes(range(32, 127)) * 3)
    record = ["--text", text, "--set", "workload.tokens=2", "-o", "t.safetensors"]
    assert main([str(a) for a in ("trace", "record", model, *record)]) == 0
    body = "axes: {grid: {noc.hop_cycles: [1, 2], workload.variant: [natural, dense]}}\n"
    head = (HEAD % "{trace: t.safetensors}").replace(", workload.context: 3", "")
    study = written(tmp_path, body, head)
    answer("sweep", study, "--jobs", 1, "--json")
    rows = answer("sweep", "table", study, "--json")["rows"]
    run = answer("run", "--trace", "t.safetensors", "--set", "noc.hop_cycles=1", "--json")
    wanted = {variant["label"]: variant["run_id"] for variant in run["variants"]}
    found = {r["workload.variant"]: r["run_id"] for r in rows if r["noc.hop_cycles"] == 1}
    assert found == wanted


SHAPE = """\
schema: seneca-shape/1
family: rwkv4
layers: 2
width: 64
ffn: 128
vocab: 40
variants:
  natural:
    density: {att.key: 1, att.rec: 1, att.val: 1, att.out: 1, ffn.rec: 1, ffn.key: 1, ffn.val: 0.3}
"""


def _filled(text: str, row: dict[str, Any]) -> str:
    path, _, value = text.partition("=")
    return f"{path}={row[path] if value == '*' else value}"


def _rows_as_run_prints(
    answer: Any, folder: Path, axes: str, settings: str, sets: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The rows of a study over a drawn shape, the last one held against a run."""
    (folder / "shape.yaml").write_text(SHAPE)
    head = "schema: seneca-study/1\nname: drawn\nworkload: shape.yaml\n"
    study = written(folder, f"settings: {{{settings}}}\naxes: {{grid: {{{axes}}}}}\n", head)
    first = answer("sweep", study, "--jobs", 1, "--json")
    rows: list[dict[str, Any]] = answer("sweep", "table", study, "--json")["rows"]
    assert first["run"]["work"]["compile"] == len(rows)
    asked = [text for one in sets for text in ("--set", _filled(one, rows[-1]))]
    run = answer("run", "shape.yaml", *asked, "--no-accuracy", "--json")
    (natural,) = (v for v in run["variants"] if v["label"] == "natural")
    assert (rows[-1]["run_id"], rows[-1]["energy_fj"]) == (natural["run_id"], natural["energy_fj"])
    return rows


def test_each_point_gets_the_smallest_chip_that_fits(answer: Any, tmp_path: Path) -> None:
    rows = _rows_as_run_prints(
        answer,
        tmp_path,
        "core.data_memory_bits: [64 Kib, 512 Kib]",
        "workload.tokens: 1, mapping.fit: smallest",
        (
            "workload.tokens=1",
            "mapping.fit=smallest",
            "core.data_memory_bits=*",
        ),
    )
    cores = [row["cores"] for row in rows]
    assert cores == sorted(cores, reverse=True)
    assert cores[0] > cores[-1] >= 2


@pytest.mark.nightly
def test_slices_of_equal_events_follow_the_trace(answer: Any, tmp_path: Path) -> None:
    settings = (
        "workload.tokens: 2, workload.hot_channels: 1, mapping.strategy: tiles-2d, "
        "mapping.tiles.ffn.val: 3"
    )
    rows = _rows_as_run_prints(
        answer,
        tmp_path,
        "mapping.balance: [size, events]",
        settings,
        (
            "workload.tokens=2",
            "workload.hot_channels=1",
            "mapping.strategy=tiles-2d",
            "mapping.tiles.ffn.val=3",
            "mapping.balance=*",
        ),
    )
    assert rows[0]["run_id"] != rows[1]["run_id"]


def test_the_smallest_chip_is_priced_again_without_a_run(
    answer: Any, tmp_path: Path, model: Path
) -> None:
    """A model that has not been run says its dimensions, too."""
    body = "axes: {grid: {energy.noc.flit_hop.noc: [%s]}}\n"
    head = (HEAD % model).replace("tokens: 2", "tokens: 1, mapping.fit: smallest")
    first = answer("sweep", written(tmp_path, body % "1 pJ", head), "--jobs", 1, "--json")
    assert first["run"]["work"]["simulate"] == 1
    again = answer("sweep", written(tmp_path, body % "1 pJ, 3 pJ", head), "--jobs", 1, "--json")
    assert (again["failed"], again["run"]["work"]) == (0, {"price": 1})
    rows = answer("sweep", "table", tmp_path / "study.yaml", "--json")["rows"]
    assert rows[0]["cycles"] == rows[1]["cycles"]
    assert rows[0]["energy_fj"] < rows[1]["energy_fj"]


def test_a_trace_is_cut_to_the_tokens_of_a_point(answer: Any, tmp_path: Path) -> None:
    shape = {"family": "rwkv4", "layers": 1, "width": 32, "ffn": 64, "vocab": 8}
    drawn = synthesise(shape, dict.fromkeys(BLOCK_SITES, 0.5), tokens=3, seed=0)
    write_trace(tmp_path / "t.safetensors", drawn)
    head = "schema: seneca-study/1\nname: cut\nworkload: {trace: t.safetensors}\n"
    body = "axes: {grid: {workload.tokens: [1, 2, 3]}}\nreport: [workload.tokens, tokens]\n"
    answer("sweep", written(tmp_path, body, head), "--jobs", 1, "--json")
    rows = answer("sweep", "table", "study.yaml", "--json")["rows"]
    assert [row["tokens"] for row in rows] == [1, 2, 3]
    assert len({row["run_id"] for row in rows}) == 3
    two = answer("run", "--trace", "t.safetensors", "--set", "workload.tokens=2", "--json")
    assert rows[1]["run_id"] in [variant["run_id"] for variant in two["variants"]]
    for line, message in {
        "workload.tokens: [4]": "the trace has 3 tokens; expected 1 to 3, or leave it out",
        "workload.context: [3]": "is about how a trace is made",
    }.items():
        with pytest.raises(InputError, match=message):
            open_study(str(written(tmp_path, f"axes: {{grid: {{{line}}}}}\n", head)))


def test_searched_thresholds_need_no_place_to_keep_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from workloads.job import shipped_inputs

    inputs, searches = shipped_inputs("rwkv4-byte-6x256"), []

    def search(*_: object, **how: object) -> Any:
        searches.append(how)
        return inputs.recipe

    monkeypatch.setattr("workloads.sparsity.search.sparsify", search)
    monkeypatch.setenv("SENECA_SIM_CACHE", "/dev/null/none")
    assert thresholds.searched_recipe(inputs, 1.01, lambda *_: None) == inputs.recipe
    monkeypatch.setenv("SENECA_SIM_CACHE", str(tmp_path))
    for _ in range(2):
        assert thresholds.searched_recipe(inputs, 1.01, lambda *_: None) == inputs.recipe
    assert len(searches) == 2  # one of them was kept
    monkeypatch.setitem(thresholds.HOW, "window", 64)
    thresholds.searched_recipe(inputs, 1.01, lambda *_: None)
    monkeypatch.setattr(thresholds, "version_of", lambda _: "another")
    thresholds.searched_recipe(inputs, 1.01, lambda *_: None)
    assert len(searches) == 4


@pytest.mark.nightly
def test_thresholds_are_searched_for_once_and_remembered(
    answer: Any, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seneca_sim.cli.workload.thresholds.CALIBRATION_BYTES", 1025)
    body = "axes: {grid: {sparsity.loss_inc: [1.01, 1.2]}}\n"
    study = written(tmp_path, body, HEAD % model)
    answer("sweep", study, "--jobs", 1, "--json")
    rows = answer("sweep", "table", study, "--json")["rows"]
    assert rows[1]["sparsity"] > rows[0]["sparsity"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr("workloads.sparsity.search.sparsify", never)
    answer("sweep", study, "--jobs", 1, "--store", "other", "--json")
    assert answer("sweep", "table", study, "--store", "other", "--json")["rows"] == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("workload.variant: [sparsified]", "tiny.safetensors comes without thresholds; give"),
        ("workload.variant: [sparse]", "expected dense, natural, sparsified; did you mean"),
        ("sparsity.loss_inc: [0.5]", "expected a factor from 1 up, as in 1.0005"),
        ("sparsity.recipe: [none.yaml]", "none.yaml"),
        ("workload.tokens: [100000]", "give a longer text or fewer tokens"),
    ],
)
def test_what_a_model_cannot_do_is_said_before_it_runs(
    tmp_path: Path, model: Path, line: str, message: str
) -> None:
    study = written(tmp_path, f"axes: {{grid: {{{line}}}}}\n", HEAD % model)
    with pytest.raises(InputError) as caught:
        open_study(str(study))
    assert str(caught.value).startswith(f"{study}:5:")
    assert message in str(caught.value)


COUNTS = {"core-counts": 82, "rwkv4-169m-layer": 1008, "rwkv4-169m": 48}


def test_all_studies_that_ship_are_counted_here() -> None:
    assert sorted(COUNTS) == LIBRARY.names()


@pytest.mark.parametrize("name", COUNTS)
def test_studies_that_ship_have_the_points_that_the_docs_say(name: str) -> None:
    if name != "core-counts" and "weights.bits" not in RUN_SETTINGS:
        pytest.skip("this version has no setting weights.bits")
    assert len(open_study(name).sweep.points) == COUNTS[name]
