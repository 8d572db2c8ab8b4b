"""OPT as a short forward pass with a tap at every place where a threshold can sit.

One block is ``x + attention(LN(x))`` and then ``x + fc2(relu(fc1(LN(x))))``, with learned
positions at the bottom and the embedding once more as the head: OPT as published except for its
350M size, which norms after and not before. A block has three sites: the input of the query, key
and value matrices, which is one tensor, the input of fc1, and the input of fc2 behind the ReLU.

The state is the key-value cache. `Opt.step` and `Opt.sequence` run the same code, as those of
`workloads.models.rwkv4` do, and everything is computed in fp32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from seneca_sim.errors import InputError
from workloads.families import Shape
from workloads.models.forward import one_token
from workloads.models.sites import Tap, check_tokens, no_tap

OPT_SITES = ("self_attn.qkv", "fc1", "fc2")
"""The three sites of a block, in the order in which thresholds are searched."""

LN_EPS = 1e-5
POSITION_OFFSET = 2
"""Rows at the top of the position table that no position uses."""

DECODER = "model.decoder"


@dataclass(frozen=True)
class OptShape:
    """The six numbers that fix a model: blocks, D, F, V, heads and the longest sequence.

    Attributes:
        layers: blocks.
        width: D, channels between blocks.
        ffn: F, channels inside a block's feed-forward part.
        vocab: V, tokens.
        heads: of attention.
        positions: the longest sequence.
    """

    layers: int
    width: int
    ffn: int
    vocab: int
    heads: int
    positions: int

    def site_width(self, site: str) -> int:
        """Channels of a site of a block: F for ``fc2``, else D."""
        return self.ffn if site == "fc2" else self.width


def opt_site_names(layers: int) -> tuple[str, ...]:
    """Full names ``layers.{N}.{site}`` of all sites, in the order of the search."""
    return tuple(f"layers.{n}.{site}" for n in range(layers) for site in OPT_SITES)


class OptLayerState(NamedTuple):
    """Keys and values of the tokens so far in one block, (B, heads, t, D / heads) each."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class OptState:
    """The key-value cache of all blocks."""

    layers: tuple[OptLayerState, ...]

    @classmethod
    def zero(cls, shape: OptShape, batch: int = 1) -> "OptState":
        """The cache before the first token, for `batch` sequences."""
        empty = torch.zeros(batch, shape.heads, 0, shape.width // shape.heads)
        return cls((OptLayerState(empty, empty),) * shape.layers)

    @classmethod
    def stack(cls, layers: list[OptLayerState]) -> "OptState":
        """Put the states of the blocks, in order, into one."""
        return cls(tuple(layers))

    def layer(self, n: int) -> OptLayerState:
        """The state of block `n`."""
        return self.layers[n]

    @property
    def length(self) -> int:
        """Tokens seen so far."""
        return self.layers[0].keys.shape[2]


class Opt:
    """An OPT model with the weight names of transformers' ``OPTForCausalLM``.

    Args:
        shape: what the weights must fit; see `workloads.models.opt_reader` for the check.
        weights: name to tensor; kept as fp32.
    """

    def __init__(self, shape: OptShape, weights: Mapping[str, Tensor]) -> None:
        self.shape = shape
        self.weights: Mapping[str, Tensor] = {n: tensor.float() for n, tensor in weights.items()}

    @property
    def dimensions(self) -> Shape:
        """Family and dimensions."""
        s = self.shape
        return Shape("opt", s.layers, s.width, s.ffn, s.vocab, s.heads, s.positions)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Full names of all sites."""
        return opt_site_names(self.shape.layers)

    def with_weights(self, weights: Mapping[str, Tensor]) -> "Opt":
        """The same model with other tensors, each (…) as the one of its name."""
        return Opt(self.shape, weights)

    def embedded(self, tokens: Sequence[int]) -> Tensor:
        """Rows of tokens and of their positions, added, (T, D), which the host sends."""
        return self.embed(torch.tensor([list(tokens)]), no_tap)[0]

    def zero_state(self, batch: int = 1) -> OptState:
        """The state before the first token."""
        return OptState.zero(self.shape, batch)

    @torch.no_grad()
    def step(
        self, token: int, state: OptState | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, OptState]:
        """Run one token of one sequence; the tap sees vectors (channels,).

        Returns:
            logits (V,) and the state after the token.
        """
        return one_token(self.sequence, token, state, tap)

    @torch.no_grad()
    def sequence(
        self, tokens: Tensor, state: OptState | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, OptState]:
        """Run `tokens` (B, T), B sequences side by side; the tap sees (B, T, channels).

        Returns:
            logits (B, T, V) and the state after the last token.

        Raises:
            InputError: no token, one outside the vocabulary, or more than there are positions.
        """
        tap = tap or no_tap
        state = state or self.zero_state(tokens.shape[0])
        x = self.embed(tokens, tap, start=state.length)
        after: list[OptLayerState] = []
        for n in range(self.shape.layers):
            x, layer = self.block(n, x, state.layer(n), tap)
            after.append(layer)
        return self.head(x, tap), OptState.stack(after)

    def embed(self, tokens: Tensor, tap: Tap, start: int = 0) -> Tensor:
        """Tokens (B, T) at positions `start` on to the input of block 0, (B, T, D)."""
        self._check(tokens, start)
        rows = torch.arange(tokens.shape[1]) + start + POSITION_OFFSET
        word = self.weights[f"{DECODER}.embed_tokens.weight"][tokens]
        return tap("emb", word + self.weights[f"{DECODER}.embed_positions.weight"][rows])

    def block(
        self, n: int, x: Tensor, state: OptLayerState, tap: Tap
    ) -> tuple[Tensor, OptLayerState]:
        """Run block `n` on its input (B, T, D) after the tokens of `state`."""
        site, p = f"layers.{n}", f"{DECODER}.layers.{n}"
        a = tap(f"{site}.self_attn.qkv", self._norm(f"{p}.self_attn_layer_norm", x))
        mixed, after = self._attention(f"{p}.self_attn", a, state)
        x = x + self._linear(f"{p}.self_attn.out_proj", tap(f"{site}.self_attn.out", mixed))
        c = tap(f"{site}.fc1", self._norm(f"{p}.final_layer_norm", x))
        hidden = tap(f"{site}.fc2", torch.relu(self._linear(f"{p}.fc1", c)))
        return x + self._linear(f"{p}.fc2", hidden), after

    def head(self, x: Tensor, tap: Tap) -> Tensor:
        """Output of the last block (B, T, D) to logits (B, T, V)."""
        h = tap("head", self._norm(f"{DECODER}.final_layer_norm", x))
        return tap("logits", linear(h, self.weights[f"{DECODER}.embed_tokens.weight"]))

    def _attention(self, p: str, x: Tensor, state: OptLayerState) -> tuple[Tensor, OptLayerState]:
        q, k, v = (self._heads(self._linear(f"{p}.{w}_proj", x)) for w in "qkv")
        k, v = torch.cat((state.keys, k), 2), torch.cat((state.values, v), 2)
        past = state.keys.shape[2]
        seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(past)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return mixed.transpose(1, 2).reshape(x.shape), OptLayerState(k, v)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, heads, T, D / heads)."""
        return x.view(*x.shape[:2], self.shape.heads, -1).transpose(1, 2)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        w = self.weights
        return layer_norm(x, (x.shape[-1],), w[f"{name}.weight"], w[f"{name}.bias"], LN_EPS)

    def _check(self, tokens: Tensor, start: int) -> None:
        check_tokens(tokens, self.shape.vocab)
        end = start + tokens.shape[1]
        if end > self.shape.positions:
            raise InputError(
                f"model: {end} tokens in a sequence, and there are {self.shape.positions} "
                "positions; use a shorter window"
            )
