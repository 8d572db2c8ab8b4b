"""OPT as a layer graph: three sparse sites a block, and attention over a key-value cache.

A block has six groups. `residual`: the stream x with LayerNorms, and the rows of out_proj and fc2,
whose products are added to x. `query`, `key` and `value`: the rows of the three projections, which
take the same events. `heads`: one attention head a core, with the keys and values of `context`
tokens. `hidden`: the rows of fc1.

The projections lie apart from the heads, since one head's rows of all three would be more than a
core holds (2.7B at INT4: 80 x 3 rows of 2560 weights are 2.5 Mb); q, k and v go there as dense
vectors. What attention costs is that of a token whose cache is full.
"""

from __future__ import annotations

from collections.abc import Mapping

from seneca_sim.errors import InputError
from workloads.compiler.graph import (
    LANES,
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

HEADS, HIDDEN = "heads", "hidden"
PROJECTIONS = {"query": "q", "key": "k", "value": "v"}
"""Group -> its letter in the names of tensors."""
CONTEXT = 512
"""Tokens in the cache if nobody says how many."""
BLOCK = 8
"""Channels or tokens that a row of the attention kernels takes at once."""
DECODER = "model.decoder"
FIRST_NORM, SECOND_NORM = "self_attn_layer_norm", "final_layer_norm"
NUMBERS = ("layers", "width", "ffn", "vocab", "heads", "positions")


def opt_graph(
    name: str, shape: Mapping[str, int], *, context: int = CONTEXT, head: str = "in"
) -> LayerGraph:
    """Build the graph of a model of the six numbers of `workloads.models.opt.OptShape`.

    Args:
        name: of the workload.
        shape: the numbers.
        context: tokens that the cache has room for, and that attention is paid for.
        head: ``in`` computes the logits; ``out`` ends with the last LayerNorm's vector.

    Raises:
        InputError: a number is missing, not positive or does not go with another; or a model with
            an embedding of another width or with norms after each addition (OPT 350M).
    """
    sizes = _sizes(name, shape, context)
    if head not in ("in", "out"):
        raise InputError(f"graph of {name}: head is {head!r}; expected in or out")
    blocks = [_block(i, sizes, context) for i in range(sizes["layers"])]
    entry = _entry(sizes["layers"], sizes["width"])
    tied = f"{DECODER}.embed_tokens.weight" if head == "in" else ""
    last = head_layer(entry, SECOND_NORM, f"{DECODER}.{SECOND_NORM}", tied, sizes["vocab"])
    return LayerGraph(
        name,
        sizes["width"],
        (*blocks, last),
        "logits" if head == "in" else "head",
        tuple(sizes.items()),
        (("head", head), ("context", str(context))),
    )


def _sizes(name: str, shape: Mapping[str, int], context: int) -> dict[str, int]:
    sizes = {key: int(shape.get(key, 0)) for key in NUMBERS}
    for key, value in sizes.items():
        if value < 1:
            raise InputError(f"shape of {name}: {key} is {value}; expected a positive number")
    for key in ("embedding", "post_norm"):
        if key in shape:
            raise InputError(
                f"shape of {name} has {key}, as only OPT 350M does; it cannot be compiled, use "
                "another size"
            )
    if sizes["width"] % (BLOCK * sizes["heads"]):
        raise InputError(
            f"shape of {name}: width {sizes['width']} in {sizes['heads']} heads; expected heads of "
            f"whole blocks of {BLOCK} channels"
        )
    if context % BLOCK or not 0 < context <= sizes["positions"]:
        raise InputError(
            f"mapping.context is {context}; expected a multiple of {BLOCK}, up to the "
            f"{sizes['positions']} positions of {name}"
        )
    return sizes


def entry_site(layer: int) -> str:
    """Name of the residual stream's site on its way into a layer: `emb` from the host first."""
    return "emb" if layer == 0 else f"layers.{layer}.x"


def _entry(layer: int, width: int) -> GraphSite:
    return GraphSite(entry_site(layer), width, "dense", "peer", RESIDUAL, window="always")


def _block(index: int, sizes: Mapping[str, int], context: int) -> Layer:
    p, width, ffn = f"layers.{index}.", sizes["width"], sizes["ffn"]
    piece = width // sizes["heads"]
    own = [
        GraphSite(f"{p}self_attn.{letter}", width, "dense", "peer", HEADS)
        for letter in PROJECTIONS.values()
    ]
    return Layer(
        name=f"layers.{index}",
        entry=entry_site(index),
        groups=(
            Group(RESIDUAL, width),
            *(Group(name, width) for name in PROJECTIONS),
            Group(HEADS, width, piece),
            Group(HIDDEN, ffn),
        ),
        sites=(
            _entry(index, width),
            *norm_sites(p + FIRST_NORM, RESIDUAL),
            GraphSite(p + "self_attn.qkv", width, "events", "layer", "query"),
            *own,
            GraphSite(p + "self_attn.out", width, "dense", "layer", RESIDUAL),
            *norm_sites(p + SECOND_NORM, RESIDUAL),
            GraphSite(p + "fc1", width, "events", "layer", HIDDEN),
            GraphSite(p + "fc2", ffn, "events", "layer", RESIDUAL),
        ),
        vectors=(*_parameters(index, width, ffn), *_cache(width, piece, context)),
        matrices=_matrices(index, width, ffn),
        stages=_stages(index, piece, context),
    )


def _parameters(index: int, width: int, ffn: int) -> tuple[Vector, ...]:
    t = f"{DECODER}.layers.{index}."
    of = {f"self_attn.{letter}_proj.bias": name for name, letter in PROJECTIONS.items()}
    of |= dict.fromkeys(("self_attn.out_proj.bias", "fc2.bias"), RESIDUAL)
    for norm in (FIRST_NORM, SECOND_NORM):
        of |= dict.fromkeys((f"{norm}.weight", f"{norm}.bias"), RESIDUAL)
    return (
        *(Vector(name, width, group, tensor=t + name) for name, group in of.items()),
        Vector("fc1.bias", ffn, HIDDEN, tensor=t + "fc1.bias"),
        Vector("norm", width, RESIDUAL),
    )


def _cache(width: int, piece: int, context: int) -> tuple[Vector, ...]:
    """Keys and values of the tokens so far, which token this is, and room to work in."""
    return (
        Vector("keys", width, HEADS, words=piece, rows=context, state=True),
        Vector("values", width, HEADS, words=context, state=True),
        Vector("here", width, HEADS, rows=LANES, state=True),
        Vector("absent", width, HEADS, rows=context, state=True, tensor="lowest:"),
        Vector("scores", width, HEADS, rows=context),
        Vector("mixed", width, HEADS),
        Vector("inv", width, HEADS, rows=LANES),
        Vector("lanes", width, HEADS, rows=LANES),
        Vector("scale", width, HEADS, rows=1, tensor=f"inverse_root:{piece}"),
    )


def _matrices(index: int, width: int, ffn: int) -> tuple[Matrix, ...]:
    p, t = f"layers.{index}.", f"{DECODER}.layers.{index}."
    return (
        *(
            Matrix(f"{t}self_attn.{letter}_proj.weight", p + "self_attn.qkv", width, width, name)
            for name, letter in PROJECTIONS.items()
        ),
        Matrix(f"{t}self_attn.out_proj.weight", p + "self_attn.out", width, width, RESIDUAL),
        Matrix(f"{t}fc1.weight", p + "fc1", ffn, width, HIDDEN),
        Matrix(f"{t}fc2.weight", p + "fc2", width, ffn, RESIDUAL),
    )


def _stages(index: int, piece: int, context: int) -> tuple[GraphStage, ...]:
    p, entry, leaving = f"layers.{index}.", entry_site(index), entry_site(index + 1)
    x = ("x", "in:" + entry)
    attended = _added(p + "self_attn.out", "self_attn.out_proj.bias", x)
    send = GraphStep("send_dense", (x, ("out", "out:" + leaving)))
    return (
        *norm_stages(FIRST_NORM, p, RESIDUAL, (entry,), (), x),
        _fired(FIRST_NORM, p, "self_attn.qkv", x),
        *(_projected(p, name, letter) for name, letter in PROJECTIONS.items()),
        _attention(p, piece, context),
        *norm_stages(SECOND_NORM, p, RESIDUAL, (p + "self_attn.out",), attended, x),
        _fired(SECOND_NORM, p, "fc1", x),
        _hidden(p),
        GraphStage(
            "fc2.add", RESIDUAL, "all", (p + "fc2",), (*_added(p + "fc2", "fc2.bias", x), send),
            (leaving,), frees=(entry,),
        ),
    )  # fmt: skip


def _biased(acc: str, vector: str) -> GraphStep:
    return GraphStep("bias", (("acc", acc), ("bias", vector)))


def _added(site: str, vector: str, x: tuple[str, str]) -> tuple[GraphStep, ...]:
    """A product and its bias join the residual stream."""
    acc = f"acc:{site}"
    return _biased(acc, vector), GraphStep("residual_add", (x, ("acc", acc)))


def _fired(norm: str, p: str, site: str, x: tuple[str, str]) -> GraphStage:
    """Normalise and send what is above the site's threshold."""
    operands = (("threshold", f"threshold:{p}{site}"), ("x", "norm"), ("out", f"out:{p}{site}"))
    steps = (apply_norm(norm, p, x, "norm"), GraphStep("fire", operands))
    return GraphStage(f"{norm}.fire", RESIDUAL, "all", (f"{p}{norm}.stat",), steps, (p + site,))


def _projected(p: str, group: str, letter: str) -> GraphStage:
    acc, site = f"acc:{p}self_attn.qkv", f"{p}self_attn.{letter}"
    send = GraphStep("send_acc", (("acc", acc), ("out", "out:" + site)))
    steps = (_biased(acc, f"self_attn.{letter}_proj.bias"), send)
    return GraphStage(f"self_attn.{letter}", group, "all", (p + "self_attn.qkv",), steps, (site,))


def _attention(p: str, piece: int, context: int) -> GraphStage:
    """A head: its cache grows, scores, softmax, weighted sum."""
    q, k, v = (f"in:{p}self_attn.{letter}" for letter in PROJECTIONS.values())
    keys, values, scores = ("keys", "keys"), ("values", "values"), ("scores", "scores")
    mixed, inv = ("sum", "mixed"), ("inv", "inv")
    steps = (
        GraphStep(
            "attention_append",
            (("here", "here"), ("k", k), keys, ("v", v), values, ("absent", "absent")),
            over=piece,
        ),
        GraphStep("attention_start", (("absent", "absent"), scores), over=context),
        GraphStep("attention_scores", (("q", q), keys, scores), over=context, times=piece // BLOCK),
        GraphStep(
            "attention_softmax",
            (("scale", "scale"), scores, ("scratch", "lanes"), inv),
            over=context,
        ),
        GraphStep("attention_mix", (("weight", "scores"), values, mixed), times=context // BLOCK),
        GraphStep("attention_send", (mixed, inv, ("out", f"out:{p}self_attn.out"))),
    )
    needs = tuple(f"{p}self_attn.{letter}" for letter in PROJECTIONS.values())
    return GraphStage("self_attn.heads", HEADS, "all", needs, steps, (p + "self_attn.out",))


def _hidden(p: str) -> GraphStage:
    acc, site = f"acc:{p}fc1", p + "fc2"
    fire = GraphStep(
        "relu_fire", (("threshold", f"threshold:{site}"), ("acc", acc), ("out", f"out:{site}"))
    )
    return GraphStage(
        "fc1.relu", HIDDEN, "all", (p + "fc1",), (_biased(acc, "fc1.bias"), fire), (site,)
    )
