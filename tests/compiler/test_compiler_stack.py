"""Stacks of Linear layers, rules of graphs, balance by events, layers in passes."""

import re
from dataclasses import replace

import numpy as np
import pytest
from builders import make_chip
from test_compiler_strategies import case

from seneca_sim.chip import Chip
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.functional import MemoryImage, run_values
from workloads.compiler import (
    LayerGraph,
    Linear,
    MapSettings,
    event_stream,
    lower,
    mask_stream,
    rwkv4_graph,
    stack,
)
from workloads.compiler.balance import activity_of
from workloads.compiler.choose import STRATEGIES
from workloads.compiler.graph_check import check_graph
from workloads.compiler.passes import in_passes, total_cycles
from workloads.compiler.tiles import even_tiling, event_tiling

ITEMS = [Linear(48, 96, bias=True), "relu", Linear(96, 40), Linear(40, 30, bias=True), "relu2",
         Linear(30, 10)]  # fmt: skip


def mlp(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    """The stack of `ITEMS` in plain numpy."""
    h = np.maximum(x @ w["layers.0.weight"].T + w["layers.0.bias"], 0) @ w["layers.1.weight"].T
    h = np.maximum(h @ w["layers.2.weight"].T + w["layers.2.bias"], 0) ** 2
    return h @ w["layers.3.weight"].T


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {}
    for i, item in enumerate(item for item in ITEMS if isinstance(item, Linear)):
        shape = (item.rows, item.columns)
        found[f"layers.{i}.weight"] = (rng.normal(size=shape) / shape[1] ** 0.5).astype(np.float32)
        if item.bias:
            found[f"layers.{i}.bias"] = rng.normal(size=item.rows).astype(np.float32)
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stack_computes(strategy: str) -> None:
    """Every strategy, also where the entry of a layer goes to tiles, and in a pipeline."""
    chip, w = make_chip(8, 8, data_memory_bits=2**16), weights()
    program = lower(stack("mlp", ITEMS), chip, settings=MapSettings(strategy=strategy))
    x = np.random.default_rng(1).normal(size=(3, 48)).astype(np.float32)
    found = list(run_values(program, MemoryImage.load(program, w), {"layers.0.in": x}))
    expected = mlp(x, w)
    assert np.allclose(
        [v["answer"] for v in found], expected, rtol=0, atol=1e-5 * abs(expected).max()
    )
    masks = {s.name: np.ones((5, s.width), np.bool_) for s in program.sites if s.kind == "events"}
    stream = mask_stream(program, masks, 5)
    assert simulate(chip, program, stream, mode="pipelined").cycles > 0


def test_sites_of_a_stack() -> None:
    kinds = {s.name: s.kind for layer in stack("mlp", ITEMS).layers for s in layer.sites}
    assert kinds == {
        "layers.0.in": "events",
        "layers.1.in": "events",
        "layers.2.in": "dense",
        "layers.3.in": "events",
        "answer": "dense",
    }
    assert stack("m", ITEMS, dense_input=True).layers[0].sites[0].kind == "dense"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "stack m: no Linear; expected"),
        (["relu"], "stack m: item 0, 'relu', does not follow a Linear"),
        ([Linear(4, 8), "rleu"], "stack m: item 1 is 'rleu'; did you mean 'relu'?"),
        ([Linear(4, 8), "relu", "relu"], "stack m: item 2, 'relu', does not follow a Linear"),
        ([Linear(4, 8), Linear(9, 2)], "item 1 takes 9 channels, but the Linear before it makes 8"),
        ([Linear(4, 8), "relu"], "stack m: ends with 'relu'; the last item must be a Linear"),
        ([Linear(0, 8)], "expected positive sizes"),
    ],
)
def test_no_stacks(items: list[Linear | str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        stack("m", items)


def changed(graph: LayerGraph, stage: str, **values: object) -> LayerGraph:
    first = graph.layers[0]
    stages = tuple(replace(s, **values) if s.name == stage else s for s in first.stages)  # type: ignore[arg-type]
    return replace(graph, layers=(replace(first, stages=stages), *graph.layers[1:]))


GRAPH = rwkv4_graph("r", {"layers": 1, "width": 16, "ffn": 32, "vocab": 8})


@pytest.mark.parametrize(
    ("stage", "values", "message"),
    [
        (
            "att.mix",
            {"needs": ("blocks.0.ln1.stat", "blocks.0.att.out")},
            "stages wait for each other within a token: blocks.0:att.mix -> blocks.0:att.wkv -> "
            "blocks.0:att.mix; carry it to the next token as a state",
        ),
        ("att.wkv", {"needs": ("blocks.0.att.kye",)}, "no site 'blocks.0.att.kye'; did you mean"),
        ("att.wkv", {"group": "atention"}, "in group 'atention', which the layer has not; did you"),
        ("att.wkv", {"emits": ("blocks.0.ffn.val",)}, "makes blocks.0.ffn.val, which"),
        ("att.wkv", {"emits": ()}, "nobody makes site blocks.0.att.out"),
    ],
)
def test_graphs_that_are_refused(stage: str, values: dict[str, object], message: str) -> None:
    check_graph(GRAPH)
    with pytest.raises(InputError, match=re.escape(message)):
        lower(changed(GRAPH, stage, **values), make_chip(4, 4))


def test_tiles_of_equal_events() -> None:
    """Half of the channels do nine tenths of the events, so they get nine tenths of the tiles."""
    events = np.concatenate((np.full(50, 0.9), np.full(50, 0.1)))
    tiling = event_tiling(events, 10)
    assert tiling is not None
    assert sum(bound < 50 for bound in tiling.bounds) >= 9
    shares = [events[a:b].sum() for a, b in zip(tiling.bounds, tiling.bounds[1:])]  # noqa: B905
    assert max(shares) < 1.25 * min(shares)
    assert event_tiling(np.full(12, 0.5), 4) == even_tiling(12, 4)
    assert event_tiling(np.array([1.0, 0.0, 0.0]), 3) is None


def test_balance_by_events() -> None:
    """Tiles of a trace with hot channels get nearer to the same work than tiles of equal width."""
    chip, trace = make_chip(12, 12), case().trace
    graph = rwkv4_graph("r", trace.shape)
    hot = {name: np.linspace(1, 0, a.size) ** 2 for name, a in activity_of(trace).items()}

    def spread(activity: dict[str, np.ndarray]) -> float:
        how = MapSettings(strategy="grouped", tiles={"ffn.val": 4}, activity=activity)
        program = lower(graph, chip, settings=how)
        tiles = {
            (r.column_low, r.column_low + r.columns)
            for r in program.regions
            if r.name == "weight:blocks.0.ffn.val"
        }
        work = [hot["blocks.0.ffn.val"][a:b].sum() for a, b in sorted(tiles)]
        assert len(work) == 4
        return max(work) / (sum(work) / 4)

    assert spread(hot) < 1.2 < spread({})


def hbm(chip: Chip) -> Chip:
    return replace(chip, memory=replace(chip.memory, kind="hbm"))


def test_layers_in_passes() -> None:
    """Pass after pass gives the logits of the whole program; loads and states are accounted for."""
    trace, w = case().trace, case().weights
    graph = rwkv4_graph("r", trace.shape)
    chip = hbm(make_chip(4, 3, data_memory_bits=200_000))
    with pytest.raises(CapacityError):
        lower(graph, chip)
    passes = in_passes(graph, chip, MapSettings(strategy="grouped"))
    assert [(p.first, p.last) for p in passes] == [(0, 0), (1, 2)]
    name, x, activities = "emb", w["emb.weight"][trace.tokens], []
    for each in passes:
        image = MemoryImage.load(each.program, w)
        if each.first == 0:
            image.set_layers(each.program, "pp", np.full((1, 96), -1e30, np.float32))
        else:
            image.set_layers(each.program, "pp", np.full((2, 96), -1e30, np.float32))
        vectors = list(run_values(each.program, image, {name: x}, thresholds=trace.thresholds))
        activities.append(simulate(chip, each.program, event_stream(each.program, trace)))
        name = "logits" if each is passes[-1] else "blocks.1.x"
        x = np.array([v[name] for v in vectors])
        held = sum(r.bits for r in each.program.regions if r.name.startswith("weight:"))
        assert held < each.load_bits < 1.2 * held
        # One channel for 16 cores of 32 bits a cycle: all bits one after another, then 135 ns.
        assert each.load_cycles == -(-each.load_bits // 32) + 68
    whole = lower(graph, make_chip(12, 12))
    image = MemoryImage.load(whole, w)
    image.set_layers(whole, "pp", np.full((2, 96), -1e30, np.float32))
    emb = {"emb": w["emb.weight"][trace.tokens]}
    expected = [v["logits"] for v in run_values(whole, image, emb, thresholds=trace.thresholds)]
    assert np.allclose(x, expected, rtol=0, atol=1e-5)
    assert total_cycles(passes, activities) == sum(
        p.load_cycles + a.cycles for p, a in zip(passes, activities, strict=True)
    )


def test_no_passes() -> None:
    graph = rwkv4_graph("r", case().trace.shape)
    with pytest.raises(InputError, match="has no off-core memory to load weights from"):
        in_passes(graph, make_chip(4, 3), MapSettings())
    with pytest.raises(
        CapacityError, match="even one layer at a time: layer 0 of 3 alone takes 15 cores"
    ):
        in_passes(graph, hbm(make_chip(1, 1, data_memory_bits=100_000)), MapSettings())
