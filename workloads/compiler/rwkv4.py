"""RWKV-4 as a layer graph: seven sparse sites a block, and all the dense work between them."""

from __future__ import annotations

from collections.abc import Mapping

from seneca_sim.errors import InputError
from workloads.compiler.graph import (
    GraphSite,
    GraphStage,
    GraphStep,
    Layer,
    LayerGraph,
    Matrix,
    Vector,
)

PARTIAL, STATISTIC = 2, 2
"""Values that a LayerNorm sends: (mean, M2) of a slice, then (mean, inverse deviation)."""


def rwkv4_graph(name: str, shape: Mapping[str, int], *, state_words: int = 2) -> LayerGraph:
    """Build the graph of a model of `layers` blocks, `width` D, `ffn` F and `vocab` V.

    Args:
        name: of the workload.
        shape: the four numbers.
        state_words: BF16 words for each sum of the wkv recurrence, 2 or 1; with one, cheaper and
            less exact (docs/kernels.md).

    Raises:
        InputError: a number is missing or not positive.
    """
    sizes = {key: int(shape.get(key, 0)) for key in ("layers", "width", "ffn", "vocab")}
    for key, value in sizes.items():
        if value < 1:
            raise InputError(f"shape of {name}: {key} is {value}; expected a positive number")
    if state_words not in (1, 2):
        raise InputError(f"graph of {name}: state_words is {state_words}; expected 1 or 2")
    blocks = [_block(i, sizes["width"], sizes["ffn"], state_words) for i in range(sizes["layers"])]
    layers = (*blocks, _head(sizes["layers"], sizes["width"], sizes["vocab"]))
    return LayerGraph(name, sizes["width"], layers, "logits", tuple(sizes.items()))


def entry_site(layer: int) -> str:
    """Name of the residual stream's site on its way into a layer: `emb` from the host first."""
    return "emb" if layer == 0 else f"blocks.{layer}.x"


def _block(index: int, width: int, ffn: int, state_words: int) -> Layer:
    p = f"blocks.{index}."
    entry = entry_site(index)
    norms = ("ln0", "ln1", "ln2") if index == 0 else ("ln1", "ln2")
    sites = [GraphSite(entry, width, "dense", "peer")]
    for norm in norms:
        sites += _norm_sites(p + norm)
    sites += [
        GraphSite(p + site, width, "events", "layer")
        for site in ("att.key", "att.rec", "att.val", "att.out", "ffn.key", "ffn.rec")
    ]
    sites.append(GraphSite(p + "ffn.val", ffn, "events", "layer"))
    return Layer(
        name=f"blocks.{index}",
        entry=entry,
        sites=tuple(sites),
        vectors=_block_vectors(p, norms, width, state_words),
        matrices=_block_matrices(p, width, ffn),
        stages=_block_stages(index, p, entry, width, ffn, state_words),
    )


def _norm_sites(norm: str) -> list[GraphSite]:
    return [
        GraphSite(norm + ".partial", 0, "dense", "owner", per_core=PARTIAL),
        GraphSite(norm + ".stat", STATISTIC, "dense", "layer", sender="owner"),
    ]


def _block_vectors(
    p: str, norms: tuple[str, ...], width: int, state_words: int
) -> tuple[Vector, ...]:
    parameters = [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]
    parameters += ["att.time_mix_k", "att.time_mix_r", "att.time_mix_v"]
    parameters += ["ffn.time_mix_k", "ffn.time_mix_r"]
    vectors = [Vector(name, width, tensor=p + name) for name in parameters]
    vectors.append(Vector("att.u", width, tensor=p + "att.time_first"))
    # The wkv kernel works in base 2, on two parameters made from time_decay (wkv.npe says how).
    vectors += [Vector(f"att.{v}", width, tensor=f"wkv_{v}:{p}att") for v in ("decay", "shift")]
    vectors += [Vector("norm", width), Vector("att.prev", width), Vector("ffn.prev", width)]
    vectors += [Vector(name, width, words=state_words) for name in ("aa", "bb")]
    vectors.append(Vector("pp", width))
    return tuple(vectors)


def _block_matrices(p: str, width: int, ffn: int) -> tuple[Matrix, ...]:
    square = {"att.key": "key", "att.rec": "receptance", "att.val": "value", "att.out": "output"}
    matrices = [
        Matrix(f"{p}att.{tensor}.weight", p + site, width, width) for site, tensor in square.items()
    ]
    return (
        *matrices,
        Matrix(f"{p}ffn.key.weight", p + "ffn.key", ffn, width),
        Matrix(f"{p}ffn.receptance.weight", p + "ffn.rec", width, width),
        Matrix(f"{p}ffn.value.weight", p + "ffn.val", width, ffn),
    )


def _block_stages(
    index: int, p: str, entry: str, width: int, ffn: int, state_words: int
) -> tuple[GraphStage, ...]:
    stages: list[GraphStage] = []
    x = ("x", "in:" + entry)
    first = entry
    if index == 0:
        stages += _norm("ln0", p, (entry,), (), x, width)
        first = p + "ln0.stat"
        before: tuple[GraphStep, ...] = (_apply("ln0", p, x, x[1], width),)
    else:
        before = ()
    stages += _norm("ln1", p, (first,), before, x, width)
    stages.append(_mix("att", ("key", "rec", "val"), "ln1", p, x, width))
    wkv = (
        _threshold(f"{p}att.out"),
        *((site[0], f"acc:{p}att.{site}") for site in ("key", "rec", "val")),
        *((name, f"att.{name}") for name in ("u", "decay", "shift")),
        ("aa", "aa"),
        ("bb", "bb"),
        ("pp", "pp"),
        ("out", f"out:{p}att.out"),
    )
    needs = (p + "att.key", p + "att.rec", p + "att.val")
    kernel = "wkv" if state_words == 2 else "wkv_plain"
    stages.append(
        GraphStage("att.wkv", "all", needs, (GraphStep(kernel, width, wkv),), (p + "att.out",))
    )
    residual = GraphStep("residual_add", width, (x, ("acc", f"acc:{p}att.out")))
    stages += _norm("ln2", p, (p + "att.out",), (residual,), x, width)
    stages.append(_mix("ffn", ("key", "rec"), "ln2", p, x, width))
    return (*stages, *_channel_mix(index, p, entry, x, width, ffn))


