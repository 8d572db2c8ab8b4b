"""RWKV-4 as a layer graph: seven sparse sites a block, and all the dense work between them.

A block has three groups. `residual`: the stream x with LayerNorms and token shifts, and the rows of
the matrices whose products are added to x or gate it. `attention`: the rows of W_k, W_r and W_v,
which the wkv recurrence joins channel by channel. `key`: the rows of the FFN's W_k.
"""

from __future__ import annotations

from collections.abc import Mapping

from seneca_sim.errors import InputError
from workloads.compiler.graph import (
    GraphSite,
    GraphStage,
    GraphStep,
    Group,
    Layer,
    LayerGraph,
    Matrix,
    Vector,
)
from workloads.compiler.head import RESIDUAL, head_layer
from workloads.compiler.norm import apply_norm, norm_sites, norm_stages

ATTENTION, KEY = "attention", "key"
TAKES = {
    "att.key": ATTENTION,
    "att.rec": ATTENTION,
    "att.val": ATTENTION,
    "att.out": RESIDUAL,
    "ffn.key": KEY,
    "ffn.rec": RESIDUAL,
    "ffn.val": RESIDUAL,
}
"""Sparse site of a block -> the group whose rows it is applied to."""


def rwkv4_graph(
    name: str, shape: Mapping[str, int], *, state_words: int = 2, head: str = "in"
) -> LayerGraph:
    """Build the graph of a model of `layers` blocks, `width` D, `ffn` F and `vocab` V.

    Args:
        name: of the workload.
        shape: the four numbers.
        state_words: BF16 words for each sum of the wkv recurrence, 2 or 1; with one, cheaper and
            less exact (docs/kernels.md).
        head: ``in`` computes the logits; ``out`` ends with the last LayerNorm's vector.

    Raises:
        InputError: a number is missing or not positive.
    """
    sizes = {key: int(shape.get(key, 0)) for key in ("layers", "width", "ffn", "vocab")}
    for key, value in sizes.items():
        if value < 1:
            raise InputError(f"shape of {name}: {key} is {value}; expected a positive number")
    if state_words not in (1, 2):
        raise InputError(f"graph of {name}: state_words is {state_words}; expected 1 or 2")
    if head not in ("in", "out"):
        raise InputError(f"graph of {name}: head is {head!r}; expected in or out")
    blocks = [_block(i, sizes["width"], sizes["ffn"], state_words) for i in range(sizes["layers"])]
    entry = _entry(entry_site(sizes["layers"]), sizes["width"])
    last = head_layer(
        entry, "ln_out", "ln_out", "head.weight" if head == "in" else "", sizes["vocab"]
    )
    return LayerGraph(
        name,
        sizes["width"],
        (*blocks, last),
        "logits" if head == "in" else "head",
        tuple(sizes.items()),
        (("head", head),),
    )


def entry_site(layer: int) -> str:
    """Name of the residual stream's site on its way into a layer: `emb` from the host first."""
    return "emb" if layer == 0 else f"blocks.{layer}.x"


def _block(index: int, width: int, ffn: int, state_words: int) -> Layer:
    p = f"blocks.{index}."
    entry = entry_site(index)
    norms = ("ln0", "ln1", "ln2") if index == 0 else ("ln1", "ln2")
    sites = [_entry(entry, width)]
    for norm in norms:
        sites += norm_sites(p + norm, RESIDUAL)
    sites += [
        GraphSite(p + site, width, "events", "layer", TAKES[site])
        for site in ("att.key", "att.rec", "att.val", "att.out", "ffn.key", "ffn.rec")
    ]
    sites.append(GraphSite(p + "ffn.val", ffn, "events", "layer", TAKES["ffn.val"]))
    return Layer(
        name=f"blocks.{index}",
        entry=entry,
        groups=(Group(RESIDUAL, width), Group(ATTENTION, width), Group(KEY, ffn)),
        sites=tuple(sites),
        vectors=_block_vectors(p, norms, width, state_words),
        matrices=_block_matrices(p, width, ffn),
        stages=_block_stages(index, p, entry, state_words),
    )


def _entry(name: str, width: int) -> GraphSite:
    return GraphSite(name, width, "dense", "peer", RESIDUAL, window="always")


def _block_vectors(
    p: str, norms: tuple[str, ...], width: int, state_words: int
) -> tuple[Vector, ...]:
    parameters = [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]
    parameters += ["att.time_mix_k", "att.time_mix_r", "att.time_mix_v"]
    parameters += ["ffn.time_mix_k", "ffn.time_mix_r"]
    vectors = [Vector(name, width, RESIDUAL, tensor=p + name) for name in parameters]
    vectors.append(Vector("att.u", width, ATTENTION, tensor=p + "att.time_first"))
    # The wkv kernel works in base 2, on two parameters made from time_decay (wkv.npe says how).
    vectors += [
        Vector(f"att.{v}", width, ATTENTION, tensor=f"wkv_{v}:{p}att") for v in ("decay", "shift")
    ]
    vectors.append(Vector("norm", width, RESIDUAL))
    vectors += [Vector(f"{part}.prev", width, RESIDUAL, state=True) for part in ("att", "ffn")]
    vectors += [
        Vector(name, width, ATTENTION, words=state_words, state=True) for name in ("aa", "bb")
    ]
    vectors.append(Vector("pp", width, ATTENTION, state=True))
    return tuple(vectors)


