"""RWKV-7 as a short forward pass with a site at the six inputs of its large matrices.

Time mixing keeps one matrix a head, S (N, N), and changes it by the delta rule: it decays by a
vector w, forgets what it holds under the key kk as far as a says, and adds value times key.
Channel mixing is a two-layer perceptron with a squared ReLU and no gate. The small matrices that
make w, a, v and g from the token (two thin factors each) stay dense: w, a and g have taps
(`att.decay`, `att.rate`, `att.gate`), so that the vectors can be recorded, and no site; v's factor
reads the same vector as the matrix of values, after its threshold.

Everything is computed in fp32. The names of the weights are BlinkDL's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import group_norm, layer_norm, linear, normalize

from seneca_sim.errors import InputError
from workloads.families import Shape
from workloads.models.forward import one_token
from workloads.models.readers import content_hash
from workloads.models.rwkv4 import LN_EPS, shift
from workloads.models.sites import Carry, Site, Tap, check_tokens, no_tap

RWKV7_SITES = ("att.rec", "att.key", "att.val", "att.out", "ffn.key", "ffn.val")
RANKS = {"w": "rank_decay", "a": "rank_rate", "v": "rank_value", "g": "rank_gate"}
"""Letter of a low-rank map in the names of tensors -> its inner width in shapes."""
GROUP_EPS = 64e-5
FASTEST = -0.606531
"""A decay is exp(FASTEST * sigmoid(.)); the number is -exp(-0.5) as RWKV-7 was trained with it."""


class Rwkv7Layer(NamedTuple):
    """What one block remembers: the last tokens (B, D) and the heads' matrices (B, H, N, N)."""

    att_x: Tensor
    heads: Tensor
    ffn_x: Tensor


@dataclass(frozen=True)
class Rwkv7Shape:
    """The five numbers that tensors tell; a head is D / heads wide.

    Attributes:
        layers: blocks.
        width: D, channels between blocks.
        heads: of the state, H.
        ffn: F, channels inside channel mixing.
        vocab: V, tokens.
    """

    layers: int
    width: int
    heads: int
    ffn: int
    vocab: int


