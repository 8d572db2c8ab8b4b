"""RWKV-4 as a short forward pass with a tap at every place where a threshold can sit.

One block is ``x + TM(LN1(x))`` and then ``x + CM(LN2(x))``: time mixing TM keeps a decaying
average per channel (the wkv recurrence), channel mixing CM is a two-layer perceptron with a
squared ReLU and a gate. Both mix each token with the one before it (token shift). A tap sees
the seven tensors that enter the seven matrices of a block and may change what goes on, which is
how thresholds, statistics and traces are made without a line for them in here.

Everything is computed in fp32. `Rwkv4.step` and `Rwkv4.sequence` run the same code: a step is a
sequence of one token, so a tap sees the same numbers either way, up to rounding in the matmuls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from workloads.families import Shape
from workloads.models.forward import one_token
from workloads.models.sites import Tap as Tap
from workloads.models.sites import check_tokens, no_tap

SITES = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")
"""The seven sites of a block, in the order in which thresholds are searched."""

LN_EPS = 1e-5
EMPTY_EXPONENT = -1e30
"""Running maximum of a state that has seen nothing: exp() of it is exactly zero."""


@dataclass(frozen=True)
class Rwkv4Shape:
    """The four numbers that fix every tensor: blocks, D, F and V.

    Attributes:
        layers: blocks.
        width: D, channels between blocks.
        ffn: F, channels inside channel mixing.
        vocab: V, tokens.
    """

    layers: int
    width: int
    ffn: int
    vocab: int

    def site_width(self, site: str) -> int:
        """Channels of a site of a block: F for ``ffn.val``, else D."""
        return self.ffn if site == "ffn.val" else self.width


def site_names(layers: int) -> tuple[str, ...]:
    """Full names ``blocks.{N}.{site}`` of all sites, in the order of the search."""
    return tuple(f"blocks.{n}.{site}" for n in range(layers) for site in SITES)


class LayerState(NamedTuple):
    """What one block remembers, five tensors (B, D)."""

    att_x: Tensor
    aa: Tensor
    bb: Tensor
    pp: Tensor
    ffn_x: Tensor


@dataclass(frozen=True)
class Rwkv4State:
    """The recurrent state: five tensors (layers, B, D), fp32.

    `att_x` and `ffn_x` are the last token's normalised inputs of the two mixings; `aa` and `bb`
    are numerator and denominator of the wkv average, both divided by exp(`pp`).
    """

    att_x: Tensor
    aa: Tensor
    bb: Tensor
    pp: Tensor
    ffn_x: Tensor

    @classmethod
    def zero(cls, shape: Rwkv4Shape, batch: int = 1) -> "Rwkv4State":
        """The state before the first token, for `batch` sequences."""
        zeros = torch.zeros(shape.layers, batch, shape.width)
        return cls(zeros, zeros, zeros, torch.full_like(zeros, EMPTY_EXPONENT), zeros)

    @classmethod
    def stack(cls, layers: list[LayerState]) -> "Rwkv4State":
        """Put the states of the blocks, in order, into one."""
        return cls(*(torch.stack(parts) for parts in zip(*layers, strict=True)))

    def layer(self, n: int) -> LayerState:
        """The state of block `n`."""
        return LayerState(*(getattr(self, f.name)[n] for f in fields(self)))

    def tensors(self) -> dict[str, Tensor]:
        """The five tensors by name, each (layers, B, D), as a trace file holds them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Rwkv4:
    """An RWKV-4 model with BlinkDL's names for its weights.

    Args:
        shape: what the weights must fit; see `workloads.models.readers` for the check.
        weights: name to tensor, vectors as (D,) or (1, 1, D); kept as fp32.
    """

    def __init__(self, shape: Rwkv4Shape, weights: Mapping[str, Tensor]) -> None:
        self.shape = shape
        # BlinkDL stores the mixing vectors as (1, 1, D).
        flat = {n: t.reshape(-1) if t.ndim == 3 else t for n, t in weights.items()}
        self.weights = {name: tensor.float() for name, tensor in flat.items()}

    @property
    def dimensions(self) -> Shape:
        """Family and dimensions."""
        s = self.shape
        return Shape("rwkv4", s.layers, s.width, s.ffn, s.vocab)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Full names of all sites."""
        return site_names(self.shape.layers)

    def with_weights(self, weights: Mapping[str, Tensor]) -> "Rwkv4":
        """The same model with other tensors, each (…) as the one of its name."""
        return Rwkv4(self.shape, weights)

    def embedded(self, tokens: Sequence[int]) -> Tensor:
        """Rows of the embedding, (T, D), which the host sends."""
        return self.weights["emb.weight"][list(tokens)]

    def zero_state(self, batch: int = 1) -> Rwkv4State:
        """The state before the first token."""
        return Rwkv4State.zero(self.shape, batch)

    @torch.no_grad()
    def step(
        self, token: int, state: Rwkv4State | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, Rwkv4State]:
        """Run one token of one sequence; the tap sees vectors (channels,).

        Returns:
            logits (V,) and the state after the token.
        """
        return one_token(self.sequence, token, state, tap)

    @torch.no_grad()
    def sequence(
        self, tokens: Tensor, state: Rwkv4State | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, Rwkv4State]:
        """Run `tokens` (B, T), B sequences side by side; the tap sees (B, T, channels).

        Returns:
            logits (B, T, V) and the state after the last token.

        Raises:
            InputError: no token, or one outside the vocabulary.
        """
        tap = tap or no_tap
        state = state or self.zero_state(tokens.shape[0])
        x = self.embed(tokens, tap)
        after: list[LayerState] = []
        for n in range(self.shape.layers):
            x, layer = self.block(n, x, state.layer(n), tap)
            after.append(layer)
        return self.head(x, tap), Rwkv4State.stack(after)

    def embed(self, tokens: Tensor, tap: Tap) -> Tensor:
        """Tokens (B, T) to the input of block 0, (B, T, D)."""
        check_tokens(tokens, self.shape.vocab)
        x = tap("emb", self.weights["emb.weight"][tokens])
        return self.norm("blocks.0.ln0", x)

    def block(self, n: int, x: Tensor, state: LayerState, tap: Tap) -> tuple[Tensor, LayerState]:
        """Run block `n` on its input (B, T, D) from `state`."""
        p = f"blocks.{n}"
        a = self.norm(f"{p}.ln1", x)
        mixed, (aa, bb, pp) = self._time_mix(f"{p}.att", a, state, tap)
        x = x + mixed
        c = self.norm(f"{p}.ln2", x)
        x = x + self._channel_mix(f"{p}.ffn", c, state.ffn_x, tap)
        return x, LayerState(a[:, -1], aa, bb, pp, c[:, -1])

    def head(self, x: Tensor, tap: Tap) -> Tensor:
        """Output of the last block (B, T, D) to logits (B, T, V)."""
        h = tap("head", self.norm("ln_out", x))
        return tap("logits", linear(h, self.weights["head.weight"]))

    def _time_mix(
        self, p: str, x: Tensor, state: LayerState, tap: Tap
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        w = self.weights
        before = shift(x, state.att_x)
        k = linear(tap(f"{p}.key", mix(x, before, w[f"{p}.time_mix_k"])), w[f"{p}.key.weight"])
        r = linear(
            tap(f"{p}.rec", mix(x, before, w[f"{p}.time_mix_r"])), w[f"{p}.receptance.weight"]
        )
        v = linear(tap(f"{p}.val", mix(x, before, w[f"{p}.time_mix_v"])), w[f"{p}.value.weight"])
        decay = -torch.exp(w[f"{p}.time_decay"])
        wkv, after = wkv_loop(k, v, decay, w[f"{p}.time_first"], (state.aa, state.bb, state.pp))
        out = tap(f"{p}.out", torch.sigmoid(r) * wkv)
        return linear(out, w[f"{p}.output.weight"]), after

    def _channel_mix(self, p: str, x: Tensor, last: Tensor, tap: Tap) -> Tensor:
        w = self.weights
        before = shift(x, last)
        r = linear(
            tap(f"{p}.rec", mix(x, before, w[f"{p}.time_mix_r"])), w[f"{p}.receptance.weight"]
        )
        k = linear(tap(f"{p}.key", mix(x, before, w[f"{p}.time_mix_k"])), w[f"{p}.key.weight"])
        k.relu_()  # in place, and k * k not k ** 2: both save a pass over the widest tensor
        hidden = tap(f"{p}.val", k * k)
        return torch.sigmoid(r) * linear(hidden, w[f"{p}.value.weight"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        """LayerNorm over the last axis of (…, D), with the weight and bias called `name`."""
        w = self.weights
        return layer_norm(x, (x.shape[-1],), w[f"{name}.weight"], w[f"{name}.bias"], LN_EPS)


def wkv_loop(
    k: Tensor, v: Tensor, decay: Tensor, first: Tensor, start: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The wkv average over keys and values (B, T, D), exact at any length.

    Only the running maximum and the two sums need the loop over time; the exponentials and the
    division are done for all tokens at once, with the same operations as one token at a time.

    Args:
        k: keys.
        v: values.
        decay: what the exponent loses per token, negative, (D,).
        first: bonus of the present token, u, (D,).
        start: (aa, bb, pp), each (B, D).

    Returns:
        wkv (B, T, D) and (aa, bb, pp) after the last token.
    """
    k, v = k.transpose(0, 1).contiguous(), v.transpose(0, 1)
    pp = _running_max(k, decay, start[2])
    keep, add = torch.exp(pp[:-1] + decay - pp[1:]), torch.exp(k - pp[1:])
    sums = _running_sums(keep, torch.stack((add * v, add), 1), torch.stack(start[:2]))
    top = torch.maximum(pp[:-1], k + first)
    old, new = torch.exp(pp[:-1] - top), torch.exp(k + first - top)
    wkv = (old * sums[:-1, 0] + new * v) / (old * sums[:-1, 1] + new)
    return wkv.transpose(0, 1), (sums[-1, 0], sums[-1, 1], pp[-1])


def _running_max(k: Tensor, decay: Tensor, start: Tensor) -> Tensor:
    """The maximum pp before each token and after the last: (T + 1, B, D)."""
    pp = torch.empty(k.shape[0] + 1, *start.shape)
    pp[0] = start
    for t in range(k.shape[0]):
        torch.maximum(pp[t] + decay, k[t], out=pp[t + 1])
    return pp


def _running_sums(keep: Tensor, add: Tensor, start: Tensor) -> Tensor:
    """The sums aa and bb before each token and after the last: (T + 1, 2, B, D)."""
    sums = torch.empty(keep.shape[0] + 1, *start.shape)
    sums[0] = start
    for t in range(keep.shape[0]):
        torch.addcmul(add[t], keep[t], sums[t], out=sums[t + 1])
    return sums


def shift(x: Tensor, last: Tensor) -> Tensor:
    """Each token's predecessor: `x` (B, T, D) moved by one, `last` (B, D) in front."""
    return torch.cat((last[:, None], x[:, :-1]), 1)


def mix(x: Tensor, before: Tensor, mu: Tensor) -> Tensor:
    """The token shift: `mu` (D,) of each token, the rest of the one before it."""
    return mu * x + (1 - mu) * before
