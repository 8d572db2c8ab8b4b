"""RWKV-7 as a layer graph: values are the model's, its state is counted, costs are by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from builders import make_chip
from same_bits import values_as_the_texts

from seneca_sim.chip import Chip, MemorySpec
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.engine import reference
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.program import Program
from seneca_sim.results.kinds import (
    EVENT_HANDLING,
    HOST,
    MATRICES,
    WKV,
    kernel_kind,
    site_kinds,
)
from workloads.compiler import MapSettings, lower, mask_stream, rwkv7_graph, rwkv7_tensors
from workloads.compiler.passes import in_passes
from workloads.families import FAMILIES, Shape
from workloads.models.rwkv7 import Rwkv7, Rwkv7Shape
from workloads.models.rwkv7_layout import expected_shapes, rwkv7

SIZES = {
    "layers": 3, "width": 32, "ffn": 64, "vocab": 40, "heads": 2, "rank_decay": 8, "rank_rate": 5,
    "rank_value": 4, "rank_gate": 12,
}  # fmt: skip
TOKENS = [3, 7, 1, 39, 0, 12, 5]
CHIP = make_chip(8, 8)


def graph(**options: Any) -> Any:
    return rwkv7_graph("r", SIZES, **options)


def program(chip: Chip = CHIP, **settings: Any) -> Program:
    return lower(graph(), chip, settings=MapSettings(**settings))


def random_model() -> Rwkv7:
    generator = torch.Generator().manual_seed(0)
    shape = Rwkv7Shape(*(SIZES[key] for key in ("layers", "width", "heads", "ffn", "vocab")))
    ranks = {"w": "rank_decay", "a": "rank_rate", "v": "rank_value", "g": "rank_gate"}
    thin = {
        f"blocks.{n}.att.{letter}1": torch.zeros(shape.width, SIZES[rank])
        for n in range(shape.layers)
        for letter, rank in ranks.items()
    }
    weights = {}
    for name, size in expected_shapes(shape, thin).items():
        noise = torch.randn(size, generator=generator)
        if ".x_" in name or name.endswith(".k_a"):
            noise = torch.rand(size, generator=generator)
        elif len(size) == 2:
            noise = noise * 2 / size[-1] ** 0.5
        elif name.endswith("weight"):
            noise = 1 + 0.1 * noise
        weights[name] = noise
    return rwkv7(weights)


def recorded(
    model: Rwkv7, thresholds: dict[str, float] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Every tap of the model, [tokens, width], before its threshold."""
    seen: dict[str, np.ndarray[Any, Any]] = {}

    def tap(name: str, x: torch.Tensor) -> torch.Tensor:
        seen[name] = x[0].numpy().copy()
        limit = (thresholds or {}).get(name, 0.0)
        return torch.where(x.abs() > limit, x, 0.0)

    model.sequence(torch.tensor([TOKENS]), tap=tap)
    return seen


@pytest.mark.parametrize(
    ("strategy", "threshold"),
    [
        ("grouped", 0.3),
        ("tiles-2d", 0.0),
        pytest.param("grouped", 0.0, marks=pytest.mark.nightly),
        pytest.param("tiles-2d", 0.3, marks=pytest.mark.nightly),
    ],
)
def test_values_are_those_of_the_model(strategy: str, threshold: float) -> None:
    """Several tokens, every site, against PyTorch's forward, with and without thresholds."""
    model = random_model()
    mapped = program(strategy=strategy)
    sparse = [s.name for s in mapped.sites if s.kind == "events"]
    thresholds = dict.fromkeys(sparse, threshold)
    seen = recorded(model, thresholds)
    tensors = rwkv7_tensors({k: v.numpy() for k, v in model.weights.items()})
    image = MemoryImage.load(mapped, tensors)
    rows = model.weights["emb.weight"][TOKENS].numpy()
    run = list(run_values(mapped, image, {"emb": rows}, thresholds=thresholds))
    kinds = FAMILIES["rwkv7"].kinds
    assert set(seen) == {f"blocks.{n}.{kind}" for n in range(3) for kind in kinds} | {
        "emb", "head", "logits",
    }  # fmt: skip
    for name, expected in seen.items():
        mine = np.stack([vectors[name] for vectors in run])
        assert np.abs(mine - expected).max() <= 1e-5 * np.abs(expected).max(), name


@pytest.mark.parametrize(
    "lanes",
    [pytest.param(4, marks=pytest.mark.nightly), pytest.param(8, marks=pytest.mark.nightly), 16],
)
def test_bits_are_those_of_the_kernels(lanes: int) -> None:
    """At BF16 all vectors and all of memory, by compiled functions and by the kernels' texts."""
    model = random_model()
    mapped = program(make_chip(8, 8, npes=lanes, line_bits=16 * lanes), strategy="grouped")
    tensors = rwkv7_tensors({k: v.numpy() for k, v in model.weights.items()})
    rows = model.weights["emb.weight"][TOKENS[:2]].numpy()
    assert len(values_as_the_texts(mapped, tensors, rows)) == 2


