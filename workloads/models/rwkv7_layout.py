"""Read and check RWKV-7 checkpoints under BlinkDL's names."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.layout import check_table, matrix, numbered_blocks
from workloads.models.readers import read_tensors
from workloads.models.rwkv7 import Rwkv7, Rwkv7Shape

_MIXES = tuple(f"att.x_{letter}" for letter in "rwkvag")
_VECTORS = (*_MIXES, "att.w0", "att.a0", "att.k_k", "att.k_a", "ffn.x_k")
_SQUARES = ("att.receptance", "att.key", "att.value", "att.output")
_THIN = ("w", "a", "v", "g")
"""Pairs of thin matrices (D, rank) and (rank, D); block 0 needs no `v`."""


def load_rwkv7(path: str | Path) -> Rwkv7:
    """Read a ``.pth`` or ``.safetensors`` checkpoint.

    Raises:
        InputError: the file cannot be read or does not hold a sound RWKV-7.
    """
    return rwkv7(read_tensors(path), str(path))


def rwkv7(weights: Mapping[str, Tensor], where: str = "weights") -> Rwkv7:
    """Make a model of tensors as BlinkDL names them; vectors may be (1, 1, D).

    Raises:
        InputError: tensors are missing, unknown, of the wrong shape or not finite.
    """
    flat = {n: t.float().squeeze() if _boxed(t) else t.float() for n, t in weights.items()}
    shape = infer_shape(flat, where)
    # Some files carry the unused `v` factors of block 0.
    flat = {n: t for n, t in flat.items() if not n.startswith("blocks.0.att.v0")}
    flat = {n: t for n, t in flat.items() if n not in ("blocks.0.att.v1", "blocks.0.att.v2")}
    check_table(flat, expected_shapes(shape, flat), where)
    return Rwkv7(shape, flat)


def infer_shape(weights: Mapping[str, Tensor], where: str) -> Rwkv7Shape:
    """Read the sizes off the tensors."""
    vocab, width = matrix(weights, "emb.weight", where, "RWKV-7")
    ffn, _ = matrix(weights, "blocks.0.ffn.key.weight", where, "RWKV-7")
    heads, size = matrix(weights, "blocks.0.att.r_k", where, "RWKV-7")
    if heads * size != width:
        raise InputError(f"{where}: {heads} heads of {size} do not make up a width of {width}")
    return Rwkv7Shape(numbered_blocks(weights, where), width, heads, ffn, vocab)


def expected_shapes(
    shape: Rwkv7Shape, weights: Mapping[str, Tensor]
) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor; the ranks of the thin matrices are those of `weights`."""
    d, v, h = shape.width, shape.vocab, shape.heads
    table: dict[str, tuple[int, ...]] = {"emb.weight": (v, d), "head.weight": (v, d)}
    norms = ["ln_out", "blocks.0.ln0"]
    for n in range(shape.layers):
        p = f"blocks.{n}"
        norms += [f"{p}.ln1", f"{p}.ln2", f"{p}.att.ln_x"]
        table |= {f"{p}.{name}": (d,) for name in _VECTORS}
        table |= {f"{p}.{name}.weight": (d, d) for name in _SQUARES}
        table |= {f"{p}.att.r_k": (h, d // h), f"{p}.ffn.key.weight": (shape.ffn, d)}
        table |= {f"{p}.ffn.value.weight": (d, shape.ffn)}
        for letter in _THIN:
            if n or letter != "v":
                table |= _thin_shapes(f"{p}.att.{letter}", weights, d)
        if n:
            table[f"{p}.att.v0"] = (d,)
    for name in norms:
        table |= {f"{name}.weight": (d,), f"{name}.bias": (d,)}
    return table


def _thin_shapes(p: str, weights: Mapping[str, Tensor], d: int) -> dict[str, tuple[int, ...]]:
    factor = weights.get(f"{p}1")
    rank = factor.shape[-1] if factor is not None and factor.ndim == 2 else 1
    return {f"{p}1": (d, rank), f"{p}2": (rank, d)}


def _boxed(tensor: Tensor) -> bool:
    return tensor.ndim == 3 and tensor.shape[:2] == (1, 1)
