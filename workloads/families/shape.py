"""`Shape`: the dimensions of a model, in one vocabulary for all families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from seneca_sim.errors import InputError

COMMON = ("layers", "width", "ffn", "vocab")
"""Dimensions that every family has."""

REQUIRED = {
    "rwkv4": (),
    "rwkv7": ("heads", "rank_decay", "rank_rate", "rank_value", "rank_gate"),
    "opt": ("heads", "positions"),
}
"""What each family must state beside `COMMON`."""

OPTIONAL = {"rwkv4": (), "rwkv7": (), "opt": ("embedding", "post_norm")}
"""What it may state."""


@dataclass(frozen=True)
class Shape:
    """The dimensions of a model.

    Attributes:
        family: "rwkv4", "rwkv7" or "opt".
        layers: blocks.
        width: channels of the residual stream.
        ffn: channels of the hidden vector of a block's feed-forward part.
        vocab: tokens.
        heads: attention heads (opt) or heads of the state (rwkv7); they divide `width`.
        positions: learned positions, the longest context (opt).
        embedding: width of the embedding where it is not `width`; it is projected in and out (opt).
        post_norm: 1 where LayerNorm comes after each addition, and none at the end (opt).
        rank_decay, rank_rate, rank_value, rank_gate: inner widths of the low-rank maps (rwkv7).

    Raises:
        InputError: a number that is missing, not positive, or contradicts another.
    """

    family: str
    layers: int
    width: int
    ffn: int
    vocab: int
    heads: int | None = None
    positions: int | None = None
    embedding: int | None = None
    post_norm: int | None = None
    rank_decay: int | None = None
    rank_rate: int | None = None
    rank_value: int | None = None
    rank_gate: int | None = None

    def __post_init__(self) -> None:
        fault = fault_of(self.stated())
        if fault is not None:
            raise InputError(f"shape.{fault[0]} {fault[1]}")

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Shape:
        """Make a shape from a mapping with exactly its family's keys.

        Raises:
            InputError: an unknown key, or as for the class.
        """
        check_keys(values)
        return cls(**values)  # type: ignore[arg-type]  # checked above and by the class

    def stated(self) -> dict[str, str | int]:
        """The dimensions that are stated, in order: what a trace file holds."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def check_keys(values: Mapping[str, object]) -> None:
    """Refuse a mapping whose family is unknown, or that has other keys than its family's."""
    family = values.get("family", "rwkv4")
    if not isinstance(family, str) or family not in REQUIRED:
        raise InputError(f"shape.family is {family!r}; known families: {', '.join(REQUIRED)}")
    expected, optional = ("family", *COMMON, *REQUIRED[family]), OPTIONAL[family]
    if not {*expected} <= {*values} <= {*expected, *optional}:
        extra = f", and perhaps {', '.join(optional)}" if optional else ""
        raise InputError(f"shape has the keys {sorted(values)}; expected {sorted(expected)}{extra}")


def fault_of(values: Mapping[str, object]) -> tuple[str, str] | None:
    """Find the first dimension that is wrong: its name, and what is wrong with it.

    `values` are the stated dimensions and the family, which must be known.
    """
    family = str(values.get("family"))
    if family not in REQUIRED:
        return "family", f"is {family!r}; known families: {', '.join(REQUIRED)}"
    for key in (*COMMON, *REQUIRED[family]):
        if values.get(key) is None:
            return key, f"is not given, but {family} needs it{_HINTS.get(key, '')}"
    for key, value in values.items():
        if key != "family" and not _is_positive(value):
            return key, f"is {value!r}; expected a positive integer"
    allowed = ("family", *COMMON, *REQUIRED[family], *OPTIONAL[family])
    for key in values:
        if key not in allowed:
            return key, f"is given, but {family} has none; leave it out"
    return _contradiction(values)


def _contradiction(values: Mapping[str, object]) -> tuple[str, str] | None:
    heads, width = values.get("heads"), values["width"]
    assert isinstance(width, int)
    if isinstance(heads, int) and width % heads:
        near = _nearest_divisor(width, heads)
        return "heads", f"is {heads}, which does not divide width {width}; try {near}"
    embedding = values.get("embedding")
    if embedding == width:
        return "embedding", f"is {embedding}, the width itself; leave it out"
    if values.get("post_norm") not in (None, 1):
        return "post_norm", f"is {values['post_norm']}; expected 1, or leave it out"
    return None


_HINTS = {
    "ffn": "; it is 4 times the width in RWKV-4, RWKV-7 and OPT",
    "heads": "; width / 64 is usual",
    "positions": "; 2048 in all OPT models",
}


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _nearest_divisor(width: int, heads: int) -> int:
    divisors = [n for n in range(1, width + 1) if width % n == 0]
    return min(divisors, key=lambda n: abs(n - heads))


DIMENSIONS = tuple(f.name for f in fields(Shape))
"""All names of dimensions, the family first."""
