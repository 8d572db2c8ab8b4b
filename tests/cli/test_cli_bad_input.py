"""Bad input: one clear line, the right exit code, nothing half-written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tools import Call, tiny_weights

from seneca_sim.cli import main as main_module
from seneca_sim.errors import DeadlockError

SHORT = ("--set", "workload.tokens=2", "--set", "workload.context=3", "--chip", "seneca-4x4")


def _refused(call: Call, tmp_path: Path, *arguments: object, words: tuple[str, ...]) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = call(*arguments)
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err
    assert sorted(tmp_path.rglob("*")) == before


def _save(path: Path, change: Callable[[dict[str, "object"]], object]) -> Path:
    from safetensors.torch import save_file

    weights = tiny_weights()
    change(weights)  # type: ignore[arg-type]
    save_file(weights, path)
    return path


def test_missing_checkpoint(call: Call, tmp_path: Path) -> None:
    _refused(call, tmp_path, "run", "nothing.pth", words=("nothing.pth", "zoo"))


def test_truncated_checkpoint(call: Call, tmp_path: Path, tiny: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(tiny.read_bytes()[:5000])
    _refused(call, tmp_path, "run", cut, *SHORT, words=("cut.safetensors",))


def test_unknown_kind_of_model(call: Call, tmp_path: Path) -> None:
    other = tmp_path / "model.gguf"
    other.write_bytes(b"GGUF")
    _refused(call, tmp_path, "run", other, *SHORT, words=("model.gguf",))


def test_wrong_shape(call: Call, tmp_path: Path) -> None:
    def narrow(weights: dict[str, "object"]) -> None:
        weights["blocks.1.att.key.weight"] = weights["blocks.1.att.key.weight"][:8].clone()  # type: ignore[index]

    _refused(
        call, tmp_path, "run", _save(tmp_path / "m.safetensors", narrow), *SHORT,
        words=("blocks.1.att.key.weight",),
    )  # fmt: skip


def test_missing_and_extra_tensors(call: Call, tmp_path: Path) -> None:
    def drop(weights: dict[str, "object"]) -> None:
        weights["blocks.1.att.qey.weight"] = weights.pop("blocks.1.att.key.weight")

    _refused(
        call, tmp_path, "run", _save(tmp_path / "m.safetensors", drop), *SHORT,
        words=("blocks.1.att.key.weight", "blocks.1.att.qey.weight"),
    )  # fmt: skip


def test_nan_weights(call: Call, tmp_path: Path) -> None:
    def poison(weights: dict[str, "object"]) -> None:
        weights["head.weight"][3, 4] = float("nan")  # type: ignore[index]

    _refused(
        call, tmp_path, "run", _save(tmp_path / "m.safetensors", poison), *SHORT,
        words=("head.weight",),
    )  # fmt: skip


def test_empty_and_short_text(call: Call, tmp_path: Path, tiny: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"")
    _refused(call, tmp_path, "run", tiny, "--text", empty, words=("empty.txt", "empty"))
    empty.write_bytes(b"abc")
    _refused(call, tmp_path, "run", tiny, "--text", empty, words=("3 bytes", "80"))


def test_a_chip_too_small(call: Call, tmp_path: Path) -> None:
    words = ("blocks.0", "bits", "2,097,152", "smallest core count that fits is 43 at bf16")
    _refused(call, tmp_path, "run", "--chip", "seneca-4x4", words=words)


def test_bad_energies(call: Call, tmp_path: Path) -> None:
    setting = "energy.noc.flit_hop.noc"
    _refused(call, tmp_path, "run", "--set", f"{setting}=-1 pJ", words=("noc.flit_hop",))
    _refused(call, tmp_path, "run", "--set", f"{setting}=2", words=("unit",))
    table = tmp_path / "mine.yaml"
    table.write_text(
        "schema: seneca-energy/1\nextends: seneca-gf22\nname: mine\nops:\n"
        "  npe.add:\n    parts: {npe: -1 pJ}\n    mark: assumed\n    source: me\n"
    )
    _refused(call, tmp_path, "run", "--energy", table, words=("mine.yaml:6:",))


def test_unknown_keys_and_settings(call: Call, tmp_path: Path) -> None:
    chip = tmp_path / "chip.yaml"
    chip.write_text("schema: seneca-chip/1\nextends: seneca-8x8\ncore:\n  npe: 8\n")
    _refused(call, tmp_path, "run", "--chip", chip, words=("chip.yaml:4:3", "npe", "npes"))
    _refused(call, tmp_path, "run", "--set", "core.npe=8", words=("npes",))
    _refused(call, tmp_path, "run", "--set", "kore.npes=8", words=("core.npes",))
    _refused(call, tmp_path, "run", "--set", "workload.tokens=many", words=("whole number",))
    _refused(call, tmp_path, "run", "--set", "mode=fast", words=("generation", "pipelined"))


def test_a_trace_of_nothing_and_thresholds_of_another_model(
    call: Call, tmp_path: Path, tiny: Path
) -> None:
    fake = tmp_path / "t.safetensors"
    fake.write_bytes(b"12345678not a trace")
    _refused(call, tmp_path, "run", "--trace", fake, words=("t.safetensors",))
    from workloads import zoo
    from workloads.sparsity.recipe import write_recipe

    recipe = tmp_path / "r.yaml"
    write_recipe(zoo.recipe("rwkv4-byte-6x256-1.0005"), recipe)
    _refused(
        call, tmp_path, "run", tiny, "--recipe", recipe, *SHORT, words=("recipe is for model",)
    )


def test_commands_options_and_places(call: Call, tmp_path: Path, tiny: Path) -> None:
    _refused(call, tmp_path, "rnu", words=("did you mean 'run'",))
    _refused(call, tmp_path, "run", "--chips", "x", words=("--chips",))
    _refused(call, tmp_path, "report", "nowhere", words=("nowhere",))
    _refused(call, tmp_path, "compile", tiny, "-o", "no/such/p.json", words=("no/such/p.json",))
    file = tmp_path / "file"
    file.write_text("")
    _refused(call, tmp_path, "run", tiny, *SHORT, "--out", file, words=("is a file",))
    _refused(call, tmp_path, "sparsify", tiny, "-o", "no/r.yaml", words=("does not exist",))


def test_a_bug_is_one_line_and_exit_code_3(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(main_module.cli, "main", broken)
    done = call("run")
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "internal error at test_cli_bad_input.py:" in done.err


def test_a_finding_is_exit_code_1(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(*_: object, **__: object) -> None:
        raise DeadlockError("deadlock in cycle 7")

    monkeypatch.setattr(main_module.cli, "main", stuck)
    assert call("run") == (1, "", "seneca-sim: deadlock in cycle 7\n")


def test_a_gap_between_blocks(call: Call, tmp_path: Path) -> None:
    def far(weights: dict[str, "object"]) -> None:
        weights["blocks.99999999999.ln1.weight"] = weights["ln_out.weight"].clone()  # type: ignore[attr-defined]

    _refused(
        call, tmp_path, "run", _save(tmp_path / "m.safetensors", far), *SHORT,
        words=("block 99999999999", "no block 2"),
    )  # fmt: skip


def _hf_folder(path: Path, **config: object) -> Path:
    transformers = pytest.importorskip("transformers")
    model = transformers.RwkvForCausalLM(
        transformers.RwkvConfig(
            vocab_size=256, context_length=64, hidden_size=32, num_hidden_layers=2,
            attention_hidden_size=32, intermediate_size=64, rescale_every=0,
        )
    )  # fmt: skip
    model.save_pretrained(path)
    told = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(told | config))
    return path


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"layer_norm_epsilon": 1e-3}, ("layer_norm_epsilon is 0.001",)),
        ({"hidden_size": 64}, ("hidden_size is 64; the model has 32",)),
        ({"rescale_every": 1}, ("rescale_every is 1", "--rescaled undo or --rescaled keep")),
    ],
)
def test_a_folder_whose_config_says_something_else(
    call: Call, tmp_path: Path, text: Path, config: dict[str, object], words: tuple[str, ...]
) -> None:
    folder = _hf_folder(tmp_path / "hf", **config)
    _refused(call, tmp_path, "run", folder, "--text", text, *SHORT, words=words)
    if "rescale_every" in config:
        kept = call("run", folder, "--text", text, *SHORT, "--rescaled", "keep", "--no-accuracy")
        assert kept.code == 0, kept.err


def test_an_energy_beyond_reason(call: Call, tmp_path: Path) -> None:
    for value in ("1e30 J", "2 mJ"):
        setting = f"energy.npe.add.npe={value}"
        _refused(call, tmp_path, "run", "--set", setting, words=("npe.add.npe", "too large"))


def test_a_program_for_another_chip(call: Call, tmp_path: Path, tiny: Path) -> None:
    assert call("compile", tiny, "-o", "p.json").code == 0
    words = ("placed on 64 cores, but chip seneca-4x4 has 16",)
    _refused(call, tmp_path, "check", "--program", "p.json", "--chip", "seneca-4x4", words=words)


def test_a_damaged_summary(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    for damage in ('"variants": []', '"variants": [1]'):
        (tmp_path / "r" / "summary.json").write_text(f'{{"schema": "seneca-summary/1", {damage}}}')
        _refused(call, tmp_path, "report", "r", words=("summary.json", "damaged"))


@pytest.mark.parametrize("command", [["record"], ["synth", "rwkv4-169m"]])
def test_a_trace_that_cannot_be_written_is_refused_before_anything_runs(
    call: Call, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something ran")

    monkeypatch.setattr("workloads.job.load.load", never)
    monkeypatch.setattr("workloads.job.drawn.draw_variant", never)
    there, gone = tmp_path / "there", tmp_path / "gone" / "x.trace"
    there.mkdir()
    for place, words in ((there, ("is a folder",)), (gone, ("does not exist",))):
        _refused(call, tmp_path, "trace", *command, "-o", place, words=(str(place), *words))


def test_a_matrix_in_too_many_tiles_is_one_short_line(call: Call, tmp_path: Path) -> None:
    done = call("compile", "rwkv4-169m", "--set", "mapping.tiles.att.key=1000", "--json")
    assert done.code == 2
    assert "768 columns of blocks.0.att.key cannot be cut into 1,000 tiles" in done.err
    assert len(done.err) < 200
