"""RWKV-7 as a layer graph: nine sparse sites a block, low-rank maps, and a state matrix a head.

A block has ten groups. `residual`: the stream x with LayerNorms and token shifts, and the rows of
W_o and W_v', whose products are added to x. `receptance`, `key` and `value`: the rows of W_r, W_k
and W_v. `decay`, `rate`, `mix` and `gate`: the rows of the first factors of the low-rank maps
(`mix` is that of the value residual, which block 0 lacks). `heads`: one head a core with its state,
and the rows of the second factors, which are needed there channel by channel. `hidden`: the rows of
W_k'.

Only what enters a matrix behind a token shift, W_o or W_v' is sparse; r, k, v, the inner vectors of
the low-rank maps and block 0's values travel dense. The latter go from block to block, from the
heads of one to the heads of the next, with a window of their own (docs/semantics.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

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
from workloads.compiler.rwkv4 import entry_site
from workloads.compiler.rwkv7_heads import HEADS, head_stage, head_vectors

HIDDEN = "hidden"
PROJECTIONS = {"receptance": "rec", "key": "key", "value": "val"}
"""Group, and name of its matrix -> the site that it takes."""
FACTORS = {"decay": ("w", "rank_decay", "decay"), "rate": ("a", "rank_rate", "rate"),
           "mix": ("v", "rank_value", "val"), "gate": ("g", "rank_gate", "gate")}  # fmt: skip
"""Group -> letter of the low-rank map, its inner width, the site that its first factor takes."""
SENDS = {"decay": "send_tanh", "rate": "send_acc", "mix": "send_acc", "gate": "send_sigmoid"}
"""Group -> the micro-kernel between the two factors."""
SHIFTS = {"rec": "r", "decay": "w", "key": "k", "val": "v", "rate": "a", "gate": "g"}
"""Site behind the first token shift -> letter of its tensor."""
NUMBERS = (
    "layers", "width", "ffn", "vocab", "heads", "rank_decay", "rank_rate", "rank_value",
    "rank_gate",
)  # fmt: skip
BLOCK = 8
"""Channels of a head that a row of the state's kernels takes at once."""


def rwkv7_graph(name: str, shape: Mapping[str, int], *, head: str = "in") -> LayerGraph:
    """Build the graph of a model of the nine numbers of a shape of family `rwkv7`.

    Args:
        name: of the workload.
        shape: the numbers: `NUMBERS`.
        head: ``in`` computes the logits; ``out`` ends with the last LayerNorm's vector.

    Raises:
        InputError: a number is missing, not positive or does not go with another.
    """
    sizes = _sizes(name, shape)
    if head not in ("in", "out"):
        raise InputError(f"graph of {name}: head is {head!r}; expected in or out")
    blocks = [_block(i, sizes) for i in range(sizes["layers"])]
    entry = _entry(entry_site(sizes["layers"]), sizes["width"])
    logits = "head.weight" if head == "in" else ""
    last = head_layer(entry, "ln_out", "ln_out", logits, sizes["vocab"])
    return LayerGraph(
        name,
        sizes["width"],
        (*blocks, last),
        "logits" if head == "in" else "head",
        tuple(sizes.items()),
        (("head", head),),
    )


