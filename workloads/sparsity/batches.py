"""Text as batches of windows, and work on batches side by side.

A window is a sequence that starts from the zero state and predicts its next token at each
place.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from seneca_sim.errors import InputError

WINDOW = 1024
BATCH = 16

BYTE_VOCABULARY = 256

A = TypeVar("A")
B = TypeVar("B")


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


def whole_windows(tokens: Tensor, window: int) -> Tensor:
    """Drop the left-over: as a batch of its own it would weigh as much as a whole one."""
    if window < 1:
        raise InputError(f"window {window} must be at least 1")
    whole = (len(tokens) - 1) // window * window
    return tokens[: whole + 1] if whole else tokens


@contextmanager
def side_by_side(workers: int | None = None) -> Iterator[Callable[..., list[B]]]:
    """A map that works on several items at once, one torch thread each; results keep their order.

    One thread an item, not several for one: torch's own threads wait for each other after every
    operation, and one thread adds up in the same order, so to the same bits, on every machine.

    Args:
        workers: items at once; None for one on each core.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:

            def work(function: Callable[[A], B], items: Sequence[A]) -> list[B]:
                return list(pool.map(function, items))

            yield work
    finally:
        torch.set_num_threads(before)
