"""Random OPT and RWKV-7 over bytes, small enough for a test, and files of them."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from workloads.models.opt import Opt, OptShape
from workloads.models.opt_reader import opt_tensor_shapes
from workloads.models.rwkv7 import Rwkv7, Rwkv7Shape
from workloads.models.rwkv7_layout import expected_shapes, rwkv7

OPT = OptShape(layers=2, width=32, ffn=64, vocab=256, heads=4, positions=64)
RWKV7 = Rwkv7Shape(layers=3, width=32, heads=2, ffn=64, vocab=256)


def small_opt() -> Opt:
    generator = torch.Generator().manual_seed(0)
    return Opt(OPT, {n: _drawn(n, s, generator) for n, s in opt_tensor_shapes(OPT).items()})


def small_rwkv7() -> Rwkv7:
    generator = torch.Generator().manual_seed(0)
    ranks = {"w": 8, "a": 5, "v": 4, "g": 12}
    thin = {
        f"blocks.{n}.att.{letter}1": torch.zeros(RWKV7.width, rank)
        for n in range(RWKV7.layers)
        for letter, rank in ranks.items()
    }
    table = expected_shapes(RWKV7, thin)
    return rwkv7({name: _drawn(name, size, generator) for name, size in table.items()})


def _drawn(name: str, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """About as large as in trained models: matrices keep the size of a vector, shares 0 .. 1."""
    if ".x_" in name or name.endswith(".k_a"):
        return torch.rand(size, generator=generator)
    noise = torch.randn(size, generator=generator)
    if len(size) == 2:
        return noise * 2 / size[-1] ** 0.5
    return 1 + 0.1 * noise if name.endswith("weight") else noise


def save(model: Opt | Rwkv7, path: Path) -> Path:
    """Write a checkpoint that the readers take."""
    heads = {"num_attention_heads": str(OPT.heads)} if isinstance(model, Opt) else None
    save_file({name: tensor.contiguous() for name, tensor in model.weights.items()}, path, heads)
    return path
