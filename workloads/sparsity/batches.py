"""Text as batches of windows, and blocks run over them piece by piece.

A window is a sequence that starts from the zero state and predicts its next token at each
place. Tiles keep the working set small: the recurrent state carries from tile to tile, so a
tile changes nothing but the time it takes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models.rwkv4 import LayerState, Rwkv4, Rwkv4State, Tap

WINDOW = 1024
BATCH = 16
TILE = 256
"""Tokens of each window that run at once; 16 x 256 was the fastest on two cores."""

BYTE_VOCABULARY = 256


@dataclass(frozen=True)
class Batch:
    """Windows side by side: inputs and the tokens that follow them, (B, T) each."""

    inputs: Tensor
    targets: Tensor


def as_tokens(text: bytes | Tensor, vocab: int) -> Tensor:
    """Bytes, or tokens (N,), as int64 tokens.

    Raises:
        InputError: too short to predict anything, or bytes for a model that has no byte tokens.
    """
    if len(text) < 2:
        length = "empty" if len(text) == 0 else "one token long"
        raise InputError(f"text: it is {length}; at least two are needed to predict one")
    if isinstance(text, Tensor):
        return text.long()
    if vocab != BYTE_VOCABULARY:
        raise InputError(
            f"text: bytes need a model with a vocabulary of {BYTE_VOCABULARY}, this one has "
            f"{vocab}; encode the text with the model's tokeniser and give the tokens"
        )
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


def text_hash(text: bytes | Tensor) -> str:
    """SHA-256 of bytes as they are, of tokens as little-endian int32."""
    raw = text if isinstance(text, bytes) else text.numpy().astype("<i4").tobytes()
    return hashlib.sha256(raw).hexdigest()


def batches(tokens: Tensor, window: int = WINDOW, batch: int = BATCH) -> list[Batch]:
    """Cut `tokens` into windows such that each token but the first is predicted once.

    What is left over after the last whole window is a batch of one shorter window.
    """
    if window < 1 or batch < 1:
        raise InputError(f"window {window} and batch {batch} must be at least 1")
    whole = (len(tokens) - 1) // window * window
    inputs, targets = tokens[:whole].view(-1, window), tokens[1 : whole + 1].view(-1, window)
    starts = range(0, len(inputs), batch)
    out = [Batch(inputs[i : i + batch], targets[i : i + batch]) for i in starts]
    if whole < len(tokens) - 1:
        out.append(Batch(tokens[None, whole:-1], tokens[None, whole + 1 :]))
    return out


def tiles(x: Tensor) -> list[slice]:
    """The pieces of the time axis of `x` (B, T, …) that run at once."""
    return [slice(start, start + TILE) for start in range(0, x.shape[1], TILE)]


def sequence_tiles(model: Rwkv4, batch: Batch, tap: Tap | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Run the whole model over a batch: logits (B, t, V) and targets (B, t), tile by tile."""
    state: Rwkv4State | None = None
    for piece in tiles(batch.inputs):
        logits, state = model.sequence(batch.inputs[:, piece], state, tap)
        yield logits, batch.targets[:, piece]


@torch.no_grad()
def run_blocks(model: Rwkv4, first: int, last: int, x: Tensor, tap: Tap) -> Iterator[Tensor]:
    """Run blocks `first` .. `last` - 1 over `x` (B, T, D) from the zero state, tile by tile."""
    zero = model.zero_state(x.shape[0])
    states: list[LayerState] = [zero.layer(n) for n in range(first, last)]
    for piece in tiles(x):
        tile = x[:, piece]
        for i, n in enumerate(range(first, last)):
            tile, states[i] = model.block(n, tile, states[i], tap)
        yield tile
