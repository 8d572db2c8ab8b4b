"""Checkpoint files: every kind gives the same weights, every fault one line that names it."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models import content_hash, load_model, load_weights
from workloads.models.layout import blinkdl_name

Weights = dict[str, Tensor]

HF_NAMES = {
    "rwkv.embeddings.weight": "emb.weight",
    "rwkv.ln_out.bias": "ln_out.bias",
    "head.weight": "head.weight",
    "rwkv.blocks.0.pre_ln.weight": "blocks.0.ln0.weight",
    "rwkv.blocks.3.ln1.bias": "blocks.3.ln1.bias",
    "rwkv.blocks.3.attention.time_decay": "blocks.3.att.time_decay",
    "rwkv.blocks.3.attention.time_first": "blocks.3.att.time_first",
    "rwkv.blocks.3.attention.time_mix_key": "blocks.3.att.time_mix_k",
    "rwkv.blocks.3.attention.time_mix_value": "blocks.3.att.time_mix_v",
    "rwkv.blocks.3.attention.time_mix_receptance": "blocks.3.att.time_mix_r",
    "rwkv.blocks.3.attention.receptance.weight": "blocks.3.att.receptance.weight",
    "rwkv.blocks.3.attention.output.weight": "blocks.3.att.output.weight",
    "rwkv.blocks.12.feed_forward.time_mix_key": "blocks.12.ffn.time_mix_k",
    "rwkv.blocks.12.feed_forward.value.weight": "blocks.12.ffn.value.weight",
}


def to_hf(weights: Weights) -> Weights:
    words = [(".att.", ".attention."), (".ffn.", ".feed_forward."), (".ln0.", ".pre_ln.")]
    words += [("mix_k", "mix_key"), ("mix_v", "mix_value"), ("mix_r", "mix_receptance")]
    words += [("emb.", "embeddings.")]
    out: Weights = {}
    for name, tensor in weights.items():
        for ours, theirs in words:
            name = name.replace(ours, theirs)
        out[name if name == "head.weight" else f"rwkv.{name}"] = tensor
    return out


def save_folder(folder: Path, weights: Weights, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "rwkv", **config}))
    save_file(to_hf(weights), folder / "model.safetensors")
    return folder


def save_pth(path: Path, weights: Weights) -> Path:
    boxed = {n: t[None, None] if ".time_mix_" in n else t for n, t in weights.items()}
    torch.save(boxed, path)
    return path


@pytest.mark.parametrize(("theirs", "ours"), HF_NAMES.items())
def test_names_of_transformers(theirs: str, ours: str) -> None:
    assert blinkdl_name(theirs) == ours
    assert blinkdl_name(ours) == ours


def test_every_kind_of_file_gives_the_same_model(tmp_path: Path, small_weights: Weights) -> None:
    half = len(small_weights) // 2
    save_file(small_weights, tmp_path / "a.safetensors")
    save_file(to_hf(small_weights), tmp_path / "hf.safetensors")
    save_pth(tmp_path / "a.pth", small_weights)
    torch.save(small_weights, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    folder = save_folder(tmp_path / "whole", small_weights)
    (shards := tmp_path / "shards").mkdir()
    (shards / "config.json").write_text('{"model_type": "rwkv"}')
    named = list(to_hf(small_weights).items())
    torch.save(dict(named[:half]), shards / "one.bin")
    torch.save(dict(named[half:]), shards / "two.bin")
    index = {name: "one.bin" if i < half else "two.bin" for i, (name, _) in enumerate(named)}
    (shards / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    files = [tmp_path / n for n in ("a.safetensors", "hf.safetensors", "a.pth", "old.pt")]
    hashes = {content_hash(load_weights(path)) for path in [*files, folder, shards]}
    assert hashes == {content_hash(small_weights)}


def test_shape_is_inferred(tmp_path: Path, small_weights: Weights) -> None:
    model = load_model(save_pth(tmp_path / "a.pth", small_weights))
    assert (model.shape.layers, model.shape.width, model.shape.ffn, model.shape.vocab) == (
        2,
        8,
        20,
        256,
    )


def without(weights: Weights, *names: str) -> Weights:
    return {name: tensor for name, tensor in weights.items() if name not in names}


def with_nan(weights: Weights, name: str) -> Weights:
    tensor = weights[name].clone()
    tensor.view(-1)[1] = float("nan")
    return {**weights, name: tensor}


FAULTS: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "missing": (
        lambda w: without(w, "blocks.1.ln2.bias"),
        "missing tensor 'blocks.1.ln2.bias'",
    ),
    "many missing": (
        lambda w: without(w, *[n for n in w if ".att.key" in n or "ln1" in n]),
        "missing tensors 'blocks.0.att.key.weight', 'blocks.0.ln1.bias', 'blocks.0.ln1.weight'"
        " and 3 more",
    ),
    "extra": (lambda w: {**w, "extra": torch.zeros(1)}, "unknown tensor 'extra'"),
    "misspelt": (
        lambda w: {**without(w, "ln_out.bias"), "ln_out.biass": w["ln_out.bias"]},
        "missing tensor 'ln_out.bias'; is 'ln_out.biass' meant?",
    ),
    "shape": (
        lambda w: {**w, "blocks.1.att.time_first": torch.zeros(7)},
        "'blocks.1.att.time_first' has shape (7,), expected (8,)",
    ),
    "nan": (
        lambda w: with_nan(w, "blocks.0.ffn.value.weight"),
        "'blocks.0.ffn.value.weight' holds NaN or infinity (1 of 160)",
    ),
    "integers": (
        lambda w: {**w, "ln_out.bias": torch.zeros(8, dtype=torch.int32)},
        "'ln_out.bias' holds torch.int32, expected floating-point numbers",
    ),
    "no embedding": (
        lambda w: without(w, "emb.weight"),
        "no tensor 'emb.weight', so this is not an RWKV-4 checkpoint",
    ),
    "vector embedding": (
        lambda w: {**w, "emb.weight": torch.zeros(4)},
        "'emb.weight' has shape (4,), expected a matrix",
    ),
    "rwkv-5": (
        lambda w: {**w, "blocks.0.att.ln_x.weight": torch.zeros(8)},
        "'blocks.0.att.ln_x.weight' belongs to RWKV-5 or 6; RWKV-4, RWKV-7 and OPT can be read",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unsound_weights_are_refused(tmp_path: Path, small_weights: Weights, fault: str) -> None:
    change, message = FAULTS[fault]
    path = tmp_path / "bad.safetensors"
    save_file(change(small_weights), path)
    assert refusal(path) == f"{path}: {message}"


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_file_and_unknown_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    assert refusal(path) == f"{path}: no such file or folder"
    path = tmp_path / "a.gguf"
    path.touch()
    assert refusal(path) == (
        f"{path}: unknown kind of file '.gguf'; "
        "expected .pth, .pt, .bin, .safetensors or a Hugging Face folder"
    )


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, small_weights: Weights, name: str, keep: float) -> None:
    path = tmp_path / name
    (save_pth if name == "a.pth" else lambda p, w: save_file(w, p))(path, small_weights)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    assert refusal(path).startswith(f"{path}: damaged")


def test_pickles_that_run_code_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Path.cwd))
    assert "is refused" in refusal(path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}])
def test_a_pth_must_hold_named_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    assert refusal(tmp_path / "a.pth").endswith("as state_dict() gives")


def test_faulty_folders(tmp_path: Path, small_weights: Weights) -> None:
    assert "without config.json" in refusal(tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{")
    assert refusal(tmp_path).startswith(f"{config}: not JSON")
    config.write_text("[]")
    assert refusal(tmp_path) == f"{config}: expected a JSON object"
    config.write_text('{"model_type": "opt"}')
    assert refusal(tmp_path) == f"{config}: model_type is 'opt', expected 'rwkv'"
    config.write_text('{"model_type": "rwkv"}')
    assert "no weights" in refusal(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text("{}")
    assert refusal(tmp_path).startswith(f"{index}: no 'weight_map'")
    index.write_text('{"weight_map": {"a": "../../etc/one.safetensors"}}')
    assert refusal(tmp_path) == f"{index}: shard 'one.safetensors' is missing"
