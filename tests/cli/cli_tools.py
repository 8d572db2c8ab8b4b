"""What the tests of the command line share."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from workloads.models import Rwkv4Shape
from workloads.models.layout import expected_shapes


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Answer]


def tiny_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = Rwkv4Shape(layers=2, width=32, ffn=64, vocab=256)
    weights = {}
    for name, size in expected_shapes(shape).items():
        noise = torch.randn(size, generator=generator)
        if ".time_mix_" in name:
            noise = torch.rand(size, generator=generator)
        elif len(size) == 2:
            noise = noise / size[1] ** 0.5
        weights[name] = noise
    return weights