def _norm(
    norm: str,
    p: str,
    needs: tuple[str, ...],
    before: tuple[GraphStep, ...],
    x: tuple[str, str],
    width: int,
) -> list[GraphStage]:
    """Local moments go to the owner; its answer comes back by multicast."""
    partial, stat = p + norm + ".partial", p + norm + ".stat"
    own = (x, ("pad", "pad"), ("inv_n", "inv_n"), ("scratch", "scratch"), ("out", "out:" + partial))
    local = GraphStep("ln_stats", width, own)
    whole = (
        ("partial", "in:" + partial),
        ("share", "share"),
        ("inv_n", "inv_total"),
        ("scratch", "scratch"),
        ("out", "out:" + stat),
    )
    combine = GraphStep("ln_combine", 0, whole)
    return [
        GraphStage(norm + ".stats", "all", needs, (*before, local), (partial,)),
        GraphStage(norm + ".combine", "owner", (partial,), (combine,), (stat,)),
    ]


def _threshold(site: str) -> tuple[str, str]:
    """The word that a kernel compares with before it sends events of a site."""
    return ("threshold", f"threshold:{site}")


def _apply(norm: str, p: str, x: tuple[str, str], y: str, width: int) -> GraphStep:
    operands = (
        x,
        ("stat", f"in:{p}{norm}.stat"),
        ("gamma", norm + ".weight"),
        ("beta", norm + ".bias"),
        ("y", y),
    )
    return GraphStep("ln_apply", width, operands)


def _mix(
    part: str, sites: tuple[str, ...], norm: str, p: str, x: tuple[str, str], width: int
) -> GraphStage:
    """Normalise, mix with the previous token for every site, remember this token."""
    letter = {"key": "k", "rec": "r", "val": "v"}
    steps = [_apply(norm, p, x, "norm", width)]
    for site in sites:
        operands = (
            _threshold(f"{p}{part}.{site}"),
            ("x", "norm"),
            ("prev", f"{part}.prev"),
            ("mu", f"{part}.time_mix_{letter[site]}"),
            ("out", f"out:{p}{part}.{site}"),
        )
        steps.append(GraphStep("token_shift_mix", width, operands))
    saved = (("x", "norm"), ("prev", f"{part}.prev"))
    steps.append(GraphStep("token_shift_save", width, saved))
    emits = tuple(f"{p}{part}.{site}" for site in sites)
    return GraphStage(f"{part}.mix", "all", (f"{p}{norm}.stat",), tuple(steps), emits)


def _channel_mix(
    index: int, p: str, entry: str, x: tuple[str, str], width: int, ffn: int
) -> list[GraphStage]:
    """relu^2 of the key, then the gated value joins the residual stream and moves on."""
    leaving = entry_site(index + 1)
    act = (
        _threshold(f"{p}ffn.val"),
        ("acc", f"acc:{p}ffn.key"),
        ("out", f"out:{p}ffn.val"),
    )
    gate = (x, ("r", f"acc:{p}ffn.rec"), ("v", f"acc:{p}ffn.val"))
    send = (x, ("out", "out:" + leaving))
    return [
        GraphStage(
            "ffn.act",
            "all",
            (p + "ffn.key",),
            (GraphStep("relu2_fire", ffn, act),),
            (p + "ffn.val",),
        ),
        GraphStage(
            "ffn.gate",
            "all",
            (p + "ffn.val", p + "ffn.rec"),
            (GraphStep("gate_residual", width, gate), GraphStep("send_dense", width, send)),
            (leaving,),
            frees=entry,
        ),
    ]


def _head(index: int, width: int, vocab: int) -> Layer:
    entry = entry_site(index)
    x = ("x", "in:" + entry)
    sites = [
        GraphSite(entry, width, "dense", "peer"),
        *_norm_sites("ln_out"),
        GraphSite("head", width, "dense", "layer"),
        GraphSite("logits", vocab, "dense", "host"),
    ]
    vectors = [
        Vector(f"ln_out.{part}", width, tensor=f"ln_out.{part}") for part in ("weight", "bias")
    ]
    send = (("x", "norm"), ("out", "out:head"))
    answer = (("acc", "acc:head"), ("out", "out:logits"))
    stages = [
        *_norm("ln_out", "", (entry,), (), x, width),
        GraphStage(
            "head.norm",
            "all",
            ("ln_out.stat",),
            (_apply("ln_out", "", x, "norm", width), GraphStep("send_dense", width, send)),
            ("head",),
        ),
        GraphStage(
            "head.logits",
            "all",
            ("head",),
            (GraphStep("send_acc", vocab, answer),),
            ("logits",),
            frees=entry,
        ),
    ]
    return Layer(
        name="head",
        entry=entry,
        sites=tuple(sites),
        vectors=(*vectors, Vector("norm", width)),
        matrices=(Matrix("head.weight", "head", vocab, width),),
        stages=tuple(stages),
    )
