"""An OPT-style transformer as a module to train: transformers' names, GPT-2's initialisation.

The arithmetic is that of `workloads.models.opt`, which is the readable one; here dropout sits on
the embedding and on what each half of a block adds to the residual stream.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from workloads.models.opt import LN_EPS, POSITION_OFFSET, OptShape

INIT_STD = 0.02


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, shape: OptShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = _linear(shape.width, shape.width)
        self.k_proj = _linear(shape.width, shape.width)
        self.v_proj = _linear(shape.width, shape.width)
        self.out_proj = _linear(shape.width, shape.width, 2 * shape.layers)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised input (B, T, D) to what is added to the residual stream."""
        q, k, v = (
            proj(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention, then a two-layer perceptron with ReLU, each added to its input."""

    def __init__(self, shape: OptShape, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.self_attn_layer_norm = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.fc1 = _linear(shape.width, shape.ffn)
        self.fc2 = _linear(shape.ffn, shape.width, 2 * shape.layers)
        self.final_layer_norm = nn.LayerNorm(shape.width, eps=LN_EPS)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x = x + self.drop(self.self_attn(self.self_attn_layer_norm(x)))
        hidden = torch.relu(self.fc1(self.final_layer_norm(x)))
        out: Tensor = x + self.drop(self.fc2(hidden))
        return out


class Decoder(nn.Module):
    """Everything with weights: the head is the embedding once more."""

    def __init__(self, shape: OptShape, dropout: float) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.width)
        self.embed_positions = nn.Embedding(shape.positions + POSITION_OFFSET, shape.width)
        self.layers = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.final_layer_norm = nn.LayerNorm(shape.width, eps=LN_EPS)
        for table in (self.embed_tokens, self.embed_positions):
            nn.init.normal_(table.weight, std=INIT_STD)


class Inner(nn.Module):
    """Only here for its name: transformers calls the weights ``model.decoder...``."""

    def __init__(self, shape: OptShape, dropout: float) -> None:
        super().__init__()
        self.decoder = Decoder(shape, dropout)


class TrainableOpt(nn.Module):
    """The model: `state_dict` has the names and shapes that `workloads.models` reads.

    Args:
        shape: what to build.
        dropout: share of values set to zero on each path into the residual stream.
    """

    def __init__(self, shape: OptShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.model = Inner(shape, dropout)
        self.drop = nn.Dropout(dropout)

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, as `TrainableRwkv4` calls them."""
        return self.model.decoder.layers

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T), from the first position on, to logits (B, T, V)."""
        decoder = self.model.decoder
        rows = torch.arange(tokens.shape[1], device=tokens.device) + POSITION_OFFSET
        x = self.drop(decoder.embed_tokens(tokens) + decoder.embed_positions(rows))
        for block in self.blocks:
            x = block(x)
        return linear(decoder.final_layer_norm(x), decoder.embed_tokens.weight)


def _linear(columns: int, rows: int, paths: int = 1) -> nn.Linear:
    """A layer; `paths` of its kind add up in the residual stream, so each starts smaller."""
    layer = nn.Linear(columns, rows)
    nn.init.normal_(layer.weight, std=INIT_STD / paths**0.5)
    nn.init.zeros_(layer.bias)
    return layer
