"""OPT and RWKV-7 checkpoints through the command line, with events that were recorded."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_tools import Call
from small_models import OPT, RWKV7, save, small_opt, small_rwkv7

from seneca_sim.cli.main import main
from workloads.models import content_hash
from workloads.models.load import Loaded
from workloads.sparsity.recipe import Recipe, SiteChoice, write_recipe

CONTEXT, TOKENS = 3, 2
SHORT = ("--set", f"workload.tokens={TOKENS}", "--set", f"workload.context={CONTEXT}")
GROUPED = (*SHORT, "--set", "mapping.strategy=grouped")  # `auto` looks at more and takes longer
CACHE = ("--set", "mapping.context=16")
OPTIONS: Mapping[str, tuple[str, ...]] = {"opt": (*GROUPED, *CACHE), "rwkv7": GROUPED}
families = pytest.mark.parametrize("family", OPTIONS)


@pytest.fixture(scope="module")
def models() -> dict[str, Loaded]:
    return {"opt": small_opt(), "rwkv7": small_rwkv7()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Any]) -> Path:
    """Checkpoints, and a recipe for each."""
    folder = tmp_path_factory.mktemp("families")
    for family, model in models.items():
        save(model, folder / f"{family}.safetensors")
        sites = {name: SiteChoice(0.4, 0.5) for name in model.site_names}
        mark = content_hash(model.weights)
        recipe = Recipe(mark, "by hand", "sequential", 1.01, (0.5,), "0", 2, 2, 1, 1, 0, 0, sites)
        write_recipe(recipe, folder / f"{family}.yaml")
    return folder


@pytest.fixture(scope="module")
def runs(kept: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a family's three variants, made once."""
    folder = tmp_path_factory.mktemp("runs")

    def made(family: str) -> Path:
        out = folder / family
        if not out.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SENECA_SIM_CACHE", str(folder / "cache"))
                words = ["run", kept / f"{family}.safetensors", "--text", text, *OPTIONS[family]]
                words += [
                    "--recipe",
                    kept / f"{family}.yaml",
                    "--out",
                    out,
                    "--engine",
                    "reference",
                ]
                assert main([str(word) for word in words]) == 0
        return out

    return made


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


def events_of(model: Loaded, text: Path, threshold: float) -> dict[str, int]:
    """Events by site over the simulated tokens, by a tap of the test's own."""
    seen: dict[str, int] = {}

    def tap(name: str, x: torch.Tensor) -> torch.Tensor:
        y = x * (x.abs() > threshold) if name in model.site_names else x
        seen[name] = int(y[0, CONTEXT:].count_nonzero())
        return y

    data = list(text.read_bytes()[: CONTEXT + TOKENS])
    model.sequence(torch.tensor([data]), tap=tap)
    return seen


def macs_of(family: str, model: Loaded, events: Mapping[str, int]) -> float:
    """MACs a token in the blocks, by the numbers of the shape."""
    if family == "opt":
        rows = {"self_attn.qkv": 3 * OPT.width, "fc1": OPT.ffn, "fc2": OPT.width}
    else:
        rows = dict.fromkeys(("att.rec", "att.key", "att.val", "att.out", "ffn.val"), RWKV7.width)
        rows |= {"ffn.key": RWKV7.ffn, "att.decay": 8, "att.rate": 5, "att.gate": 12}
    total = 0
    for name, many in events.items():
        kind = name.split(".", 2)[-1]
        mixed = 4 if kind == "att.val" and not name.startswith("blocks.0") else 0
        total += many * (rows[kind] + mixed) if kind in rows else 0
    if family == "opt":
        dense = OPT.layers * OPT.width**2  # the output projections
    else:  # the second factors of the low-rank maps
        dense = RWKV7.width * (RWKV7.layers * (8 + 5 + 12) + (RWKV7.layers - 1) * 4)
    return total / TOKENS + dense


