"""The other commands: check, compile, trace, sparsify."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

from seneca_sim.program.file import program_text, read_program

SHORT = ("--set", "workload.tokens=2", "--set", "workload.context=3")


def test_check_compares_every_site_of_the_model(call: Call, tiny: Path, text: Path) -> None:
    done = call("check", tiny, "--text", text, *SHORT, "--chip", "seneca-4x4", "--json")
    assert done.code == 0, done
    report = json.loads(done.out)
    # emb, 2 x 7 sites, head and logits, for two tokens
    assert report["passed"]
    assert report["values"][0]["vectors"] == 2 * (1 + 14 + 2)
    assert report["values"][0]["worst_error"] <= 1e-5


@pytest.mark.nightly
def test_check_of_an_opt_compares_every_site(call: Call, text: Path) -> None:
    """The shipped one at INT8, natural and with its thresholds."""
    done = call("check", "opt-byte-6x256", "--text", text, "--json", "--set", "workload.tokens=1",
                "--set", "workload.context=1", "--set", "mapping.fit=smallest", "--set",
                "mapping.context=8", "--set", "weights.bits=int8")  # fmt: skip
    assert done.code == 0, done
    values = json.loads(done.out)["values"]
    assert [v["variant"] for v in values] == ["natural", "sparsified"]
    # qkv, out, fc1 and fc2 of six layers, emb, head and logits, for the token and the one before
    assert values[0]["vectors"] == 2 * (6 * 4 + 3)
    assert max(v["worst_error"] for v in values) <= 1e-5


def test_check_of_files_needs_no_model(call: Call) -> None:
    done = call("check", "--files-only")
    assert done.code == 0
    assert "64 cores" in done.out


def test_a_compiled_program_reads_back_and_checks(call: Call, tiny: Path, tmp_path: Path) -> None:
    done = call("compile", tiny, "--chip", "seneca-4x4", "-o", "p.json", "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    program = read_program(tmp_path / "p.json")
    assert program_text(program) == (tmp_path / "p.json").read_text()
    assert len(program.stages) == summary["stages"]
    assert call("check", "--program", "p.json", "--chip", "seneca-4x4").code == 0
    wrong = call("check", "--program", "p.json", "--chip", "seneca-4x4", "--set",
                 "core.data_memory_bits=1 Kib")  # fmt: skip
    assert wrong.code == 2
    assert "bits of data memory" in wrong.err


def test_a_broken_program_file_is_refused_with_its_place(
    call: Call, tiny: Path, tmp_path: Path
) -> None:
    call("compile", tiny, "--chip", "seneca-4x4", "-o", "p.json")
    path = tmp_path / "p.json"
    good = path.read_text()
    for bad, words in (
        (good[:-9], "not JSON"),
        (good.replace('"schema":"seneca-program/1"', '"schema":"other/1"'), "schema"),
        (good.replace('"width":', '"widht":', 1), "sites.0"),
        (good.replace('"source":16', '"source":"16"', 1), "source"),
    ):
        path.write_text(bad)
        done = call("check", "--program", "p.json", "--chip", "seneca-4x4")
        assert (done.code, words in done.err) == (2, True), done


def test_traces_are_recorded_and_shown(call: Call, tiny: Path, text: Path) -> None:
    done = call("trace", "record", tiny, "--text", text, *SHORT, "-o", "t.safetensors")
    assert done.code == 0, done.err
    facts = json.loads(call("trace", "show", "t.safetensors", "--json").out)
    assert facts["tokens"] == 2
    assert facts["variant"] == "natural"
    assert 0 < facts["average_sparsity"] < 1
    assert "ffn.val" in call("trace", "show", "t.safetensors").out


def test_sparsify_writes_a_recipe_that_names_its_command(
    call: Call, tiny: Path, text: Path, tmp_path: Path
) -> None:
    from workloads.sparsity.recipe import read_recipe

    arguments = ("sparsify", tiny, "--text", text, "--bytes", 1025, "--loss-inc", 1.05)
    done = call(*arguments, "-o", "r.yaml", "--json")
    assert done.code == 0, done.err
    recipe = read_recipe(tmp_path / "r.yaml")
    assert json.loads(done.out)["sparsity"] == recipe.sparsity > recipe.natural_sparsity
    assert recipe.command.startswith("seneca-sim ")