@dataclass(frozen=True)
class Rwkv7:
    """An RWKV-7 model; also a `SitedModel` with one stage a block.

    Args:
        shape: what the weights must fit; see `workloads.models.rwkv7_layout`.
        weights: name to tensor, vectors as (D,), `r_k` as (H, N).

    Attributes:
        gates: none.
        positions: None, as a sequence may be of any length.
    """

    shape: Rwkv7Shape
    weights: Mapping[str, Tensor]
    gates: tuple[Site, ...] = field(default=(), init=False)
    positions: int | None = field(default=None, init=False)

    @property
    def vocab(self) -> int:
        """Size of the vocabulary."""
        return self.shape.vocab

    @property
    def stages(self) -> int:
        """One for each block."""
        return self.shape.layers

    @property
    def sites(self) -> tuple[Site, ...]:
        """Six a block, in the order of the forward."""
        return tuple(
            Site(f"blocks.{n}.{kind}", kind, n, n, self._macs(n, kind))
            for n in range(self.shape.layers)
            for kind in RWKV7_SITES
        )

    def _macs(self, n: int, kind: str) -> int:
        """MACs of all matrices that read a site."""
        d, f = self.shape.width, self.shape.ffn
        thin = self.weights[f"blocks.{n}.att.v1"].numel() if kind == "att.val" and n else 0
        return d * (f if kind.startswith("ffn") else d) + thin

    @property
    def block_macs(self) -> int:
        """MACs of all matrices of the blocks, the thin ones included."""
        names = [n for n in self.weights if n.startswith("blocks.") and not n.endswith("r_k")]
        return sum(self.weights[n].numel() for n in names if self.weights[n].ndim == 2)

    @property
    def dimensions(self) -> Shape:
        """Family and dimensions.

        Raises:
            InputError: low-rank maps that differ from block to block.
        """
        s = self.shape
        return Shape("rwkv7", s.layers, s.width, s.ffn, s.vocab, s.heads, **self._ranks())

    def _ranks(self) -> dict[str, int]:
        """Inner widths of the low-rank maps; a model of one block has no value residual."""
        found = {}
        for letter, rank in RANKS.items():
            blocks = range(1 if letter == "v" else 0, self.shape.layers)
            sizes = {self.weights[f"blocks.{n}.att.{letter}1"].shape[1] for n in blocks}
            if len(sizes) > 1:
                raise InputError(
                    f"model: ranks of att.{letter}1 are {sorted(sizes)}; expected one for all "
                    "blocks"
                )
            found[rank] = sizes.pop() if sizes else 1
        return found

    @property
    def site_names(self) -> tuple[str, ...]:
        """Full names of all sites."""
        return tuple(site.name for site in self.sites)

    def with_weights(self, weights: Mapping[str, Tensor]) -> "Rwkv7":
        """The same model with other tensors, each (…) as the one of its name."""
        return replace(self, weights=weights)

    def embedded(self, tokens: Sequence[int]) -> Tensor:
        """Rows of the embedding, (T, D), which the host sends."""
        return self.weights["emb.weight"][list(tokens)]

    def fingerprint(self) -> str:
        """Content hash of the weights."""
        return content_hash(self.weights)

    def zero_state(self, batch: int = 1) -> list[Rwkv7Layer]:
        """The state before the first token."""
        d, h = self.shape.width, self.shape.heads
        one = Rwkv7Layer(
            torch.zeros(batch, d), torch.zeros(batch, h, d // h, d // h), torch.zeros(batch, d)
        )
        return [one] * self.shape.layers

    @torch.no_grad()
    def step(
        self, token: int, state: list[Rwkv7Layer] | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, list[Rwkv7Layer]]:
        """Run one token of one sequence; the tap sees vectors (channels,).

        Returns:
            logits (V,) and the state after the token.
        """
        return one_token(self.sequence, token, state, tap)

    @torch.no_grad()
    def sequence(
        self, tokens: Tensor, state: list[Rwkv7Layer] | None = None, tap: Tap | None = None
    ) -> tuple[Tensor, list[Rwkv7Layer]]:
        """Run `tokens` (B, T): logits (B, T, V) and the state after the last token.

        Raises:
            InputError: no token, or one outside the vocabulary.
        """
        tap = tap or no_tap
        state = state or self.zero_state(tokens.shape[0])
        carry, after = self._entered(tokens, tap), []
        for n in range(self.shape.layers):
            carry, layer = self.block(n, carry, state[n], tap)
            after.append(layer)
        return self.logits(carry, tap), after

    @torch.no_grad()
    def start(self, tokens: Tensor) -> Carry:
        """Tokens (B, T) to the input of block 0."""
        return self._entered(tokens, no_tap)

    def _entered(self, tokens: Tensor, tap: Tap) -> Carry:
        check_tokens(tokens, self.vocab)
        return (self._norm("blocks.0.ln0", tap("emb", self.weights["emb.weight"][tokens])),)

    @torch.no_grad()
    def run(self, first: int, last: int, carry: Carry, tap: Tap) -> Iterator[Carry]:
        """Run blocks `first` .. `last` - 1 from the zero state; a carry is (B, T, D) each."""
        zero = self.zero_state(carry[0].shape[0])
        for n in range(first, last):
            carry, _ = self.block(n, carry, zero[n], tap)
        yield carry

    @torch.no_grad()
    def logits(self, carry: Carry, tap: Tap) -> Tensor:
        """Output of the last block (B, T, D) to logits (B, T, V)."""
        h = tap("head", self._norm("ln_out", carry[0]))
        return tap("logits", linear(h, self.weights["head.weight"]))

    def block(self, n: int, carry: Carry, state: Rwkv7Layer, tap: Tap) -> tuple[Carry, Rwkv7Layer]:
        """Run block `n` on (B, T, D); behind block 0 the carry also holds its values, v_first."""
        x, *first = carry
        p = f"blocks.{n}"
        a = self._norm(f"{p}.ln1", x)
        mixed, v_first, heads = self._time_mix(f"{p}.att", a, state, first, tap)
        x = x + mixed
        c = self._norm(f"{p}.ln2", x)
        x = x + self._channel_mix(f"{p}.ffn", c, state.ffn_x, tap)
        return (x, v_first), Rwkv7Layer(a[:, -1], heads, c[:, -1])

    def _time_mix(
        self, p: str, x: Tensor, state: Rwkv7Layer, first: list[Tensor], tap: Tap
    ) -> tuple[Tensor, Tensor, Tensor]:
        w, change = self.weights, shift(x, state.att_x) - x
        xr, xw, xk, xv, xa, xg = (x + change * w[f"{p}.x_{letter}"] for letter in "rwkvag")
        r = linear(tap(f"{p}.rec", xr), w[f"{p}.receptance.weight"])
        decay = self._decay(p, tap(f"{p}.decay", xw))
        k = linear(tap(f"{p}.key", xk), w[f"{p}.key.weight"])
        xv = tap(f"{p}.val", xv)
        v = linear(xv, w[f"{p}.value.weight"])
        xa, xg = tap(f"{p}.rate", xa), tap(f"{p}.gate", xg)
        rate = torch.sigmoid(w[f"{p}.a0"] + xa @ w[f"{p}.a1"] @ w[f"{p}.a2"])
        gate = torch.sigmoid(xg @ w[f"{p}.g1"]) @ w[f"{p}.g2"]
        removed = normalize(self._heads(k * w[f"{p}.k_k"]), dim=-1)
        k = k * (1 + (rate - 1) * w[f"{p}.k_a"])
        if first:
            v = v + (first[0] - v) * torch.sigmoid(w[f"{p}.v0"] + xv @ w[f"{p}.v1"] @ w[f"{p}.v2"])
        r, decay, k, v_heads, rate = (self._heads(part) for part in (r, decay, k, v, rate))
        y, after = delta_rule(r, decay, k, v_heads, rate, removed, state.heads)
        y = group_norm(y.flatten(0, 1).flatten(1), self.shape.heads, w[f"{p}.ln_x.weight"],
                       w[f"{p}.ln_x.bias"], GROUP_EPS).view_as(x)  # fmt: skip
        bonus = (r * k * w[f"{p}.r_k"]).sum(-1, keepdim=True) * v_heads
        out = tap(f"{p}.out", (y + bonus.flatten(2)) * gate)
        return linear(out, w[f"{p}.output.weight"]), first[0] if first else v, after

    def _decay(self, p: str, x: Tensor) -> Tensor:
        w = self.weights
        raw = w[f"{p}.w0"] + torch.tanh(x @ w[f"{p}.w1"]) @ w[f"{p}.w2"]
        return torch.exp(FASTEST * torch.sigmoid(raw))

    def _channel_mix(self, p: str, x: Tensor, last: Tensor, tap: Tap) -> Tensor:
        w = self.weights
        mixed = x + (shift(x, last) - x) * w[f"{p}.x_k"]
        k = linear(tap(f"{p}.key", mixed), w[f"{p}.key.weight"]).relu()
        return linear(tap(f"{p}.val", k * k), w[f"{p}.value.weight"])

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.shape.heads, -1)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        w = self.weights
        return layer_norm(x, (x.shape[-1],), w[f"{name}.weight"], w[f"{name}.bias"], LN_EPS)


def delta_rule(
    r: Tensor, w: Tensor, k: Tensor, v: Tensor, a: Tensor, kk: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """The recurrence S <- S diag(w) - (S kk) (kk a)^T + v k^T, y = S r, token by token.

    Args:
        r: receptance, like all the next ones (B, T, H, N).
        w: decay, 0 .. 1.
        k: key that is added.
        v: value that is added.
        a: how much is forgotten, 0 .. 1.
        kk: key that is forgotten, of length 1.
        state: S (B, H, N, N), rows are values and columns keys.

    Returns:
        y (B, T, H, N) and S after the last token.
    """
    out = []
    for t in range(r.shape[1]):
        held = state @ kk[:, t, :, :, None]
        state = (
            state * w[:, t, :, None, :]
            - held * (kk * a)[:, t, :, None, :]
            + v[:, t, :, :, None] * k[:, t, :, None, :]
        )
        out.append((state @ r[:, t, :, :, None])[..., 0])
    return torch.stack(out, 1), state
