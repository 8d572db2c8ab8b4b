"""Which tensors an RWKV-4 has, what they are called where, and whether a set of weights fits."""

import difflib
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import Rwkv4Shape

_HF_WORDS = (
    (r"^rwkv\.", ""),
    (r"^embeddings\.", "emb."),
    (r"\.pre_ln\.", ".ln0."),
    (r"\.attention\.", ".att."),
    (r"\.feed_forward\.", ".ffn."),
    (r"time_mix_key$", "time_mix_k"),
    (r"time_mix_value$", "time_mix_v"),
    (r"time_mix_receptance$", "time_mix_r"),
)
_VECTORS = (
    *("att.time_decay", "att.time_first", "att.time_mix_k", "att.time_mix_v", "att.time_mix_r"),
    *("ffn.time_mix_k", "ffn.time_mix_r"),
)
_SQUARES = ("att.key", "att.value", "att.receptance", "att.output", "ffn.receptance")
_LATER_VERSIONS = re.compile(r"\.att\.(ln_x|gate|r_k|time_maa|time_faaaa|x_r|w0|a0)")


def blinkdl_name(name: str) -> str:
    """The BlinkDL name of a tensor called `name` by transformers; others stay as they are."""
    if not name.startswith("rwkv."):
        return name
    for pattern, word in _HF_WORDS:
        name = re.sub(pattern, word, name)
    return name


def expected_shapes(shape: Rwkv4Shape) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a model of this `shape`."""
    d, v = shape.width, shape.vocab
    table: dict[str, tuple[int, ...]] = {"emb.weight": (v, d), "head.weight": (v, d)}
    table |= _norm_shapes("ln_out", d) | _norm_shapes("blocks.0.ln0", d)
    for n in range(shape.layers):
        table |= _block_shapes(f"blocks.{n}", d, shape.ffn)
    return table


def _block_shapes(p: str, d: int, f: int) -> dict[str, tuple[int, ...]]:
    return {
        **_norm_shapes(f"{p}.ln1", d),
        **_norm_shapes(f"{p}.ln2", d),
        **{f"{p}.{name}": (d,) for name in _VECTORS},
        **{f"{p}.{name}.weight": (d, d) for name in _SQUARES},
        f"{p}.ffn.key.weight": (f, d),
        f"{p}.ffn.value.weight": (d, f),
    }


def _norm_shapes(name: str, d: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (d,), f"{name}.bias": (d,)}


def infer_shape(weights: Mapping[str, Tensor], where: str = "weights") -> Rwkv4Shape:
    """Read layers, D, F and V off the tensors.

    Raises:
        InputError: the tensors that tell the shape are missing or are not matrices.
    """
    other = "OPT" if any(n.startswith(("model.decoder.", "decoder.")) for n in weights) else ""
    other = "RWKV-7" if any(name.endswith(".att.r_k") for name in weights) else other
    if other:
        raise InputError(f"{where}: an {other} checkpoint; expected RWKV-4 (load_any reads both)")
    later = next((name for name in weights if _LATER_VERSIONS.search(name)), None)
    if later is not None:
        raise InputError(
            f"{where}: {later!r} belongs to RWKV-5 or 6; RWKV-4, RWKV-7 and OPT can be read"
        )
    vocab, width = matrix(weights, "emb.weight", where)
    ffn, _ = matrix(weights, "blocks.0.ffn.key.weight", where)
    return Rwkv4Shape(numbered_blocks(weights, where), width=width, ffn=ffn, vocab=vocab)


def numbered_blocks(weights: Mapping[str, Tensor], where: str) -> int:
    """How many blocks there are.

    Raises:
        InputError: their numbers have a gap.
    """
    numbers = [int(m[1]) for name in weights if (m := re.match(r"blocks\.(\d+)\.", name))]
    found = sorted(set(numbers))
    if found != list(range(len(found))):
        gap = next(n for n in range(len(found) + 1) if n not in found)
        raise InputError(f"{where}: there is a block {found[-1]} but no block {gap}")
    return len(found)


def matrix(
    weights: Mapping[str, Tensor], name: str, where: str, family: str = "RWKV-4"
) -> tuple[int, int]:
    """Rows and columns of a matrix that every model of the family has.

    Raises:
        InputError: it is missing or not a matrix.
    """
    if name not in weights:
        raise InputError(f"{where}: no tensor {name!r}, so this is not an {family} checkpoint")
    if weights[name].ndim != 2:
        size = tuple(weights[name].shape)
        raise InputError(f"{where}: {name!r} has shape {size}, expected a matrix")
    rows, columns = weights[name].shape
    return rows, columns


def check_weights(weights: Mapping[str, Tensor], shape: Rwkv4Shape, where: str = "weights") -> None:
    """Refuse weights that do not make up a model of this `shape`.

    Raises:
        InputError: a tensor is missing, unknown, of another shape, not real or not finite.
    """
    check_table(weights, expected_shapes(shape), where)


def check_table(
    weights: Mapping[str, Tensor], table: Mapping[str, tuple[int, ...]], where: str
) -> None:
    """Refuse weights that are not those of a table of names and shapes.

    Raises:
        InputError: a tensor is missing, unknown, of another shape, not real or not finite.
    """
    missing = sorted(table.keys() - weights.keys())
    extra = sorted(weights.keys() - table.keys())
    if missing:
        raise InputError(f"{where}: missing {_some(missing)}{_hint(missing[0], extra)}")
    if extra:
        raise InputError(f"{where}: unknown {_some(extra)}{_hint(extra[0], sorted(table))}")
    for name, expected in table.items():
        _check_tensor(name, weights[name], expected, where)


def _check_tensor(name: str, tensor: Tensor, expected: tuple[int, ...], where: str) -> None:
    if tuple(tensor.shape) != expected:
        raise InputError(f"{where}: {name!r} has shape {tuple(tensor.shape)}, expected {expected}")
    if not tensor.dtype.is_floating_point:
        raise InputError(f"{where}: {name!r} holds {tensor.dtype}, expected floating-point numbers")
    bad = int((~torch.isfinite(tensor.float())).sum())
    if bad:
        raise InputError(f"{where}: {name!r} holds NaN or infinity ({bad} of {tensor.numel()})")


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"tensor{'s' if len(names) > 1 else ''} {shown}{rest}"


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; is {close[0]!r} meant?" if close else ""