def rwkv7_tensors(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """A checkpoint's tensors as the chip's memories are filled from them.

    BlinkDL's files hold the factors of low-rank maps as inputs x outputs and `r_k` as heads x
    channels; regions take matrices as outputs x inputs and flat vectors.

    Args:
        weights: float32 by BlinkDL's names.
    """
    found = dict(weights)
    for key, tensor in weights.items():
        last = key.rpartition(".")[2]
        if last == "r_k":
            found[key] = tensor.reshape(-1)
        elif last in {f"{letter}{n}" for letter, _, _ in FACTORS.values() for n in (1, 2)}:
            found[key] = np.ascontiguousarray(tensor.T)
    return found


def _sizes(name: str, shape: Mapping[str, int]) -> dict[str, int]:
    sizes = {key: int(shape.get(key, 0)) for key in NUMBERS}
    for key, value in sizes.items():
        if value < 1:
            raise InputError(f"shape of {name}: {key} is {value}; expected a positive number")
    if sizes["width"] % (BLOCK * sizes["heads"]):
        raise InputError(
            f"shape of {name}: width {sizes['width']} in {sizes['heads']} heads; expected heads of "
            f"whole blocks of {BLOCK} channels"
        )
    return sizes


def _entry(name: str, width: int) -> GraphSite:
    return GraphSite(name, width, "dense", "peer", RESIDUAL, window="always")


def factors(index: int) -> dict[str, tuple[str, str, str]]:
    """The low-rank maps of a block: block 0 has no value residual."""
    return {name: one for name, one in FACTORS.items() if index or name != "mix"}


def first_site(index: int) -> str:
    """The values of block 0 on their way into a block."""
    return f"blocks.{index}.att.first"


def _block(index: int, sizes: Mapping[str, int]) -> Layer:
    p, width, ffn = f"blocks.{index}.", sizes["width"], sizes["ffn"]
    maps = factors(index)
    return Layer(
        name=f"blocks.{index}",
        entry=entry_site(index),
        groups=(
            Group(RESIDUAL, width),
            *(Group(name, width) for name in PROJECTIONS),
            *(Group(name, sizes[rank]) for name, (_, rank, _) in maps.items()),
            Group(HEADS, width, width // sizes["heads"]),
            Group(HIDDEN, ffn),
        ),
        sites=_sites(index, sizes),
        vectors=(
            *_residual_vectors(p, _norms(index), width),
            *head_vectors(index, width, width // sizes["heads"]),
        ),
        matrices=_matrices(p, sizes, maps),
        stages=_stages(index, sizes),
    )


def _norms(index: int) -> tuple[str, ...]:
    return ("ln1", "ln2") if index else ("ln0", "ln1", "ln2")


def _sites(index: int, sizes: Mapping[str, int]) -> tuple[GraphSite, ...]:
    p, width = f"blocks.{index}.", sizes["width"]
    takers = {site: group for group, site in PROJECTIONS.items()}
    takers |= {site: group for group, (_, _, site) in factors(index).items() if site != "val"}
    first = GraphSite(first_site(index), width, "dense", "peer", HEADS, window="always")
    return (
        _entry(entry_site(index), width),
        *(site for norm in _norms(index) for site in norm_sites(p + norm, RESIDUAL)),
        *(GraphSite(f"{p}att.{site}", width, "events", "layer", takers[site]) for site in SHIFTS),
        *(GraphSite(f"{p}att.{x}", width, "dense", "peer", HEADS) for x in "rkv"),
        *(
            GraphSite(f"{p}att.{name}.inner", sizes[rank], "dense", "layer", HEADS)
            for name, (_, rank, _) in factors(index).items()
        ),
        *((first,) if index else ()),
        GraphSite(p + "att.out", width, "events", "layer", RESIDUAL),
        GraphSite(p + "ffn.key", width, "events", "layer", HIDDEN),
        GraphSite(p + "ffn.val", sizes["ffn"], "events", "layer", RESIDUAL),
    )


def _residual_vectors(p: str, norms: tuple[str, ...], width: int) -> tuple[Vector, ...]:
    names = [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]
    shifts = {f"att.x_{letter}": f"shift_{letter}:{p}att" for letter in SHIFTS.values()}
    shifts |= {"ffn.x_k": f"shift_k:{p}ffn"}
    return (
        *(Vector(name, width, RESIDUAL, tensor=p + name) for name in names),
        *(Vector(name, width, RESIDUAL, tensor=tensor) for name, tensor in shifts.items()),
        Vector("norm", width, RESIDUAL),
        *(Vector(f"{part}.prev", width, RESIDUAL, state=True) for part in ("att", "ffn")),
    )


def _matrices(
    p: str, sizes: Mapping[str, int], maps: Mapping[str, tuple[str, str, str]]
) -> tuple[Matrix, ...]:
    width, ffn = sizes["width"], sizes["ffn"]
    return (
        *(
            Matrix(f"{p}att.{group}.weight", f"{p}att.{site}", width, width, group)
            for group, site in PROJECTIONS.items()
        ),
        *(
            Matrix(f"{p}att.{letter}1", f"{p}att.{site}", sizes[rank], width, group)
            for group, (letter, rank, site) in maps.items()
        ),
        *(
            Matrix(f"{p}att.{letter}2", f"{p}att.{group}.inner", width, sizes[rank], HEADS)
            for group, (letter, rank, _) in maps.items()
        ),
        Matrix(f"{p}att.output.weight", p + "att.out", width, width, RESIDUAL),
        Matrix(f"{p}ffn.key.weight", p + "ffn.key", ffn, width, HIDDEN),
        Matrix(f"{p}ffn.value.weight", p + "ffn.val", width, ffn, RESIDUAL),
    )


def _stages(index: int, sizes: Mapping[str, int]) -> tuple[GraphStage, ...]:
    p, entry, leaving = f"blocks.{index}.", entry_site(index), entry_site(index + 1)
    x = ("x", "in:" + entry)
    stages: list[GraphStage] = []
    first, before = entry, ()  # type: tuple[str, tuple[GraphStep, ...]]
    if index == 0:
        stages += norm_stages("ln0", p, RESIDUAL, (entry,), (), x)
        first, before = p + "ln0.stat", (apply_norm("ln0", p, x, x[1]),)
    mixed = GraphStep("residual_add", (x, ("acc", f"acc:{p}att.out")))
    added = GraphStep("residual_add", (x, ("acc", f"acc:{p}ffn.val")))
    send = GraphStep("send_dense", (x, ("out", "out:" + leaving)))
    last = index == sizes["layers"] - 1
    return (
        *stages,
        *norm_stages("ln1", p, RESIDUAL, (first,), before, x),
        _shifted("att", SHIFTS, "ln1", p, x),
        *(_projected(p, group, site) for group, site in PROJECTIONS.items()),
        *(_inner(p, group, site) for group, (_, _, site) in factors(index).items()),
        head_stage(index, sizes["width"] // sizes["heads"], "" if last else first_site(index + 1)),
        *norm_stages("ln2", p, RESIDUAL, (p + "att.out",), (mixed,), x),
        _shifted("ffn", {"key": "k"}, "ln2", p, x),
        _hidden(p),
        GraphStage(
            "ffn.add", RESIDUAL, "all", (p + "ffn.val",), (added, send), (leaving,),
            frees=(entry,),
        ),
    )  # fmt: skip


def _shifted(
    part: str, sites: Mapping[str, str], norm: str, p: str, x: tuple[str, str]
) -> GraphStage:
    """Normalise, mix with the previous token for every site, remember this token."""
    steps = [apply_norm(norm, p, x, "norm")]
    for site, letter in sites.items():
        full = f"{p}{part}.{site}"
        operands = (
            ("threshold", f"threshold:{full}"),
            ("x", "norm"),
            ("prev", f"{part}.prev"),
            ("mu", f"{part}.x_{letter}"),
            ("out", f"out:{full}"),
        )
        steps.append(GraphStep("token_shift_mix", operands))
    steps.append(GraphStep("token_shift_save", (("x", "norm"), ("prev", f"{part}.prev"))))
    emits = tuple(f"{p}{part}.{site}" for site in sites)
    return GraphStage(f"{part}.mix", RESIDUAL, "all", (f"{p}{norm}.stat",), tuple(steps), emits)


def _projected(p: str, group: str, site: str) -> GraphStage:
    """r, k or v, on its way to the heads."""
    takes, leaves = f"{p}att.{site}", f"{p}att.{group[0]}"
    step = GraphStep("send_acc", (("acc", "acc:" + takes), ("out", "out:" + leaves)))
    return GraphStage(f"att.{group}", group, "all", (takes,), (step,), (leaves,))


def _inner(p: str, group: str, site: str) -> GraphStage:
    """The vector between the two factors of a low-rank map."""
    takes, leaves = f"{p}att.{site}", f"{p}att.{group}.inner"
    step = GraphStep(SENDS[group], (("acc", "acc:" + takes), ("out", "out:" + leaves)))
    return GraphStage(f"att.{group}.inner", group, "all", (takes,), (step,), (leaves,))


def _hidden(p: str) -> GraphStage:
    site = p + "ffn.val"
    operands = (
        ("threshold", f"threshold:{site}"),
        ("acc", f"acc:{p}ffn.key"),
        ("out", f"out:{site}"),
    )
    fire = GraphStep("relu2_fire", operands)
    return GraphStage("ffn.act", HIDDEN, "all", (p + "ffn.key",), (fire,), (site,))
