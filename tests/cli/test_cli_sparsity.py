"""sparsify, evaluate and curve from end to end on a tiny model, and what they refuse."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from cli_tools import Call, tiny_weights

from workloads.sparsity.recipe import read_recipe

CALIBRATE = ("--bytes", 257, "--window", 64)


@pytest.fixture
def model(tmp_path: Path, tiny: Path) -> Path:
    return Path(shutil.copy(tiny, tmp_path / "tiny.safetensors"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_is_taken_up_by_the_same_command(
    call: Call, model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("sparsify", model, "--text", text, *CALIBRATE, "--loss-inc", 1.05)
    assert call(*arguments, "-o", "whole.yaml").code == 0
    from workloads.sparsity.search import Search

    inner = Search.settle

    def stopping(self: Search, site: object) -> object:
        if len(self.chosen) == 5:
            raise KeyboardInterrupt
        return inner(self, site)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Search, "settle", stopping)
        assert call(*arguments, "-o", "r.yaml").code == 130
    assert not (tmp_path / "r.yaml").exists()
    assert (tmp_path / "r.yaml.journal").exists()
    done = call(*arguments, "-o", "r.yaml", "--json")
    assert done.code == 0, done.err
    assert not (tmp_path / "r.yaml.journal").exists()
    whole, again = read_recipe(tmp_path / "whole.yaml"), read_recipe(tmp_path / "r.yaml")
    assert again.sites == whole.sites
    assert json.loads(done.out)["evaluations"] == whole.evaluations


@pytest.mark.parametrize("method", ["topk", "uniform", "greedy"])
def test_other_methods_write_recipes(
    call: Call, model: Path, text: Path, tmp_path: Path, method: str
) -> None:
    target = () if method == "topk" else ("--target", 0.4)
    done = call("sparsify", model, "--text", text, *CALIBRATE, "--method", method, *target,
                "-o", "r.yaml", "--csv", "r.csv", "--plot", "r.svg", "--json")  # fmt: skip
    assert done.code == 0, done.err
    recipe = read_recipe(tmp_path / "r.yaml")
    assert recipe.method == json.loads(done.out)["method"] == method
    table = rows(tmp_path / "r.csv")
    assert [row["site"] for row in table] == list(recipe.sites)
    assert [float(row["threshold"]) for row in table] == list(recipe.thresholds.values())
    assert "<svg" in (tmp_path / "r.svg").read_text()


def test_evaluate_and_curve(call: Call, model: Path, text: Path, tmp_path: Path) -> None:
    for loss_inc in (1.01, 1.2):
        call("sparsify", model, "--text", text, *CALIBRATE, "--loss-inc", loss_inc,
             "-o", f"{loss_inc}.yaml")  # fmt: skip
    (tmp_path / "mine.jsonl").write_text(
        '{"query": "ab", "choices": ["c", "d"], "gold": 0}\n' * 3 + '{"query": "a", "choices": '
        '["b", "cc"], "gold": 1}'
    )
    shared = ("--text", text, "--bytes", 200, "--task", "mine.jsonl", "--items", 3)
    done = call("evaluate", model, *shared, "--recipe", "1.2.yaml", "--csv", "e.csv",
                "--plot", "e.png", "--json")  # fmt: skip
    assert done.code == 0, done.err
    natural, sparse = json.loads(done.out)["variants"]
    assert (natural["variant"], sparse["variant"]) == ("natural", "sparsified")
    assert natural["mine_accuracy"] in (0.0, 1.0)  # the same item three times
    assert sparse["sparsity"] > natural["sparsity"]
    assert natural["perplexity"] == pytest.approx(2 ** natural["bits_per_byte"])
    again = call("evaluate", model, *shared, "--recipe", "1.2.yaml")
    assert "accuracy %" in again.out
    assert f"{natural['bits_per_byte']:.4f}" in again.out
    curve = call("curve", model, *shared, "--recipe", "1.01.yaml", "--recipe", "1.2.yaml",
                 "--chip", "seneca-4x4", "--set", "workload.tokens=2",
                 "--set", "workload.context=3", "--csv", "c.csv", "--plot", "c.svg",
                 "--json")  # fmt: skip
    assert curve.code == 0, curve.err
    points = json.loads(curve.out)["points"]
    assert [p["variant"] for p in points] == ["natural", "1.01", "1.2"]
    assert points[2]["nats_per_token"] == sparse["nats_per_token"]
    assert points[0]["sparsity"] < points[2]["sparsity"]
    assert all(p["energy_uj_per_token"] > 0 for p in points)
    assert [float(row["sparsity"]) for row in rows(tmp_path / "c.csv")] == [
        p["sparsity"] for p in points
    ]
    assert (tmp_path / "e.png").stat().st_size > 1000


def test_the_curve_searches_and_finds_its_recipes_again(
    call: Call, model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("curve", model, "--loss-inc", 1.1, "--calibration-bytes", 257, "--text", text,
                 "--bytes", 65, "--json")  # fmt: skip
    first = call(*arguments)
    assert first.code == 0, first.err
    assert (tmp_path / "tiny.safetensors-1.1.yaml").exists()
    from workloads.sparsity.search import Search

    monkeypatch.delattr(Search, "run")  # no second search
    assert call(*arguments).out == first.out
    refused = call("curve", model, "--loss-inc", 1.1, "--calibration-bytes", 200, "--text", text)
    assert refused.code == 2
    assert "is a recipe of another model, text or budget" in refused.err


def test_the_shipped_model_knows_its_recipe(call: Call) -> None:
    done = call("evaluate", "--bytes", 257, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert [v["variant"] for v in report["variants"]] == ["natural", "sparsified"]
    assert report["variants"][0]["bits_per_byte"] < 3


def test_on_chip_bits_stand_beside_those_of_torch(call: Call, model: Path, text: Path) -> None:
    done = call("evaluate", model, "--text", text, "--bytes", 33, "--precision", "bf16", "--json")
    assert done.code == 0, done.err
    (natural,) = json.loads(done.out)["variants"]
    assert natural["on_chip_bf16"] == pytest.approx(natural["bits_per_byte"], rel=0.05)


def refused(call: Call, *arguments: object) -> str:
    done = call(*arguments)
    assert done.code == 2, done
    assert done.err.count("\n") == 1, done.err
    return done.err


def test_what_sparsify_refuses(call: Call, model: Path, text: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    for arguments, word in (
        (("--text", "empty.txt"), "empty.txt: the text is empty"),
        (("--method", "uniform"), "--method uniform: needs --target"),
        (("--target", 0.4), "--method sequential: takes --loss-inc, not --target"),
        (("--plot", "x.gif"), "x.gif: unknown kind of picture"),
        (("--csv", "no/x.csv"), "the folder no does not exist"),
    ):
        assert word in refused(call, "sparsify", model, *arguments, "-o", "r.yaml")
    assert sorted(tmp_path.rglob("*")) == before
    assert "method" in refused(call, "sparsify", model, "--method", "teal", "-o", "r.yaml")


def test_thresholds_of_another_model(call: Call, model: Path, text: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    call("sparsify", model, "--text", text, *CALIBRATE, "--method", "uniform", "--target", 0.3,
         "-o", "r.yaml")  # fmt: skip
    other = tmp_path / "other.safetensors"
    save_file(tiny_weights(seed=1), other)
    for command in ("evaluate", "curve"):
        err = refused(call, command, other, "--recipe", "r.yaml", "--text", text)
        assert "recipe is for model" in err


def test_a_checkpoint_with_code(call: Call, tmp_path: Path) -> None:
    torch.save({"emb.weight": Path("x")}, tmp_path / "evil.pth")
    for command in (("sparsify", "-o", "r.yaml"), ("evaluate",), ("curve",)):
        err = refused(call, command[0], tmp_path / "evil.pth", *command[1:])
        assert "holds more than plain tensors, which is refused" in err


def test_broken_weights_leave_the_journal(call: Call, tmp_path: Path) -> None:
    """A NaN that only the sums see: weights are finite, activations are not."""
    from safetensors.torch import save_file

    weights = tiny_weights()
    weights["blocks.1.ffn.key.weight"] *= 1e30
    save_file(weights, tmp_path / "m.safetensors")
    err = refused(call, "sparsify", "m.safetensors", *CALIBRATE, "-o", "r.yaml")
    assert "blocks.1.ffn.val: NaN or infinity among the activations; check the weights" in err
    assert not (tmp_path / "r.yaml").exists()


def test_tasks_and_chips_that_do_not_fit(call: Call, model: Path, text: Path) -> None:
    assert "neither a file nor one that ships" in refused(call, "evaluate", model, "--task", "x")
    missing = refused(call, "curve", "smollm2x")
    assert "neither a file nor in the zoo" in missing
