"""LayerNorm as sites and stages: local moments, combined by the group's owner, sent back."""

from __future__ import annotations

from workloads.compiler.graph import GraphSite, GraphStage, GraphStep

PARTIAL, STATISTIC = 2, 2
"""Values that a LayerNorm sends: (mean, M2) of a slice, then (mean, inverse deviation)."""


def norm_sites(norm: str, group: str) -> list[GraphSite]:
    """Slices' moments on their way to the owner, and the whole vector's on their way back."""
    return [
        GraphSite(norm + ".partial", 0, "dense", "owner", group, per_core=PARTIAL),
        GraphSite(norm + ".stat", STATISTIC, "dense", "layer", group, sender="owner"),
    ]


def norm_stages(
    norm: str,
    prefix: str,
    group: str,
    needs: tuple[str, ...],
    before: tuple[GraphStep, ...],
    x: tuple[str, str],
) -> list[GraphStage]:
    """Local moments go to the owner; its answer comes back by multicast."""
    partial, stat = f"{prefix}{norm}.partial", f"{prefix}{norm}.stat"
    own = (x, ("pad", "pad"), ("inv_n", "inv_n"), ("scratch", "scratch"), ("out", "out:" + partial))
    whole = (
        ("partial", "in:" + partial),
        ("share", "share"),
        ("inv_n", "inv_total"),
        ("scratch", "scratch"),
        ("out", "out:" + stat),
    )
    local, combine = GraphStep("ln_stats", own), GraphStep("ln_combine", whole, whole=True)
    return [
        GraphStage(norm + ".stats", group, "all", needs, (*before, local), (partial,)),
        GraphStage(norm + ".combine", group, "owner", (partial,), (combine,), (stat,)),
    ]


def apply_norm(norm: str, prefix: str, x: tuple[str, str], y: str) -> GraphStep:
    """Normalise a slice into the vector `y`."""
    operands = (
        x,
        ("stat", f"in:{prefix}{norm}.stat"),
        ("gamma", norm + ".weight"),
        ("beta", norm + ".bias"),
        ("y", y),
    )
    return GraphStep("ln_apply", operands)
