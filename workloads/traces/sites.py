"""The places of a model where a trace is taken: names, widths and the matrices behind them.

A *block site* is the input vector of a block's matrices; its zeros are events that are never sent.
`emb`, `head` and `logits` are *check sites*: dense vectors, kept only to compare values. Which
block sites there are depends on the family (`workloads.families`).
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NotRequired, TypedDict, cast

from seneca_sim.errors import InputError
from workloads.families import Family, Shape, family_of

BLOCK_SITES = family_of("rwkv4").kinds
"""Kinds of block sites of RWKV-4."""
CHECK_SITES = ("emb", "head", "logits")


class TraceShape(TypedDict):
    """The dimensions of a model as a trace holds them: what `Shape.stated` gives."""

    family: str
    layers: int
    width: int
    ffn: int
    vocab: int
    heads: NotRequired[int]
    positions: NotRequired[int]
    embedding: NotRequired[int]
    post_norm: NotRequired[int]
    rank_decay: NotRequired[int]
    rank_rate: NotRequired[int]
    rank_value: NotRequired[int]
    rank_gate: NotRequired[int]


def trace_shape(shape: Shape) -> TraceShape:
    """A shape as a trace holds it."""
    return cast(TraceShape, shape.stated())


def check_shape(shape: Mapping[str, object]) -> TraceShape:
    """Return a copy of `shape` with exactly the keys of its family, checked as `Shape` does."""
    return trace_shape(Shape.of(shape))


def family_of_shape(shape: TraceShape) -> Family:
    """The family of a trace's shape."""
    return family_of(shape["family"])


def block_sites(shape: TraceShape) -> tuple[str, ...]:
    """Full names, as in `blocks.3.att.key`, of all block sites, by layer, in forward order."""
    family = family_of_shape(shape)
    return tuple(
        family.full_name(layer, kind) for layer in range(shape["layers"]) for kind in family.kinds
    )


def site_widths(shape: TraceShape) -> dict[str, int]:
    """Channels of every site, in canonical order: the block sites, then `emb`, `head`, `logits`."""
    family, sizes = family_of_shape(shape), Shape.of(shape)
    columns = {kind: family.site(kind).columns(sizes) for kind in family.kinds}
    blocks = {name: columns[kind_of(name)] for name in block_sites(shape)}
    head = sizes.embedding or sizes.width
    return blocks | {"emb": sizes.width, "head": head, "logits": sizes.vocab}


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
    if not known:
        return "; none are known here"
    close = get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {known[0]!r} … {known[-1]!r}"
