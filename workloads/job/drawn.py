"""Jobs without weights: a shape of the zoo, or a file of one's own, and traces drawn for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError
from workloads import zoo
from workloads.traces import ActivationTrace, in_pieces, statistical_trace, trace_shape
from workloads.zoo.densities import DENSE


@dataclass(frozen=True)
class Drawing:
    """How masks are drawn: see `workloads.traces.synthesise`.

    `tokens` are those of each of `batch` sequences, which are pieces of one drawing: they share
    its hot channels, as sequences share a model.
    """

    tokens: int
    seed: int = 0
    token_correlation: float = 0.0
    hot_channels: float = 0.0
    batch: int = 1


def draw_variant(card: zoo.ShapeCard, variant: str, how: Drawing) -> ActivationTrace:
    """Draw one variant of a shape.

    Raises:
        InputError: no densities are known for it, or an option is out of its range.
    """
    drawn = statistical_trace(
        card.shape,
        card.densities(variant),
        how.tokens * max(1, how.batch),
        how.seed,
        token_correlation=how.token_correlation,
        hot_channels=how.hot_channels,
        name=card.name,
    )
    return in_pieces(drawn, how.batch)


def drawn_traces(card: zoo.ShapeCard, how: Drawing) -> dict[str, ActivationTrace]:
    """Draw every variant that the shape has densities for, dense first."""
    return {name: draw_variant(card, name, how) for name in (DENSE, *card.variants)}


def check_trace(card: zoo.ShapeCard, trace: ActivationTrace, path: Path) -> None:
    """Refuse a recorded trace that was not taken on a model of this shape."""
    wanted = trace_shape(card.shape)
    for key in sorted({*wanted, *trace.shape}):
        found, expected = trace.shape.get(key), wanted.get(key)
        if found != expected:
            raise InputError(
                f"{path}: {key} is {found}, but {card.name} has {expected}; "
                "give a trace that was recorded on this model, or leave --trace out"
            )


def description(card: zoo.ShapeCard, how: Drawing) -> dict[str, Any]:
    """What a run keeps of a drawn workload: shape, sources and marks, and how it was drawn."""
    variants = {name: card.densities(name) for name in (DENSE, *card.variants)}
    return {
        "name": card.name,
        "shape": dict(trace_shape(card.shape)),
        "shape_file": {"sha256": card.sha256, "mark": str(card.mark), "source": card.source},
        "drawn": {
            "tokens": how.tokens,
            "seed": how.seed,
            "token_correlation": how.token_correlation,
            "hot_channels": how.hot_channels,
            **({"batch": how.batch} if how.batch > 1 else {}),
        },
        "densities": {
            name: {"mark": str(d.mark), "source": d.source, "mean": d.mean()}
            for name, d in variants.items()
        },
    }


def notice(card: zoo.ShapeCard) -> str:
    """One line for reports: that nothing was recorded, and how sure the densities are."""
    marks = ", ".join(f"{name} {d.mark}" for name, d in card.variants.items())
    known = f" from densities ({marks})" if marks else ", dense only: no densities are given"
    return f"{card.name}: no weights, events are drawn{known}; bits per byte are not measured"
