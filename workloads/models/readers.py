"""Read RWKV-4 checkpoints: BlinkDL ``.pth``, ``.safetensors`` and Hugging Face folders.

Whatever the kind of file, the result is one mapping with BlinkDL's names and vectors of shape
(D,), checked against the shape that the tensors themselves imply.
"""

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json
from workloads.models.layout import blinkdl_name, check_weights, infer_shape
from workloads.models.rwkv4 import LN_EPS, Rwkv4

_HF_FILES = ("model.safetensors", "pytorch_model.bin")


class RescaleWarning(UserWarning):
    """A folder saved by transformers may hold weights that its own inference has halved."""


def load_model(path: str | Path, *, undo_rescale: bool | None = None) -> Rwkv4:
    """Read a checkpoint and make the model.

    Args:
        path: a ``.pth``, ``.pt``, ``.bin`` or ``.safetensors`` file, or a Hugging Face folder.
        undo_rescale: see `load_weights`.

    Raises:
        InputError: the file cannot be read or does not hold a sound RWKV-4.
    """
    weights = load_weights(path, undo_rescale=undo_rescale)
    return Rwkv4(infer_shape(weights, str(path)), weights)


def load_weights(path: str | Path, *, undo_rescale: bool | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint under BlinkDL's names, in their own precision.

    Matrices are [outputs, inputs], all else is flat, [channels].

    transformers halves two matrices of a block again and again as blocks get deeper, in place,
    when a model is first evaluated, and saves them so. Its file does not say whether that has
    happened: `undo_rescale` True doubles them back, False takes them as they are, None takes
    them as they are and warns when the folder's ``rescale_every`` makes a difference.

    Raises:
        InputError: no such file, an unknown kind, a damaged file, tensors missing, unknown, of
            the wrong shape or not finite.
    """
    path = Path(path)
    raw = read_tensors(path)
    weights = {blinkdl_name(name): _flat(tensor) for name, tensor in raw.items()}
    check_weights(weights, infer_shape(weights, str(path)), str(path))
    if not path.is_dir():
        return weights
    _check_config(path, weights)
    return _rescaled(path, weights, undo_rescale)


def read_tensors(path: str | Path, model_type: str = "rwkv") -> dict[str, Tensor]:
    """Read the tensors of a file or folder under the names they have there; no code is run.

    Raises:
        InputError: no such file, an unknown kind, a damaged file, or a folder whose
            ``config.json`` is not for `model_type`.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return _read_folder(path, model_type) if path.is_dir() else _read_file(path)


def read_config(path: Path) -> dict[str, Any]:
    """Read the ``config.json`` of a folder.

    Raises:
        InputError: there is none, or it is not a JSON object.
    """
    if not (path / "config.json").exists():
        raise InputError(f"{path}: a folder without config.json is not a Hugging Face checkpoint")
    return _json(path / "config.json")


def content_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values, the same for every kind of file.

    Values count as fp32, so a BF16 file and its exact fp32 copy have the same hash, as they are
    the same model. Names are sorted and vectors of any shape, as [1, 1, D], flattened first.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = _flat(weights[name]).detach().float().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def _flat(tensor: Tensor) -> Tensor:
    """BlinkDL's mixing vectors are (1, 1, D): drop what is in front."""
    return tensor.reshape(-1) if tensor.ndim == 3 and tensor.shape[:2] == (1, 1) else tensor


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in (".pth", ".pt", ".bin"):
        return _read_pickled(path)
    raise InputError(
        f"{path}: unknown kind of file {path.suffix!r}; "
        "expected .pth, .pt, .bin, .safetensors or a Hugging Face folder"
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged or not safetensors ({_line(error)})") from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        loaded = _torch_load(path)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: damaged, or holds more than plain tensors, which is refused; "
            "save its state_dict() alone"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged or not a PyTorch file ({_line(error)})") from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise InputError(f"{path}: expected a mapping from names to tensors, as state_dict() gives")
    return {str(name): tensor for name, tensor in loaded.items()}


def _torch_load(path: Path) -> Any:
    """Load without running code; map the file unless it is of the old kind that cannot be."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    with warnings.catch_warnings():
        # Of files of the old kind; whether it could be read is said by an error.
        warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def _read_folder(path: Path, model_type: str) -> dict[str, Tensor]:
    said = read_config(path).get("model_type")
    if said != model_type:
        raise InputError(f"{path / 'config.json'}: model_type is {said!r}, expected {model_type!r}")
    for name in _HF_FILES:
        if (path / name).exists():
            return _read_file(path / name)
        if (path / f"{name}.index.json").exists():
            return _read_shards(path / f"{name}.index.json")
    raise InputError(f"{path}: no weights; expected {' or '.join(_HF_FILES)}, whole or in shards")


def _check_config(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Refuse a config.json that says something else than the tensors, or another LayerNorm."""
    shape, config = infer_shape(weights, str(path)), read_config(path)
    said = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "intermediate_size": shape.ffn,
        "vocab_size": shape.vocab,
        "layer_norm_epsilon": LN_EPS,
    }
    for key, value in said.items():
        given = config.get(key, value)
        if given is not None and given != value:
            raise InputError(f"{path / 'config.json'}: {key} is {given!r}; the model has {value}")


def _read_shards(index: Path) -> dict[str, Tensor]:
    weight_map = _json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise InputError(f"{index}: no 'weight_map'; expected one from tensor names to files")
    weights: dict[str, Tensor] = {}
    for name in sorted({str(file) for file in weight_map.values()}):
        # A name only: an index from elsewhere must not reach outside its folder.
        shard = index.parent / Path(name).name
        if not shard.exists():
            raise InputError(f"{index}: shard {shard.name!r} is missing")
        weights |= _read_file(shard)
    return weights


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not JSON ({_line(error)})") from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: expected a JSON object")
    return loaded


def _rescaled(path: Path, weights: dict[str, Tensor], undo: bool | None) -> dict[str, Tensor]:
    every = read_config(path).get("rescale_every", 6)
    if not isinstance(every, int) or every <= 0 or undo is False:
        return weights
    factors = {name: 2.0 ** (_block(name) // every) for name in weights if _is_rescaled(name)}
    if all(factor == 1 for factor in factors.values()):
        return weights
    if undo:
        return {name: tensor * factors.get(name, 1.0) for name, tensor in weights.items()}
    warnings.warn(
        f"{path}: rescale_every is {every}: if this folder was saved after an evaluation, deep "
        "blocks hold halved weights; set undo_rescale to True or False",
        RescaleWarning,
        stacklevel=4,
    )
    return weights


def _is_rescaled(name: str) -> bool:
    return name.endswith((".att.output.weight", ".ffn.value.weight"))


def _block(name: str) -> int:
    return int(name.split(".")[1])


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
