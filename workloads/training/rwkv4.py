"""RWKV-4 as a module to train: BlinkDL's names, RWKV-4's own initialisation.

The arithmetic is that of `workloads.models.rwkv4`, which is the readable one; here the whole
window runs at once from the zero state, the wkv average by `chunked`, and dropout sits on the
embedding and on what each mixing adds to the residual stream.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from workloads.models.rwkv4 import LN_EPS, Rwkv4Shape
from workloads.training.chunked import wkv_chunked

DECAY_SPREAD = 8.0
SLOWEST_DECAY = -5.0


class TimeMix(nn.Module):
    """Time mixing of block `n`: keys and values averaged with a decay, behind a gate."""

    def __init__(self, shape: Rwkv4Shape, n: int) -> None:
        super().__init__()
        d = shape.width
        depth, rest = n / max(shape.layers - 1, 1), 1 - n / shape.layers
        channel = torch.arange(d) / d
        ladder = torch.arange(d) / max(d - 1, 1)
        self.time_decay = nn.Parameter(SLOWEST_DECAY + DECAY_SPREAD * ladder ** (0.7 + 1.3 * depth))
        zigzag = (torch.arange(d) + 1) % 3 - 1
        self.time_first = nn.Parameter(math.log(0.3) + 0.5 * zigzag)
        self.time_mix_k = nn.Parameter(channel**rest)
        self.time_mix_v = nn.Parameter(channel**rest + 0.3 * depth)
        self.time_mix_r = nn.Parameter(channel ** (0.5 * rest))
        self.key = _zero(d, d)
        self.value = _orthogonal(d, d)
        self.receptance = _zero(d, d)
        self.output = _zero(d, d)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised input (B, T, D) to what is added to the residual stream."""
        before = _before(x)
        k = _channels_first(self.key, _mix(before, x, self.time_mix_k))
        v = _channels_first(self.value, _mix(before, x, self.time_mix_v))
        r = _channels_first(self.receptance, _mix(before, x, self.time_mix_r))
        wkv = wkv_chunked(k, v, -torch.exp(self.time_decay), self.time_first)
        gated = torch.sigmoid(r) * wkv.to(r.dtype)
        out: Tensor = self.output(gated.flatten(1).T)
        return out.view(x.shape)


class ChannelMix(nn.Module):
    """Channel mixing of block `n`: a perceptron with a squared ReLU, behind a gate."""

    def __init__(self, shape: Rwkv4Shape, n: int) -> None:
        super().__init__()
        mix = (torch.arange(shape.width) / shape.width) ** (1 - n / shape.layers)
        self.time_mix_k = nn.Parameter(mix)
        self.time_mix_r = nn.Parameter(mix.clone())
        self.key = _orthogonal(shape.width, shape.ffn)
        self.receptance = _zero(shape.width, shape.width)
        self.value = _zero(shape.ffn, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised input (B, T, D) to what is added to the residual stream."""
        before = _before(x)
        k = torch.relu(self.key(_mix(before, x, self.time_mix_k)))
        r = torch.sigmoid(self.receptance(_mix(before, x, self.time_mix_r)))
        out: Tensor = r * self.value(k * k)
        return out


class Block(nn.Module):
    """Block `n`: time mixing, then channel mixing, each added to its input."""

    def __init__(self, shape: Rwkv4Shape, n: int, dropout: float) -> None:
        super().__init__()
        if n == 0:
            self.ln0 = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.ln1 = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.ln2 = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.att = TimeMix(shape, n)
        self.ffn = ChannelMix(shape, n)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D); `ln0` of the first block is the model's to apply."""
        x = x + self.drop(self.att(_lower(self.ln1(x))))
        out: Tensor = x + self.drop(self.ffn(_lower(self.ln2(x))))
        return out


class TrainableRwkv4(nn.Module):
    """The model: `state_dict` has the names and shapes that `workloads.models` reads.

    Args:
        shape: what to build.
        dropout: share of values set to zero on each path into the residual stream.
    """

    def __init__(self, shape: Rwkv4Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.emb = nn.Embedding(shape.vocab, shape.width)
        nn.init.uniform_(self.emb.weight, -1e-4, 1e-4)  # ln0 brings it to scale
        self.blocks = nn.ModuleList(Block(shape, n, dropout) for n in range(shape.layers))
        self.ln_out = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.head = _orthogonal(shape.width, shape.vocab, gain=0.5)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T), each row from the zero state, to logits (B, T, V)."""
        x = self.drop(self.blocks.get_submodule("0.ln0")(self.emb(tokens)))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.ln_out(x))
        return logits


def _before(x: Tensor) -> Tensor:
    """Each token's predecessor, zero before the first."""
    return pad(x[:, :-1], (0, 0, 1, 0))


def _channels_first(linear: nn.Linear, x: Tensor) -> Tensor:
    """The output of `linear` for (B, T, D) as (D, B, T), without a pass to transpose it."""
    return (linear.weight @ x.flatten(0, 1).T).view(-1, *x.shape[:2])


def _mix(before: Tensor, x: Tensor, mu: Tensor) -> Tensor:
    """The token shift, mu x + (1 - mu) before, in one pass."""
    return torch.lerp(before, x, mu.to(x.dtype))


def _lower(x: Tensor) -> Tensor:
    """Into the precision of the linears: half the traffic for the mixing before them."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def _zero(columns: int, rows: int) -> nn.Linear:
    linear = nn.Linear(columns, rows, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


def _orthogonal(columns: int, rows: int, gain: float = 1.0) -> nn.Linear:
    linear = nn.Linear(columns, rows, bias=False)
    nn.init.orthogonal_(linear.weight, gain * max(1.0, math.sqrt(rows / columns)))
    return linear