@families
def test_three_variants_whose_macs_are_torchs(
    runs: Callable[[str], Path], text: Path, models: dict[str, Loaded], family: str
) -> None:
    summary = summary_of(runs(family))
    assert [v["label"] for v in summary["variants"]] == ["dense", "natural", "sparsified"]
    dense, natural, sparse = summary["variants"]
    assert dense["energy_fj"] > natural["energy_fj"] > sparse["energy_fj"] > 0
    for variant, threshold in ((natural, 0.0), (sparse, 0.4)):
        wanted = macs_of(family, models[family], events_of(models[family], text, threshold))
        assert variant["macs_per_token"] == wanted
    bits = summary["bits_per_byte"]
    assert bits["dense"] == bits["natural"] != bits["sparsified"]
    assert dense["mapping"].get("context") == ("16" if family == "opt" else None)


def test_the_report_names_the_cache_and_the_sites(call: Call, runs: Callable[[str], Path]) -> None:
    lines = call("report", runs("opt")).out.splitlines()
    assert "2 tokens, one after another, cache of 16" in " ".join(lines[:6])
    assert any(line.split()[-3:] == ["self_attn.qkv", "fc1", "fc2"] for line in lines)
    lines = call("report", runs("rwkv7")).out.splitlines()
    assert "cache" not in " ".join(lines[:6])
    assert any("att.decay" in line for line in lines)


