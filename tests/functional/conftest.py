"""Small random RWKV-4 models with a trace of each and a program for each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.program import Program
from workloads import zoo
from workloads.compiler import MapSettings, lower, rwkv4_graph
from workloads.models import Rwkv4, Rwkv4Shape, load_model, site_names
from workloads.models.layout import expected_shapes
from workloads.traces import ActivationTrace
from workloads.traces.record import record

ZOO_MODEL = "rwkv4-byte-6x256"


@dataclass(frozen=True)
class Case:
    """A model, its fp32 tensors, what it did on a text, and the program that should do the same."""

    model: Rwkv4
    weights: Mapping[str, NDArray[np.float32]]
    trace: ActivationTrace
    program: Program


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_model(shape: Rwkv4Shape, seed: int) -> Rwkv4:
    """Weights in the range of trained ones: decays from slow to instant, mixes in 0 .. 1."""
    gen = torch.Generator().manual_seed(seed)
    weights = {}
    for name, size in expected_shapes(shape).items():
        noise = torch.randn(size, generator=gen)
        if ".time_mix_" in name:
            noise = torch.rand(size, generator=gen)
        elif name.endswith("time_decay"):
            noise = torch.rand(size, generator=gen) * 8 - 5
        elif name.endswith(".weight") and len(size) == 1:
            noise = 1 + 0.1 * noise
        elif len(size) == 2:
            noise = noise / size[1] ** 0.5
        weights[name] = noise
    return Rwkv4(shape, weights)


def random_thresholds(layers: int, seed: int) -> dict[str, float]:
    """A threshold for two sites of three, in the middle of what small models compute."""
    rng = np.random.default_rng(seed)
    return {n: float(rng.uniform(0.05, 0.6)) for n in site_names(layers) if rng.random() < 2 / 3}


def arrays(model: Rwkv4) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.numpy() for name, tensor in model.weights.items()}


@cache
def build_case(
    size: tuple[int, int, int, int] = (2, 24, 40, 17),
    cores: int = 2,
    *,
    sparsified: bool = True,
    tokens: int = 5,
    context: int = 3,
    seed: int = 0,
) -> Case:
    """`size` is layers, width, FFN, vocabulary; `cores` are those of a layer."""
    shape = Rwkv4Shape(*size)
    model = random_model(shape, seed)
    text = np.random.default_rng(seed).integers(0, shape.vocab, context + tokens).tolist()
    thresholds = random_thresholds(shape.layers, seed) if sparsified else None
    variant = "sparsified" if sparsified else "natural"
    trace = record(model, text, context, thresholds, variant, name="random")
    program = lower(rwkv4_graph("random", trace.shape), Chip("test"), cores)
    return Case(model, arrays(model), trace, program)


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    return build_case


@pytest.fixture(scope="session")
def case() -> Case:
    return build_case()


@pytest.fixture(scope="session")
def short() -> Case:
    """For hundreds of faults: three cores with slices of different sizes, two tokens."""
    return build_case((1, 32, 40, 24), 3, tokens=2)


@pytest.fixture(scope="session")
def zoo_model() -> Rwkv4:
    return load_model(zoo.weights_path(ZOO_MODEL))


@pytest.fixture(scope="session")
def zoo_program(zoo_model: Rwkv4) -> Program:
    shape = zoo_model.shape
    sizes = {"layers": shape.layers, "width": shape.width, "ffn": shape.ffn, "vocab": shape.vocab}
    how = MapSettings(strategy="output-split")  # what a search for the best one would find
    return lower(rwkv4_graph(ZOO_MODEL, sizes), Chip("test"), settings=how)


@pytest.fixture(scope="session", params=["natural", "sparsified"])
def zoo_case(request: pytest.FixtureRequest, zoo_model: Rwkv4, zoo_program: Program) -> Case:
    variant: str = request.param
    thresholds = zoo.recipe(f"{ZOO_MODEL}-1.0005").thresholds if variant == "sparsified" else None
    text = list(zoo.prompt_text()[:20])
    trace = record(zoo_model, text, 16, thresholds, variant)
    return Case(zoo_model, arrays(zoo_model), trace, zoo_program)
