"""The files of a finished run: weights that others read, loss curve, and what was measured."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from seneca_sim.files import sorted_header, write_bytes, write_text
from workloads.models.opt import OptShape
from workloads.training.settings import Settings
from workloads.training.state import CURVE

MODEL_FILE = "model.safetensors"


def rounded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in BF16, as they ship."""
    return {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in weights.items()}


def write_weights(path: Path, weights: dict[str, Tensor], settings: Settings) -> None:
    """Write BF16 weights; the number of heads, which no tensor tells, goes into the header."""
    metadata = {"format": "pt", "model_type": settings.model}
    if settings.model == "opt":
        metadata["num_attention_heads"] = str(settings.heads)
    write_bytes(path, sorted_header(save(weights, metadata)))


def write_curve(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write the loss curve as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CURVE)
    for step, seen, lr, train, bits, seconds in rows:
        figures = (f"{lr:.4e}", f"{train:.5f}", f"{bits:.5f}", f"{seconds:.1f}")
        writer.writerow((int(step), int(seen), *figures))
    write_text(path, text.getvalue())


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object, indented."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def opt_config(shape: OptShape) -> dict[str, Any]:
    """The ``config.json`` with which transformers reads an OPT of this shape."""
    return {
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "activation_function": "relu",
        "do_layer_norm_before": True,
        "ffn_dim": shape.ffn,
        "hidden_size": shape.width,
        "max_position_embeddings": shape.positions,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": shape.vocab,
        "word_embed_proj_dim": shape.width,
    }
