"""A model of any family as compiler and value machine take it: graph, tensors, embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seneca_sim.functional.quantise import quantise
from workloads.compiler import LayerGraph, chip_tensors, model_graph
from workloads.compiler.model_graph import choices_of
from workloads.models.load import Loaded
from workloads.sparsity.thresholds import apply_threshold

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OntoChip:
    """What a chip needs to know of a model.

    Attributes:
        model: itself.
        shape: family and dimensions, as a trace states them.
        sites: full names of the sites that may have thresholds.
        tensors: what memories are filled from: matrices as outputs x inputs, vectors flat.
        embed: tokens of a sequence from its start -> what the host sends, [tokens, width].
    """

    model: Loaded
    shape: Mapping[str, str | int]
    sites: tuple[str, ...]
    tensors: Mapping[str, Floats]
    embed: Callable[[Sequence[int]], Floats]

    def graph(self, **choices: int) -> LayerGraph:
        """The layer graph, head in.

        Args:
            choices: as for `workloads.compiler.model_graph`; those of other families are left out.
        """
        own = choices_of(str(self.shape["family"]))
        mine = {key: value for key, value in choices.items() if key in own}
        return model_graph("on chip", self.shape, head="in", **mine)

    def recorded(self, tokens: Sequence[int], thresholds: Mapping[str, float]) -> dict[str, Floats]:
        """Run tokens from the empty state in torch: every tapped vector after its threshold."""
        seen: dict[str, Floats] = {}

        def tap(name: str, x: Tensor) -> Tensor:
            y = apply_threshold(x, thresholds[name]) if name in thresholds else x
            seen[name] = y[0].numpy().astype(np.float32)
            return y

        self.model.sequence(torch.tensor([list(tokens)]), tap=tap)
        return seen


def onto_chip(model: Loaded) -> OntoChip:
    """Describe a model to a chip.

    Raises:
        InputError: an RWKV-7 whose low-rank maps differ from block to block.
    """
    shape = model.dimensions
    tensors = chip_tensors(shape.family, {n: t.numpy() for n, t in model.weights.items()})

    def embed(tokens: Sequence[int]) -> Floats:
        return model.embedded(tokens).numpy()

    return OntoChip(model, shape.stated(), model.site_names, tensors, embed)


def rounded(chip: OntoChip, matrices: Sequence[str], bits: int) -> OntoChip:
    """The model whose matrices are those that INT8 or INT4 weights stand for.

    Args:
        chip: at full precision.
        matrices: names of the tensors that a program applies as such weights.
        bits: 8 or 4.
    """
    weights = dict(chip.model.weights)
    for name in matrices:
        stored = torch.from_numpy(quantise(chip.tensors[name], bits).dequantised())
        weights[name] = stored if stored.shape == weights[name].shape else stored.T.contiguous()
    return onto_chip(chip.model.with_weights(weights))
