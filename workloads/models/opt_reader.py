"""Read OPT checkpoints: folders of transformers' ``OPTForCausalLM``, and single files.

No tensor tells the number of attention heads. A folder's ``config.json`` does, and so does the
header of a ``.safetensors`` file under ``num_attention_heads``; a file without it is refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.layout import check_table, matrix
from workloads.models.opt import DECODER, POSITION_OFFSET, Opt, OptShape
from workloads.models.readers import read_config, read_tensors

HEADS = "num_attention_heads"
_HEAD_MATRIX = "lm_head.weight"
_EMBEDDING = f"{DECODER}.embed_tokens.weight"

_BUILT = {
    "activation_function": "relu",
    "do_layer_norm_before": True,
    "enable_bias": True,
    "layer_norm_elementwise_affine": True,
    "_remove_final_layer_norm": False,
}
"""What the forward computes: a ``config.json`` that says something else is of another model."""


def load_opt(path: str | Path) -> Opt:
    """Read a folder of transformers, or a file, and make the model.

    Raises:
        InputError: the file cannot be read, does not hold a sound OPT, or does not tell the
            number of heads.
    """
    path = Path(path)
    weights = opt_weights(read_tensors(path, model_type="opt"), str(path))
    shape = infer_opt_shape(weights, _heads(path), str(path))
    check_table(weights, opt_tensor_shapes(shape), str(path))
    if path.is_dir():
        _check_config(path / "config.json", read_config(path), shape)
    return Opt(shape, weights)


def is_opt(names: Mapping[str, Tensor]) -> bool:
    """Whether these tensors are called as an OPT's are."""
    return any(name.startswith(("model.decoder.", "decoder.")) for name in names)


def opt_weights(raw: Mapping[str, Tensor], where: str = "weights") -> dict[str, Tensor]:
    """Tensors under the names of ``OPTForCausalLM``, without the head, which is the embedding.

    Raises:
        InputError: there is a head and it is another matrix than the embedding.
    """
    weights = {f"model.{n}" if n.startswith("decoder.") else n: t for n, t in raw.items()}
    head = weights.pop(_HEAD_MATRIX, None)
    table = weights.get(_EMBEDDING)
    if head is not None and table is not None and not torch.equal(head, table):
        raise InputError(f"{where}: {_HEAD_MATRIX!r} is not the embedding; OPT has one for both")
    return weights


def infer_opt_shape(weights: Mapping[str, Tensor], heads: int, where: str = "weights") -> OptShape:
    """Read sizes off the tensors; `heads` is known from elsewhere.

    Raises:
        InputError: the tensors that tell the shape are missing, or heads do not divide the width.
    """
    vocab, width = matrix(weights, _EMBEDDING, where, "OPT")
    rows, _ = matrix(weights, f"{DECODER}.embed_positions.weight", where, "OPT")
    ffn, _ = matrix(weights, f"{DECODER}.layers.0.fc1.weight", where, "OPT")
    if heads < 1 or width % heads:
        raise InputError(f"{where}: {HEADS} is {heads}, which does not divide the width {width}")
    if rows <= POSITION_OFFSET:
        raise InputError(
            f"{where}: {rows} rows of positions, and the first {POSITION_OFFSET} hold none"
        )
    return OptShape(_layers(weights), width, ffn, vocab, heads, rows - POSITION_OFFSET)


def opt_tensor_shapes(shape: OptShape) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a model of this `shape`."""
    d, f = shape.width, shape.ffn
    table: dict[str, tuple[int, ...]] = {
        _EMBEDDING: (shape.vocab, d),
        f"{DECODER}.embed_positions.weight": (shape.positions + POSITION_OFFSET, d),
        **_pair(f"{DECODER}.final_layer_norm", (d,)),
    }
    for n in range(shape.layers):
        p = f"{DECODER}.layers.{n}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            table |= _pair(f"{p}.self_attn.{name}", (d, d))
        table |= _pair(f"{p}.self_attn_layer_norm", (d,)) | _pair(f"{p}.final_layer_norm", (d,))
        table |= _pair(f"{p}.fc1", (f, d)) | _pair(f"{p}.fc2", (d, f))
    return table


def _pair(name: str, weight: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _layers(weights: Mapping[str, Tensor]) -> int:
    """One more than the highest number; what a gap leaves out is found missing by the check."""
    found = (re.match(rf"{re.escape(DECODER)}\.layers\.(\d+)\.", name) for name in weights)
    return 1 + max(int(m[1]) for m in found if m)


def _heads(path: Path) -> int:
    where, said = (path / "config.json" if path.is_dir() else path), _said_heads(path)
    if said is None:
        raise InputError(
            f"{where}: nothing tells the number of heads; expected {HEADS!r} in the config.json "
            "of a folder or in the header of a .safetensors file"
        )
    try:
        return int(said)
    except (TypeError, ValueError):
        raise InputError(f"{where}: {HEADS} is {said!r}, expected a whole number") from None


def _said_heads(path: Path) -> Any:
    if path.is_dir():
        return read_config(path).get(HEADS)
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get(HEADS)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged or not safetensors") from error


def _check_config(where: Path, config: Mapping[str, Any], shape: OptShape) -> None:
    """Refuse a config.json that says something else than the tensors, or another kind of block."""
    said = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "word_embed_proj_dim": shape.width,
        "ffn_dim": shape.ffn,
        "vocab_size": shape.vocab,
        "max_position_embeddings": shape.positions,
        **_BUILT,
    }
    for key, value in said.items():
        given = config.get(key, value)
        if given is not None and given != value:
            raise InputError(
                f"{where}: {key} is {given!r}; the model that can be read has {value!r}"
            )