def _block_matrices(p: str, width: int, ffn: int) -> tuple[Matrix, ...]:
    square = {"att.key": "key", "att.rec": "receptance", "att.val": "value", "att.out": "output"}
    matrices = [
        Matrix(f"{p}att.{tensor}.weight", p + site, width, width, TAKES[site])
        for site, tensor in square.items()
    ]
    return (
        *matrices,
        Matrix(f"{p}ffn.key.weight", p + "ffn.key", ffn, width, KEY),
        Matrix(f"{p}ffn.receptance.weight", p + "ffn.rec", width, width, RESIDUAL),
        Matrix(f"{p}ffn.value.weight", p + "ffn.val", width, ffn, RESIDUAL),
    )


def _block_stages(index: int, p: str, entry: str, state_words: int) -> tuple[GraphStage, ...]:
    stages: list[GraphStage] = []
    x = ("x", "in:" + entry)
    first, before = entry, ()  # type: tuple[str, tuple[GraphStep, ...]]
    if index == 0:
        stages += norm_stages("ln0", p, RESIDUAL, (entry,), (), x)
        first, before = p + "ln0.stat", (apply_norm("ln0", p, x, x[1]),)
    stages += norm_stages("ln1", p, RESIDUAL, (first,), before, x)
    stages.append(_mix("att", ("key", "rec", "val"), "ln1", p, x))
    stages.append(_wkv(p, state_words))
    residual = GraphStep("residual_add", (x, ("acc", f"acc:{p}att.out")))
    stages += norm_stages("ln2", p, RESIDUAL, (p + "att.out",), (residual,), x)
    stages.append(_mix("ffn", ("key", "rec"), "ln2", p, x))
    return (*stages, *_channel_mix(index, p, entry, x))


def _wkv(p: str, state_words: int) -> GraphStage:
    operands = (
        _threshold(f"{p}att.out"),
        *((site[0], f"acc:{p}att.{site}") for site in ("key", "rec", "val")),
        *((name, f"att.{name}") for name in ("u", "decay", "shift")),
        ("aa", "aa"),
        ("bb", "bb"),
        ("pp", "pp"),
        ("out", f"out:{p}att.out"),
    )
    needs = (p + "att.key", p + "att.rec", p + "att.val")
    step = GraphStep("wkv" if state_words == 2 else "wkv_plain", operands)
    return GraphStage("att.wkv", ATTENTION, "all", needs, (step,), (p + "att.out",))


def _threshold(site: str) -> tuple[str, str]:
    """The word that a kernel compares with before it sends events of a site."""
    return ("threshold", f"threshold:{site}")


def _mix(part: str, sites: tuple[str, ...], norm: str, p: str, x: tuple[str, str]) -> GraphStage:
    """Normalise, mix with the previous token for every site, remember this token."""
    letter = {"key": "k", "rec": "r", "val": "v"}
    steps = [apply_norm(norm, p, x, "norm")]
    for site in sites:
        operands = (
            _threshold(f"{p}{part}.{site}"),
            ("x", "norm"),
            ("prev", f"{part}.prev"),
            ("mu", f"{part}.time_mix_{letter[site]}"),
            ("out", f"out:{p}{part}.{site}"),
        )
        steps.append(GraphStep("token_shift_mix", operands))
    saved = (("x", "norm"), ("prev", f"{part}.prev"))
    steps.append(GraphStep("token_shift_save", saved))
    emits = tuple(f"{p}{part}.{site}" for site in sites)
    return GraphStage(f"{part}.mix", RESIDUAL, "all", (f"{p}{norm}.stat",), tuple(steps), emits)


def _channel_mix(index: int, p: str, entry: str, x: tuple[str, str]) -> list[GraphStage]:
    """relu^2 of the key, then the gated value joins the residual stream and moves on."""
    leaving = entry_site(index + 1)
    act = (
        _threshold(f"{p}ffn.val"),
        ("acc", f"acc:{p}ffn.key"),
        ("out", f"out:{p}ffn.val"),
    )
    gate = (x, ("r", f"acc:{p}ffn.rec"), ("v", f"acc:{p}ffn.val"))
    send = (x, ("out", "out:" + leaving))
    square, gated = GraphStep("relu2_fire", act), GraphStep("gate_residual", gate)
    return [
        GraphStage("ffn.act", KEY, "all", (p + "ffn.key",), (square,), (p + "ffn.val",)),
        GraphStage(
            "ffn.gate",
            RESIDUAL,
            "all",
            (p + "ffn.val", p + "ffn.rec"),
            (gated, GraphStep("send_dense", send)),
            (leaving,),
            frees=(entry,),
        ),
    ]