@families
def test_a_replay_by_the_other_engine_gives_the_same(
    call: Call, kept: Path, text: Path, runs: Callable[[str], Path], family: str
) -> None:
    """A trace needs no checkpoint: it says family, shape and how far its first token is."""
    record = ("--text", text, *SHORT, "--no-values", "-o", "t.safetensors")
    assert call("trace", "record", kept / f"{family}.safetensors", *record).code == 0
    options = OPTIONS[family][:2] + OPTIONS[family][4:]  # all but the context, which is past
    done = call("run", "--trace", "t.safetensors", *options, "--engine", "compiled",
                "--json")  # fmt: skip
    assert done.code == 0, done.err

    def told(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
        other = ("engine", "inputs", "run_id", "activity_id")
        return [{k: v for k, v in one.items() if k not in other} for one in variants]

    mine, theirs = summary_of(runs(family))["variants"], json.loads(done.out)["variants"]
    assert {one["engine"] for one in mine}.isdisjoint(one["engine"] for one in theirs)
    assert told(theirs) == told(mine[:2])


def test_a_run_folder_keeps_all_that_a_timeline_needs(
    call: Call, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    """The checkpoint is not asked for: the folder was moved away from it."""
    pytest.importorskip("perfetto")
    shutil.copytree(runs("opt"), tmp_path / "moved")
    resolved = tmp_path / "moved" / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("opt.safetensors", "gone.safetensors"))
    done = call("timeline", "moved", "--tokens", 0, "-o", "t.pftrace", "--no-network", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    cycles = {v["label"]: v["cycles"] for v in summary_of(runs("opt"))["variants"]}
    assert cycles[found["label"]] == found["cycles"]


@pytest.mark.nightly
@families
def test_a_study_gives_what_run_prints(
    call: Call, kept: Path, text: Path, runs: Callable[[str], Path], family: str
) -> None:
    pairs = [word.replace("=", ": ") for word in OPTIONS[family] if "=" in word]
    Path("study.yaml").write_text(
        "schema: seneca-study/1\nname: families\n"
        f"workload: {{model: {kept / family}.safetensors, text: {text}}}\n"
        f"settings: {{{', '.join(pairs)}, sparsity.recipe: {kept / family}.yaml}}\n"
        "axes: {grid: {workload.variant: [natural, sparsified]}}\nreport: [energy_per_token_j]\n",
        encoding="utf-8",
    )
    assert call("sweep", "study.yaml", "--jobs", 1, "--json").code == 0
    rows = json.loads(call("sweep", "table", "study.yaml", "--json").out)["rows"]
    wanted = {v["label"]: v["energy_fj"] for v in summary_of(runs(family))["variants"][1:]}
    assert {row["workload.variant"]: row["energy_fj"] for row in rows} == wanted


@pytest.mark.nightly
def test_a_golden_of_the_smallest_chip_holds(call: Call, kept: Path, text: Path) -> None:
    fit = ("--set", "mapping.fit=smallest")
    words = (kept / "opt.safetensors", "--text", text, *OPTIONS["opt"], *fit)
    for more in ((), ("--live",)):
        file = f"g{len(more)}.json"
        done = call("golden", "record", *words, *more, "-o", file)
        assert done.code == 0, done.err
        assert call("golden", "check", file).code == 0


@pytest.mark.parametrize("family", ["opt", pytest.param("rwkv7", marks=pytest.mark.nightly)])
def test_values_of_sequences_side_by_side_are_torchs(
    call: Call, kept: Path, text: Path, family: str
) -> None:
    words = (kept / f"{family}.safetensors", "--text", text, *OPTIONS[family])
    done = call("check", *words, "--set", "mapping.batch=2", "--json")
    assert done.code == 0, done
    (found,) = json.loads(done.out)["values"]
    assert found["passed"]
    sites = {"opt": 4 * OPT.layers, "rwkv7": 9 * RWKV7.layers}[family]
    assert found["vectors"] == 2 * (CONTEXT + TOKENS) * (sites + 3)  # emb, head and logits


BAD = {
    "cache": (
        ("run", "opt", *GROUPED, "--set", "mapping.context=8", "--set", "workload.context=7"),
        "its tokens reach to 9 of their sequence, but the cache has room for 8 (mapping.context)",
    ),
    "positions": (
        ("trace", "record", "opt", "--set", "workload.context=63", "-o", "t"),
        "model: 63 tokens of context and 16 to record are more than its 64 positions; lower",
    ),
    "no cache": (
        ("compile", "rwkv7", "--set", "mapping.context=64"),
        "mapping.context is about a cache of keys and values, and rwkv7.safetensors, of family",
    ),
    "no recurrence": (
        ("compile", "opt", *CACHE, "--set", "mapping.state_words=1"),
        "mapping.state_words is about the sums of RWKV-4's recurrence, and opt.safetensors",
    ),
    "halved": (
        ("run", "opt", *SHORT, "--rescaled", "undo"),
        "halved weights are a matter of RWKV-4, and this is opt; leave undo_rescale (--rescaled)",
    ),
    "recipe": (
        ("run", "rwkv7", *SHORT, "--recipe", "opt.yaml"),
        "thresholds of one model mean nothing in another: search again",
    ),
    "curve": (
        ("curve", "opt", "--chip", "seneca-4x4", *OPTIONS["opt"], "--set", "columns=2"),
        "opt.safetensors does not fit chip seneca-4x4 (8 cores) at bf16",
    ),
    "curve's tokens": (
        (
            "curve",
            "opt",
            "--chip",
            "seneca-8x8",
            *SHORT,
            "--set",
            "mapping.context=64",
            "--set",
            "workload.context=63",
        ),
        "model: 63 tokens of context and 2 to record are more than its 64 positions; lower",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_go_together_is_told_in_one_line(call: Call, kept: Path, case: str) -> None:
    words, said = BAD[case]
    names = {"opt": kept / "opt.safetensors", "rwkv7": kept / "rwkv7.safetensors"}
    done = call(*(names.get(w, kept / w if w.endswith(".yaml") else w) for w in words))
    assert done.code == 2, done
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.nightly
@families
def test_a_curve_has_their_energy(call: Call, kept: Path, text: Path, family: str) -> None:
    words = (kept / f"{family}.safetensors", "--recipe", kept / f"{family}.yaml", "--text", text)
    chip = ("--chip", "seneca-8x8", *OPTIONS[family])
    done = call("curve", *words, "--bytes", 200, *chip, "--json")
    assert done.code == 0, done.err
    points = json.loads(done.out)["points"]
    energies = [point["energy_uj_per_token"] for point in points]
    assert energies[0] > energies[1] > 0


@pytest.mark.nightly
def test_the_shipped_opt_has_its_recipe_and_takes_67_cores(call: Call) -> None:
    short = ("--set", "workload.tokens=1", "--no-accuracy", "--json")
    done = call("run", "opt-byte-6x256", *short)
    assert done.code == 2
    assert "the smallest core count that fits is 67 at bf16, 67 at int8, 55 at int4" in done.err
    done = call("run", "opt-byte-6x256", *short, "--set", "mapping.fit=smallest")
    assert done.code == 0, done.err
    variants = json.loads(done.out)["variants"]
    assert [v["label"] for v in variants] == ["dense", "natural", "sparsified"]
    assert variants[0]["chip"]["cores"] == 72
    assert variants[0]["macs_per_token"] == 6 * (3 * 256**2 + 2 * 256 * 1024)
