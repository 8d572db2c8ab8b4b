"""Small random RWKV-4 models, the same in every run."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from workloads.models import Rwkv4, Rwkv4Shape
from workloads.models.layout import expected_shapes

Weights = dict[str, Tensor]


def random_weights(shape: Rwkv4Shape, seed: int = 0) -> Weights:
    """Weights in the range of trained ones: decays from slow to instant, mixes in 0 .. 1."""
    gen = torch.Generator().manual_seed(seed)
    weights: Weights = {}
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
    return weights


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., Weights]:
    return random_weights


@pytest.fixture(scope="session")
def small_shape() -> Rwkv4Shape:
    return Rwkv4Shape(layers=2, width=8, ffn=20, vocab=256)


@pytest.fixture
def small_weights(small_shape: Rwkv4Shape) -> Weights:
    return random_weights(small_shape)


@pytest.fixture(scope="session")
def small_model(small_shape: Rwkv4Shape) -> Rwkv4:
    return Rwkv4(small_shape, random_weights(small_shape))
