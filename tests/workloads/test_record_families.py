"""Traces of OPT and RWKV-7: their events are those of other implementations, and count as MACs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from small_models import OPT, small_opt, small_rwkv7
from torch import Tensor

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from workloads.compiler import event_stream, lower, model_graph
from workloads.compiler.model_graph import choices_of
from workloads.families import FAMILIES
from workloads.models import Forward, Opt, Rwkv7
from workloads.models.opt import opt_site_names
from workloads.traces import ActivationTrace, count_macs, in_turns, read_trace, write_trace
from workloads.traces.record import record

TOKENS = list(b"It is a truth universally")
CONTEXT = 5
Seen = dict[str, Tensor]


def limits(model: Forward) -> dict[str, float]:
    """A threshold for every site, no two alike."""
    return {name: 0.2 + 0.01 * i for i, name in enumerate(model.site_names)}


def cut(x: Tensor, limit: float) -> Tensor:
    return torch.where(x.abs() > limit, x, torch.zeros_like(x))


def opt_seen(model: Opt, thresholds: dict[str, float]) -> tuple[Seen, int]:
    """The forward written out, all tokens at once, and the MACs of what its matrices take."""
    seen: Seen = {}
    macs = []
    w = {name.removeprefix("model.decoder."): tensor for name, tensor in model.weights.items()}

    def norm(name: str, x: Tensor) -> Tensor:
        x = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, False, keepdim=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name: str, x: Tensor, site: str = "") -> Tensor:
        if site:
            x = seen[site] = cut(x, thresholds.get(site, 0.0))
        events = x[CONTEXT:].count_nonzero() if site else x[CONTEXT:].numel()
        macs.append(int(events) * w[f"{name}.weight"].shape[0])
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embed_tokens.weight"][TOKENS] + w["embed_positions.weight"][2 : 2 + len(TOKENS)]
    for n in range(OPT.layers):
        p, piece = f"layers.{n}", OPT.width // OPT.heads
        a = norm(f"{p}.self_attn_layer_norm", x)
        q, k, v = (linear(f"{p}.self_attn.{x}_proj", a, f"{p}.self_attn.qkv") for x in "qkv")
        heads = []
        for h in (slice(i, i + piece) for i in range(0, OPT.width, piece)):
            scores = q[:, h] @ k[:, h].T / piece**0.5
            later = torch.ones_like(scores).triu(1).bool()
            heads.append(scores.masked_fill(later, -torch.inf).softmax(1) @ v[:, h])
        x = x + linear(f"{p}.self_attn.out_proj", torch.cat(heads, 1))
        c = linear(f"{p}.fc1", norm(f"{p}.final_layer_norm", x), f"{p}.fc1").clamp(min=0)
        x = x + linear(f"{p}.fc2", c, f"{p}.fc2")
    return seen, sum(macs)


def rwkv7_seen(model: Rwkv7, thresholds: dict[str, float]) -> tuple[Seen, int]:
    """All tokens at once with a tap of its own, and the MACs by the shapes of the matrices."""
    seen: Seen = {}

    def tap(name: str, x: Tensor) -> Tensor:
        seen[name] = cut(x, thresholds.get(name, 0.0))[0]
        return seen[name][None]

    model.sequence(torch.tensor([TOKENS]), tap=tap)
    readers = {"rec": "receptance", "key": "key", "val": "value", "out": "output"}
    thin = {"decay": "w", "rate": "a", "gate": "g"}
    total = 0
    for n in range(model.shape.layers):
        p, w = f"blocks.{n}.", model.weights
        rows = {f"att.{s}": w[f"{p}att.{m}.weight"].shape[0] for s, m in readers.items()}
        rows |= {f"ffn.{s}": w[f"{p}ffn.{readers[s]}.weight"].shape[0] for s in ("key", "val")}
        rows |= {f"att.{s}": w[f"{p}att.{m}1"].shape[1] for s, m in thin.items()}
        rows["att.val"] += w[f"{p}att.v1"].shape[1] if n else 0
        events = {s: int(seen[p + s][CONTEXT:].count_nonzero()) for s in rows}
        second = [f"{p}att.{m}2" for m in ("w", "a", "g", *("v" if n else ""))]
        dense = sum(w[name].numel() for name in second) * (len(TOKENS) - CONTEXT)
        total += sum(events[s] * rows[s] for s in rows) + dense
    return seen, total


FAMILY = {"opt": (small_opt, opt_seen), "rwkv7": (small_rwkv7, rwkv7_seen)}
families = pytest.mark.parametrize(("make", "look"), FAMILY.values(), ids=FAMILY)


@families
@pytest.mark.parametrize("sparse", [False, True], ids=["natural", "sparsified"])
def test_events_and_macs_are_those_of_torch(
    make: Callable[[], Any], look: Callable[..., tuple[Seen, int]], sparse: bool
) -> None:
    model = make()
    thresholds = limits(model) if sparse else {}
    trace = record(model, TOKENS, CONTEXT, thresholds, "sparsified" if sparse else "natural")
    seen, macs = look(model, thresholds)
    blocks = {name for name in trace.sites if name.startswith(("blocks.", "layers."))}
    assert blocks >= set(model.site_names)
    for name in blocks:
        wanted = seen[name][CONTEXT:].numpy()
        np.testing.assert_array_equal(trace.sites[name].mask, wanted != 0, err_msg=name)
        np.testing.assert_allclose(
            trace.sites[name].filled(), wanted, rtol=1e-4, atol=2e-5, err_msg=name
        )
    assert count_macs(trace).surviving == macs
    assert count_macs(trace).dense > macs
    assert {"emb", "head", "logits"} <= set(trace.sites)
    assert not trace.state


@families
def test_only_a_cache_makes_the_context_part_of_a_trace(
    make: Callable[[], Any], look: object
) -> None:
    whole, late = (record(make(), TOKENS, n) for n in (0, CONTEXT))
    assert late.sites == whole.slice(CONTEXT, len(TOKENS)).sites
    known = make().dimensions.family == "opt"
    assert (whole.context, late.context) == ((0, CONTEXT) if known else (None, None))
    assert late == whole.slice(CONTEXT, len(TOKENS))
    assert late.dense().context == late.context


def test_a_file_keeps_the_context_and_one_without_it_is_read_as_ever(tmp_path: Any) -> None:
    trace = record(small_opt(), TOKENS, CONTEXT)
    write_trace(tmp_path / "t", trace)
    assert read_trace(tmp_path / "t") == trace
    assert read_trace(tmp_path / "t").context == CONTEXT
    silent = replace(trace, context=None)
    write_trace(tmp_path / "s", silent)
    assert read_trace(tmp_path / "s").context is None
    assert silent.content_hash != trace.content_hash


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("-1", "metadata 'context' is '-1'; expected a whole number of tokens"),
        ("64", "context is 64; expected 0 … 63, to leave a position"),
    ],
)
def test_a_context_that_cannot_be(tmp_path: Any, said: str, words: str) -> None:
    from safetensors import safe_open

    write_trace(tmp_path / "t", record(small_opt(), TOKENS, CONTEXT))
    with safe_open(tmp_path / "t", "np") as file:
        header = {**file.metadata(), "context": said}
    save_file(load_file(tmp_path / "t"), tmp_path / "t", header)
    with pytest.raises(InputError, match=words):
        read_trace(tmp_path / "t")


def test_a_context_without_a_cache_is_refused() -> None:
    trace = record(small_rwkv7(), TOKENS[:2], 0)
    with pytest.raises(InputError, match="context is 3, but rwkv7 keeps no cache of tokens"):
        replace(trace, context=3)


def test_more_tokens_than_positions_are_refused_before_the_model_runs() -> None:
    words = (
        "model: 60 tokens of context and 5 to record are more than its 64 positions; lower "
        "workload.context or workload.tokens"
    )
    with pytest.raises(InputError) as caught:
        record(small_opt(), [1] * 65, 60)
    assert str(caught.value) == words


def stream_of(trace: ActivationTrace, context: int, sequences: int = 1) -> None:
    from workloads.compiler import MapSettings

    graph = model_graph("o", trace.shape, context=context)
    program = lower(graph, Chip("small", 8, 8), settings=MapSettings("grouped", batch=sequences))
    event_stream(program, trace)


def test_tokens_must_have_room_in_the_cache_that_is_paid_for() -> None:
    """Tokens 5 to 23: a cache of 24 holds them, one of 16 does not; two such likewise."""
    trace = record(small_opt(), TOKENS[:24], CONTEXT)
    stream_of(trace, 24)
    both = in_turns([trace, trace])
    stream_of(both, 24, sequences=2)
    words = r"its tokens reach to 24 of their sequence, but the cache has room for 16 \(mapping\.co"
    with pytest.raises(InputError, match=words):
        stream_of(trace, 16)
    with pytest.raises(InputError, match=words):
        stream_of(both, 16, sequences=2)
    stream_of(replace(trace, context=None), 16)  # nothing is known, as of drawn traces


def test_sequences_side_by_side_reach_as_far_as_the_farthest() -> None:
    trace = record(small_opt(), TOKENS, 0)
    assert in_turns([trace.slice(0, 4), trace.slice(8, 12)]).context == 8


def test_every_family_compiles_and_no_choice_of_another_is_taken() -> None:
    """The families' one table, the readers and the compiler's are of the same families."""
    from workloads.models.load import _READERS

    assert {"rwkv4", *_READERS} == set(FAMILIES)
    for name in FAMILIES:
        choices_of(name)
    shape = small_rwkv7().dimensions.stated()
    with pytest.raises(
        InputError,
        match=r"^mapping\.context is about a cache of keys and values, and m, of family rwkv7, has",
    ):
        model_graph("m", shape, context=64)
    assert opt_site_names(2) == small_opt().site_names
