"""A head of RWKV-7: its vectors, and the stage that runs the delta rule on its state."""

from __future__ import annotations

from dataclasses import replace

from workloads.compiler.graph import LANES, GraphStage, GraphStep, Vector

HEADS = "heads"
BLOCK = 8
"""Keys that a row of wkv7_read and wkv7_write takes at once."""
_PARAMETERS = ("w0", "a0", "k_k", "k_a", "r_k", "ln_x.weight", "ln_x.bias")


def head_vectors(index: int, width: int, piece: int) -> tuple[Vector, ...]:
    """Parameters, state and room to work in; `piece` channels a head.

    The state of a head is `piece` columns, the keys, of `piece` values.
    """
    names = (*_PARAMETERS, "v0") if index else _PARAMETERS
    return (
        *(Vector(f"att.{n}", width, HEADS, tensor=f"blocks.{index}.att.{n}") for n in names),
        Vector("state", width, HEADS, words=piece, state=True),
        *(Vector(f"head.{n}", width, HEADS) for n in ("decay", "removed", "back", "held", "y")),
        *(Vector(f"head.{n}", width, HEADS, rows=LANES) for n in ("bonus", "scratch")),
        Vector("head.pad", width, HEADS, rows=LANES, tensor=f"padding:{piece}"),
        Vector("head.inv_n", width, HEADS, rows=1, tensor=f"inverse:{piece}"),
    )


def head_stage(index: int, piece: int, leaving: str) -> GraphStage:
    """From r, k, v and the low-rank maps to the gated output of a head.

    Args:
        index: of the block.
        piece: channels of a head.
        leaving: the site on which block 0's values go on; "" in the last block.
    """
    p = f"blocks.{index}.att."
    first = (f"{p}first",) if index else ()
    maps = ("decay", "rate", "mix", "gate") if index else ("decay", "rate", "gate")
    steps = [
        _step("wkv7_decay", acc=f"acc:{p}decay.inner", w0="att.w0", decay="head.decay"),
        _key(p),
    ]
    if index:
        mixed = {"first": f"in:{p}first", "acc": f"acc:{p}mix.inner", "v0": "att.v0"}
        steps.append(_step("wkv7_value", v=f"in:{p}v", **mixed))
    steps += [*_delta_rule(p, piece), _send(p)]
    if leaving:
        steps.append(_step("send_dense", x=f"in:{first[0] if first else p + 'v'}",
                           out="out:" + leaving))  # fmt: skip
    return GraphStage(
        "att.heads",
        HEADS,
        "all",
        (*(p + x for x in "rkv"), *(f"{p}{name}.inner" for name in maps), *first),
        tuple(steps),
        (f"{p}out", leaving) if leaving else (f"{p}out",),
        frees=first,
    )


def _step(kernel: str, **operands: str) -> GraphStep:
    return GraphStep(kernel, tuple(operands.items()))


def _key(p: str) -> GraphStep:
    return _step(
        "wkv7_key",
        **{"k": f"in:{p}k", "r": f"in:{p}r", "acc": f"acc:{p}rate.inner"},
        **{name: f"att.{name}" for name in ("k_k", "k_a", "r_k", "a0")},
        **{name: f"head.{name}" for name in ("removed", "back", "bonus", "scratch")},
    )


def _delta_rule(p: str, piece: int) -> tuple[GraphStep, ...]:
    """Both passes over the state, `piece` / 8 times the rows of the head's values."""
    read = _step("wkv7_read", removed="head.removed", state="state", held="head.held")
    write = _step(
        "wkv7_write",
        **{name: f"head.{name}" for name in ("decay", "back", "held", "y")},
        **{name: f"in:{p}{name}" for name in "krv"},
        state="state",
    )
    times = piece // BLOCK
    return replace(read, times=times), replace(write, times=times)


def _send(p: str) -> GraphStep:
    scratch = ("y", "bonus", "held", "pad", "inv_n", "scratch")
    return _step(
        "wkv7_send",
        threshold=f"threshold:{p}out",
        gamma="att.ln_x.weight",
        beta="att.ln_x.bias",
        v=f"in:{p}v",
        acc=f"acc:{p}gate.inner",
        out=f"out:{p}out",
        **{name: f"head.{name}" for name in scratch},
    )