@pytest.mark.nightly
def test_bf16_is_near_fp32() -> None:
    model = random_model()
    mapped = program()
    tensors = rwkv7_tensors({k: v.numpy() for k, v in model.weights.items()})
    rows = model.weights["emb.weight"][TOKENS].numpy()
    fine, coarse = (
        np.stack([v["logits"] for v in run_values(mapped, image, {"emb": rows})])
        for image in (MemoryImage.load(mapped, tensors, p) for p in ("fp32", "bf16"))  # type: ignore[arg-type]
    )
    assert 0 < np.sqrt(np.mean((fine - coarse) ** 2) / np.mean(fine**2)) < 0.1


@pytest.mark.parametrize(
    ("bits", "mode", "window"),
    [
        ("int4", "generation", 2),
        pytest.param("bf16", "pipelined", 2, marks=pytest.mark.nightly),
        pytest.param("bf16", "pipelined", 1, marks=pytest.mark.nightly),
    ],
)
def test_both_engines_agree(bits: str, mode: Any, window: int) -> None:
    """Also where block 0's values must wait for the next block's heads."""
    chip = make_chip(8, 8, window=window)
    mapped = program(chip, bits=bits)
    random = np.random.default_rng(1)
    masks = {s.name: random.random((5, s.width)) < 0.5 for s in mapped.sites if s.kind == "events"}
    stream = mask_stream(mapped, masks, 5)
    mine = simulate(chip, mapped, stream, mode=mode)
    assert not mine.differences(reference.simulate(chip, mapped, stream, mode=mode))


@pytest.mark.nightly
def test_first_values_have_a_window() -> None:
    """Every head of every block but the last sends them on, and waits for the next block's."""
    mapped = program()
    sites = {s.name: i for i, s in enumerate(mapped.sites)}
    assert "blocks.0.att.first" not in sites
    for n in (1, 2):
        routes = [r for r in mapped.routes if r.site == sites[f"blocks.{n}.att.first"]]
        assert len(routes) == 2
        assert all(r.window and r.high - r.low == 16 for r in routes)
    assert "blocks.3.att.first" not in sites


def test_the_state_is_in_the_memory_map() -> None:
    mapped = program(bits="int8", batch=3)
    bits = sum(r.bits for r in mapped.regions if r.name == "state")
    assert bits == 3 * 3 * 2 * 16 * 16 * 16  # layers, sequences, heads, N x N words of 16 bits
    heads = [s for s in mapped.stages if s.name == "att.heads"]
    assert len(heads) == len({s.core for s in heads}) == 3 * 2


def test_rows_of_a_head_by_hand() -> None:
    """A head of 64 channels on 8 lanes: 64 values x 64 keys are 8 x 8 rows of eight keys."""
    sizes = {**SIZES, "layers": 2, "width": 128}
    mapped = lower(rwkv7_graph("r", sizes), make_chip(8, 8), settings=MapSettings(bits="int4"))
    stage = next(s for s in mapped.stages if s.name == "att.heads" and s.layer == 1)
    rows = {s.kernel: s.rows for s in stage.steps if s.kernel.startswith("wkv7")}
    assert rows == {
        "wkv7_decay": 8, "wkv7_key": 8, "wkv7_value": 8, "wkv7_read": 64, "wkv7_write": 64,
        "wkv7_send": 8,
    }  # fmt: skip
    cycles = {name: load_kernel(name).cost(n).cycles for name, n in rows.items()}
    assert cycles["wkv7_read"] == 64 * (1 + 8 * 4 + 1) == 2176
    assert cycles["wkv7_write"] == 64 * (3 + 8 * 14 + 1) == 7424


def test_macs_of_the_program_are_those_of_the_family() -> None:
    """Weights in memory, padded columns left out, against the closed form."""
    shape = Shape("rwkv7", **SIZES)
    weights = sum(m.rows * m.columns for layer in graph(head="out").layers for m in layer.matrices)
    assert weights == FAMILIES["rwkv7"].block_macs(shape)


@pytest.mark.nightly
def test_kinds_of_dense_work() -> None:
    mapped = program()
    kinds = dict(zip((s.name for s in mapped.sites), site_kinds(mapped), strict=True))
    assert kinds["blocks.0.att.r"] == WKV
    assert kinds["blocks.1.att.first"] == HOST  # windowed, as the residual stream
    assert kinds["blocks.1.att.mix.inner"] == MATRICES
    assert kinds["blocks.1.att.val"] == EVENT_HANDLING
    assert {kernel_kind(f"wkv7_{x}", WKV) for x in ("key", "read", "write", "send")} == {WKV}
    assert kernel_kind("send_tanh", MATRICES) == MATRICES


def test_refusals() -> None:
    with pytest.raises(InputError, match="shape of r: rank_gate is 0; expected a positive number"):
        rwkv7_graph("r", {**SIZES, "rank_gate": 0})
    with pytest.raises(InputError, match="width 32 in 8 heads; expected heads of whole blocks"):
        rwkv7_graph("r", {**SIZES, "heads": 8})
    with pytest.raises(InputError, match="head is 'no'; expected in or out"):
        graph(head="no")
    with pytest.raises(CapacityError, match="group heads has a core for each piece"):
        program(strategy="output-split")
    small = make_chip(4, 4, memory=MemorySpec(kind="hbm"))
    with pytest.raises(InputError, match=r"but blocks\.0 also sends blocks\.1\.att\.f"):
        in_passes(graph(), small, MapSettings())
