"""Multiply-accumulates of a run, of a trace and of an evaluation: one definition, three counts."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from builders import make_chip

from seneca_sim.chip import MemorySpec
from seneca_sim.engine.compiled import simulate
from seneca_sim.engine.passes import simulate_passes
from seneca_sim.program import EventStream, Program
from seneca_sim.results.sparsity import Work, sparsity_by_stem, work_of
from workloads.compiler import (
    LayerGraph,
    MapSettings,
    event_stream,
    lower,
    opt_graph,
    rwkv4_graph,
    rwkv7_graph,
)
from workloads.compiler.balance import activity_of
from workloads.compiler.passes import compile_passes
from workloads.families import FAMILIES, Shape
from workloads.models import Rwkv4, Rwkv4Shape
from workloads.models.layout import expected_shapes
from workloads.models.opt import Opt, OptShape
from workloads.models.opt_reader import opt_tensor_shapes
from workloads.models.rwkv7 import Rwkv7Shape
from workloads.models.rwkv7_layout import expected_shapes as rwkv7_tensors
from workloads.models.rwkv7_layout import rwkv7
from workloads.models.sited import AnyModel, sited
from workloads.sparsity.stats import ZeroCount, weighted_sparsity
from workloads.traces import ActivationTrace, count_macs, mac_ratio, synthesise

SHAPES = {
    "rwkv4": Shape("rwkv4", 2, 96, 160, 50),
    "opt": Shape("opt", 2, 32, 64, 40, heads=4, positions=64),
    "rwkv7": Shape("rwkv7", 3, 32, 64, 40, heads=2, rank_decay=8, rank_rate=5, rank_value=4,
                   rank_gate=12),
}  # fmt: skip
GRAPHS: dict[str, Callable[..., LayerGraph]] = {
    "rwkv4": rwkv4_graph,
    "opt": opt_graph,
    "rwkv7": rwkv7_graph,
}
BIG = make_chip(12, 12)
SMALL = make_chip(12, 12, data_memory_bits=200_000)
WAYS: dict[str, dict[str, Any]] = {
    "auto": {},
    "output-split": {"strategy": "output-split"},
    "grouped": {"strategy": "grouped"},
    "mixed": {"strategy": "mixed"},
    "input-split": {"strategy": "input-split"},
    "tiles-2d": {"strategy": "tiles-2d"},
    "layer-regions": {"strategy": "layer-regions"},
    "batch": {"strategy": "grouped", "batch": 2},
    "tiles": {"strategy": "grouped", "tiles": {"att.key": 2, "ffn.val": 3}},
}
NOW = ("output-split", "mixed", "tiles-2d", "batch", "tiles")
LATER = ("auto", "input-split")
TOKENS = 4


def graph(family: str) -> LayerGraph:
    stated = {k: int(v) for k, v in SHAPES[family].stated().items() if k != "family"}
    more: dict[str, Any] = {"context": 16} if family == "opt" else {}
    return GRAPHS[family](family, stated, **more)


def trace(family: str, share: float = 0.4) -> ActivationTrace:
    """Every kind of site at a density of its own."""
    kinds = FAMILIES[family].kinds
    densities = {kind: min(1.0, share + 0.05 * n) for n, kind in enumerate(kinds)}
    stated: Any = SHAPES[family].stated()
    return synthesise(stated, densities, tokens=TOKENS, seed=3)


def run(program: Program, stream: EventStream, chip: Any) -> Work:
    return work_of(program, simulate_passes(simulate, chip, program, stream, mode="pipelined"))


def check_way(family: str, found: ActivationTrace, how: Mapping[str, Any]) -> None:
    chip = SMALL if family == "rwkv4" else BIG
    program = lower(graph(family), chip, settings=MapSettings(**how))
    check(program, found, chip)


def check(program: Program, found: ActivationTrace, chip: Any) -> None:
    """A dense run skips nothing; what a sparse one does and skips is what its trace says."""
    family, shape = FAMILIES[found.shape["family"]], SHAPES[found.shape["family"]]
    dense_stream = event_stream(program, found.dense())
    dense = run(program, dense_stream, chip)
    assert dense.sparsity == 0
    assert set(sparsity_by_stem(program, dense_stream).values()) == {0}
    assert dense.blocks == TOKENS * family.block_macs(shape)
    assert dense.head == TOKENS * family.head_macs(shape)

    work, macs = run(program, event_stream(program, found), chip), count_macs(found)
    assert work.sparse_if_dense + work.dense == TOKENS * family.block_macs(shape)
    assert (work.blocks, work.head, work.dense) == (macs.surviving, macs.head, dense.dense)
    assert work.sparsity == pytest.approx(macs.sparsity, abs=1e-12)
    assert dense.blocks / work.blocks == pytest.approx(mac_ratio(found.dense(), found), rel=1e-12)


@pytest.mark.parametrize(
    "way", [*NOW, *(pytest.param(w, marks=pytest.mark.nightly) for w in WAYS if w not in NOW)]
)
def test_rwkv4_however_it_is_mapped(way: str) -> None:
    check_way("rwkv4", trace("rwkv4"), WAYS[way])


@pytest.mark.parametrize(
    "strategy",
    ["grouped", "tiles-2d", *(pytest.param(s, marks=pytest.mark.nightly) for s in LATER)],
)
@pytest.mark.parametrize("family", ["opt", "rwkv7"])
def test_other_families_however_they_are_mapped(family: str, strategy: str) -> None:
    """Their blocks have matrices that are never skipped."""
    check_way(family, trace(family), {"strategy": strategy})


def test_columns_by_events() -> None:
    found = trace("rwkv4")
    check_way("rwkv4", found, {**WAYS["tiles"], "activity": activity_of(found)})


def test_a_chip_that_is_too_small() -> None:
    """Passes, each with the head of its own last layer."""
    chip = make_chip(4, 4, memory=MemorySpec(kind="hbm"))
    program = compile_passes(graph("opt"), chip, MapSettings(), 2)
    assert len(program.passes) == 2
    check(program, trace("opt"), chip)


def model_of(family: str) -> AnyModel:
    shape = SHAPES[family]
    if family == "rwkv4":
        sizes = Rwkv4Shape(shape.layers, shape.width, shape.ffn, shape.vocab)
        return Rwkv4(sizes, {n: torch.zeros(s) for n, s in expected_shapes(sizes).items()})
    if family == "opt":
        opt = OptShape(shape.layers, shape.width, shape.ffn, shape.vocab, 4, 64)
        return Opt(opt, {n: torch.zeros(s) for n, s in opt_tensor_shapes(opt).items()})
    ranks = {"w": shape.rank_decay, "a": shape.rank_rate, "v": shape.rank_value,
             "g": shape.rank_gate}  # fmt: skip
    thin = {
        f"blocks.{n}.att.{letter}1": torch.zeros(shape.width, rank or 0)
        for n in range(shape.layers)
        for letter, rank in ranks.items()
    }
    seven = Rwkv7Shape(shape.layers, shape.width, 2, shape.ffn, shape.vocab)
    return rwkv7({n: torch.zeros(s) for n, s in rwkv7_tensors(seven, thin).items()})


@pytest.mark.parametrize("family", FAMILIES)
def test_an_evaluation_counts_as_a_trace_does(family: str) -> None:
    """Thresholds of a model and events of a trace skip the same share of the same MACs."""
    model, found = sited(model_of(family)), trace(family)
    assert model.block_macs == FAMILIES[family].block_macs(SHAPES[family])
    with_site = {site.name for site in model.sites}
    sites = {n: s if n in with_site else s.dense() for n, s in found.sites.items()}
    found = ActivationTrace(found.shape, "m", "x", np.zeros(TOKENS, np.int32), sites)
    counts = {
        name: ZeroCount(site.mask.size - site.survivors, site.mask.size)
        for name, site in found.sites.items()
    }
    expected = count_macs(found).sparsity
    assert 0 < expected < 1
    assert weighted_sparsity(counts, model) == pytest.approx(expected, abs=1e-12)
