"""The last layer of a language model: a LayerNorm, and the logits or the normalised vector."""

from __future__ import annotations

from workloads.compiler.graph import (
    GraphSite,
    GraphStage,
    GraphStep,
    Group,
    Layer,
    Matrix,
    Vector,
)
from workloads.compiler.norm import apply_norm, norm_sites, norm_stages

RESIDUAL, LOGITS = "residual", "logits"


def head_layer(entry: GraphSite, norm: str, tensor: str, head: str, vocab: int) -> Layer:
    """Build it.

    Args:
        entry: the residual stream on its way in.
        norm: name of the LayerNorm in the layer.
        tensor: of the LayerNorm, without `.weight` and `.bias`.
        head: the matrix of the logits; "" ends with the vector before it.
        vocab: logits.
    """
    x = ("x", "in:" + entry.name)
    sites = [entry, *norm_sites(norm, RESIDUAL)]
    vectors = [
        Vector(f"{norm}.{part}", entry.width, RESIDUAL, tensor=f"{tensor}.{part}")
        for part in ("weight", "bias")
    ]
    send = (("x", "norm"), ("out", "out:head"))
    steps = (apply_norm(norm, "", x, "norm"), GraphStep("send_dense", send))
    last = GraphStage(
        "head.norm", RESIDUAL, "all", (norm + ".stat",), steps, ("head",),
        frees=() if head else (entry.name,), frees_apart=(entry.name,),
    )  # fmt: skip
    stages = [*norm_stages(norm, "", RESIDUAL, (entry.name,), (), x), last]
    groups, matrices = [Group(RESIDUAL, entry.width)], []
    if head:
        # Cores of the logits that hold nothing else are not in the last LayerNorm, so its answer
        # does not tell that they are done with an older token: they say so themselves.
        sites.append(GraphSite("head", entry.width, "dense", "layer", LOGITS, window="apart"))
        sites.append(GraphSite("logits", vocab, "dense", "host", LOGITS))
        groups.append(Group(LOGITS, vocab))
        matrices.append(Matrix(head, "head", vocab, entry.width, LOGITS))
        answer = GraphStep("send_acc", (("acc", "acc:head"), ("out", "out:logits")))
        stages.append(
            GraphStage(
                "head.logits",
                LOGITS,
                "all",
                ("head",),
                (answer,),
                ("logits",),
                frees=(entry.name,),
                frees_apart=("head",),
            )
        )
    else:
        sites.append(GraphSite("head", entry.width, "dense", "host", RESIDUAL))
    return Layer(
        name="head",
        entry=entry.name,
        groups=tuple(groups),
        sites=tuple(sites),
        vectors=(*vectors, Vector("norm", entry.width, RESIDUAL)),
        matrices=tuple(matrices),
        stages=tuple(stages),
    )
