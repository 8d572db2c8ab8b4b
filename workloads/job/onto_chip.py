"""A model of any family as compiler and value machine take it: graph, tensors, embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seneca_sim.errors import InputError
from seneca_sim.functional.quantise import quantise
from workloads.compiler import LayerGraph, opt_graph, rwkv4_graph, rwkv7_graph, rwkv7_tensors
from workloads.models import Rwkv4
from workloads.models.load import Loaded
from workloads.models.opt import DECODER, POSITION_OFFSET, Opt, opt_site_names
from workloads.models.rwkv4 import site_names
from workloads.models.rwkv7 import Rwkv7, Rwkv7Shape
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

    def graph(self, *, context: int = 0, state_words: int = 2) -> LayerGraph:
        """The layer graph, head in.

        Args:
            context: tokens in the key-value cache of an OPT.
            state_words: of RWKV-4's recurrence.
        """
        sizes = {key: int(value) for key, value in self.shape.items() if key != "family"}
        if self.shape["family"] == "opt":
            return opt_graph("on chip", sizes, context=context)
        if self.shape["family"] == "rwkv7":
            return rwkv7_graph("on chip", sizes)
        return rwkv4_graph("on chip", sizes, state_words=state_words)

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
    if isinstance(model, Opt):
        return _opt(model)
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    s, table = model.shape, weights["emb.weight"]
    dimensions: dict[str, str | int] = {
        "layers": s.layers, "width": s.width, "ffn": s.ffn, "vocab": s.vocab
    }  # fmt: skip
    sites: tuple[str, ...]
    if isinstance(model, Rwkv4):
        dimensions, sites = {"family": "rwkv4", **dimensions}, tuple(site_names(s.layers))
    else:
        assert isinstance(s, Rwkv7Shape)
        dimensions |= {"heads": s.heads, **_ranks(model)}
        dimensions, sites = {"family": "rwkv7", **dimensions}, tuple(x.name for x in model.sites)
        weights = rwkv7_tensors(weights)
    return OntoChip(model, dimensions, sites, weights, lambda tokens: table[list(tokens)])


def _ranks(model: Rwkv7) -> dict[str, int]:
    found = {}
    for letter, rank in (("w", "decay"), ("a", "rate"), ("v", "value"), ("g", "gate")):
        blocks = range(1 if letter == "v" else 0, model.shape.layers)
        sizes = {model.weights[f"blocks.{n}.att.{letter}1"].shape[1] for n in blocks}
        if len(sizes) > 1:
            raise InputError(
                f"model: ranks of att.{letter}1 are {sorted(sizes)}; expected one for all blocks"
            )
        found[f"rank_{rank}"] = sizes.pop() if sizes else 1
    return found


def _opt(model: Opt) -> OntoChip:
    s = model.shape
    shape: dict[str, str | int] = {
        "family": "opt", "layers": s.layers, "width": s.width, "ffn": s.ffn, "vocab": s.vocab,
        "heads": s.heads, "positions": s.positions,
    }  # fmt: skip
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}

    def embed(tokens: Sequence[int]) -> Floats:
        places = weights[f"{DECODER}.embed_positions.weight"][POSITION_OFFSET:]
        rows = weights[f"{DECODER}.embed_tokens.weight"][list(tokens)]
        added: Floats = rows + places[: len(tokens)]
        return added

    return OntoChip(model, shape, opt_site_names(s.layers), weights, embed)


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
    # A family's shape is its model's own; the union of families cannot tell mypy so.
    return onto_chip(type(chip.model)(chip.model.shape, weights))  # type: ignore[arg-type]
