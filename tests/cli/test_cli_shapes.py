"""Jobs without weights from the command line: `trace synth`, `trace stats`, `run` on a shape."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

SHAPE = """\
schema: seneca-shape/1
family: rwkv4
layers: 2
width: 32
ffn: 128
vocab: 60
variants:
  natural:
    density: {att.key: 1, att.rec: 1, att.val: 1, att.out: 1, ffn.rec: 1, ffn.key: 1, ffn.val: 0.1}
  sparsified:
    density: {att.key: 0.4, att.rec: 0.5, att.val: 0.5, att.out: 0.3, ffn.rec: 0.4, ffn.key: 0.6,
              ffn.val: 0.05}
"""
RWKV7 = """\
schema: seneca-shape/1
family: rwkv7
layers: 2
width: 32
ffn: 64
vocab: 60
heads: 2
rank_decay: 8
rank_rate: 8
rank_value: 4
rank_gate: 16
variants:
  sparsified:
    density: {att.rec: 0.4, att.decay: 1, att.key: 0.5, att.val: 0.5, att.rate: 1, att.gate: 1,
              att.out: 0.3, ffn.key: 0.6, ffn.val: 0.05}
"""
GROUPED = ("--set", "mapping.strategy=grouped", "--chip", "seneca-4x4")
SHORT = ("--set", "workload.tokens=3", "--chip", "seneca-4x4")


@pytest.fixture
def shape(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SHAPE, encoding="utf-8")
    return Path("small.yaml")


def test_a_drawn_trace_of_3b_and_its_statistics(call: Call) -> None:
    options = ("--tokens", 4, "--seed", 1, "--hot-channels", 0.5, "--token-correlation", 0.3)
    done = call("trace", "synth", "rwkv4-3b", "--variant", "sparsified", *options, "-o", "x.trace")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("x.trace: 4 tokens of rwkv4-3b, sparsified (densities derived), id ")
    facts = json.loads(call("trace", "stats", "x.trace", "--json").out)
    assert facts["average_sparsity"] == pytest.approx(0.6297, abs=0.004)
    assert facts["macs_skipped"] == pytest.approx(facts["average_sparsity"])
    rows = {row["site"]: row for row in facts["sites"]}
    assert rows["att.out"]["density"] == pytest.approx(0.263, abs=0.01)
    assert rows["ffn.key"]["token_correlation"] == pytest.approx(0.3, abs=0.03)
    assert rows["ffn.key"]["hot_channels"] == pytest.approx(0.5, abs=0.03)
    lines = call("trace", "stats", "x.trace").out.splitlines()
    assert len(lines) == 10
    assert lines[1].split() == [
        "site", "zeros", "%", "gini", "variance", "always", "%", "never", "%", "correlation", "hot"
    ]  # fmt: skip
    assert "with the head" in lines[-1]


def test_the_same_seed_writes_the_same_bytes(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call("trace", "synth", "opt-125m", "--tokens", 2, "-o", name).code == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "layers" in call("trace", "show", "a").out


def test_rwkv7_runs_and_compiles(call: Call, tmp_path: Path) -> None:
    (tmp_path / "seven.yaml").write_text(RWKV7, encoding="utf-8")
    done = call("run", "seven.yaml", "--set", "workload.tokens=2", *GROUPED, "--json")
    assert done.code == 0, done.err
    assert [v["label"] for v in json.loads(done.out)["variants"]] == ["dense", "sparsified"]
    compiled = call("compile", "seven.yaml", *SHORT[2:]).out
    assert "heads 2, hidden" in compiled  # a core for each head


def test_run_without_weights_says_so(call: Call, shape: Path) -> None:
    done = call("run", shape, *SHORT, "--out", "here", "--json")
    assert (done.code, done.err) == (0, "")
    summary = json.loads(done.out)
    assert [v["label"] for v in summary["variants"]] == ["dense", "natural", "sparsified"]
    energies = [v["energy_fj"] for v in summary["variants"]]
    assert energies[0] > energies[1] > energies[2] > 0
    assert summary["bits_per_byte"] == {}
    assert summary["warnings"] == [
        "small: no weights, events are drawn from densities (natural user, sparsified user); "
        "bits per byte are not measured"
    ]
    assert summary["workload"]["densities"]["natural"]["mark"] == "user"
    assert "Warning: small: no weights" in call("report", "here").out


def test_options_of_the_drawing_change_the_events_but_not_the_dense_run(
    call: Call, shape: Path
) -> None:
    plain = json.loads(call("run", shape, *SHORT, "--json").out)
    hot = ("--set", "workload.hot_channels=0.9", "--set", "workload.seed=3")
    other = json.loads(call("run", shape, *SHORT, *hot, "--json").out)
    same = [
        a["energy_fj"] == b["energy_fj"]
        for a, b in zip(plain["variants"], other["variants"], strict=True)
    ]
    assert same == [True, False, False]
    assert other["workload"]["drawn"]["hot_channels"] == 0.9


def test_a_recorded_trace_takes_the_place_of_drawn_masks(call: Call, shape: Path) -> None:
    assert call("trace", "synth", shape, "--tokens", 3, "--seed", 9, "-o", "real.trace").code == 0
    done = call("run", shape, "--trace", "real.trace", "--chip", "seneca-4x4", "--json")
    assert (done.code, done.err) == (0, "")
    summary = json.loads(done.out)
    assert [v["label"] for v in summary["variants"]] == ["dense", "sparsified"]
    assert summary["warnings"] == []
    done = call("run", "rwkv4-3b", "--trace", "real.trace")
    assert done.code == 2
    assert "real.trace: ffn is 128, but rwkv4-3b has 10240; give a trace that was" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trace", "synth", "rwkv4-3c", "-o", "x"), "no shape named 'rwkv4-3c'; did you mean"),
        (
            ("trace", "synth", "rwkv4-3b", "--variant", "dens", "-o", "x"),
            "shape rwkv4-3b: no densities for 'dens'; did you mean 'dense'?",
        ),
        (
            ("trace", "synth", "rwkv4-3b", "--token-correlation", "1", "-o", "x"),
            "token_correlation is 1.0; expected 0 <= token_correlation < 1",
        ),
        (("run", "rwkv4-3"), "workload 'rwkv4-3' is neither a file nor in the zoo; did you mean"),
        (
            ("run", "small.yaml", "--text", "small.yaml"),
            "small.yaml is a shape without weights: leave --text and --recipe out",
        ),
        (
            ("run", "small.yaml", "--set", "workload.hot_channels=2"),
            "--set workload.hot_channels=2: expected a number from 0 to 1",
        ),
        (("compile", "opt-350m"), "shape of opt-350m has embedding, as only OPT 350M does"),
        (("check", "rwkv4-3b"), "rwkv4-3b is a shape without weights, and this needs a model"),
        (("trace", "record", "rwkv4-3b", "-o", "x"), "rwkv4-3b is a shape without weights"),
    ],
)
def test_what_is_refused(
    call: Call, shape: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"seneca-sim: {message}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "x").exists()
