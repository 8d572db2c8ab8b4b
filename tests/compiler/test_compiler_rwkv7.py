"""RWKV-7 as a layer graph: its values are the model's, its state is counted, its costs are by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from builders import make_chip

from seneca_sim.chip import Chip
from seneca_sim.engine import reference
from seneca_sim.engine.compiled import simulate
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.program import Program
from workloads.compiler import MapSettings, lower, mask_stream, rwkv7_graph, rwkv7_tensors
from workloads.families import FAMILIES
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


@pytest.mark.parametrize("strategy", ["grouped", "tiles-2d"])
@pytest.mark.parametrize("threshold", [0.0, 0.3])
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
        "head", "logits",
    }  # fmt: skip
    for name, expected in seen.items():
        mine = np.stack([vectors[name] for vectors in run])
        assert np.abs(mine - expected).max() <= 1e-5 * np.abs(expected).max(), name
