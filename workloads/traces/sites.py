"""The places of an RWKV-4 model where a trace is taken: names, widths and the matrices behind them.

A *block site* is the input vector of one matrix; its zeros are events that are never sent. `emb`,
`head` and `logits` are *check sites*: dense vectors, kept only to compare values.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypedDict

from seneca_sim.errors import InputError

BLOCK_SITES = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")
CHECK_SITES = ("emb", "head", "logits")
STATES = ("att_x", "aa", "bb", "pp", "ffn_x")
FAMILIES = ("rwkv4",)


class TraceShape(TypedDict):
    """The dimensions of a model: its family, and counts of layers, channels and tokens."""

    family: str
    layers: int
    width: int
    ffn: int
    vocab: int


def check_shape(shape: Mapping[str, object]) -> TraceShape:
    """Return a copy of `shape` with exactly the keys of `TraceShape`, all counts positive."""
    keys = tuple(TraceShape.__annotations__)
    if set(shape) != set(keys):
        raise InputError(f"shape has the keys {sorted(shape)}; expected {sorted(keys)}")
    if shape["family"] not in FAMILIES:
        raise InputError(f"shape.family is {shape['family']!r}; known families: rwkv4")
    layers, width, ffn, vocab = (_positive(key, shape[key]) for key in keys[1:])
    return TraceShape(family=str(shape["family"]), layers=layers, width=width, ffn=ffn, vocab=vocab)


def _positive(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"shape.{key} is {value!r}; expected a positive integer")
    return value


def block_sites(shape: TraceShape) -> tuple[str, ...]:
    """Full names `blocks.{N}.{site}` of all block sites, layer by layer, in forward order."""
    return tuple(f"blocks.{n}.{site}" for n in range(shape["layers"]) for site in BLOCK_SITES)


def site_widths(shape: TraceShape) -> dict[str, int]:
    """Channels of every site, in canonical order: the block sites, then `emb`, `head`, `logits`."""
    blocks = {name: width_of(kind_of(name), shape) for name in block_sites(shape)}
    return blocks | {"emb": shape["width"], "head": shape["width"], "logits": shape["vocab"]}


def width_of(kind: str, shape: TraceShape) -> int:
    """Channels of a block site, given without its layer: the columns of its matrix."""
    return shape["ffn"] if kind == "ffn.val" else shape["width"]


def fan_out(kind: str, shape: TraceShape) -> int:
    """Neurons that one event of this block site reaches: the rows of its matrix."""
    return shape["ffn"] if kind == "ffn.key" else shape["width"]


def kind_of(name: str) -> str:
    """`blocks.3.att.key` -> `att.key`."""
    return name.split(".", 2)[2]


def layer_of(name: str) -> int:
    """`blocks.3.att.key` -> 3."""
    return int(name.split(".", 2)[1])


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise an `InputError` for the first of `names` that is not among `known`."""
    table = dict.fromkeys(known)
    for name in names:
        if name not in table:
            raise InputError(f"unknown {what} {name!r}{_suggestion(name, list(table))}")


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {known[0]!r} … {known[-1]!r}"
