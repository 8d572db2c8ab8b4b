"""What thresholds need of a model, whatever its family: named sites, and a forward in stages.

A *site* is a tensor about to enter a matrix. A *stage* is a piece of the forward that can be
run alone from what the stage before it handed on, so that a search which settles sites in order
never runs again what lies before the present one. `SitedModel` is the contract; RWKV-4 and
RWKV-7 and any `torch.nn.Module` are fitted to it beside this file.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from seneca_sim.errors import InputError

Tap = Callable[[str, Tensor], Tensor]
"""``tap(name, x) -> x``: sees the tensor before the threshold; what it returns goes on."""

Carry = tuple[Tensor, ...]
"""What one stage hands to the next, each (B, T, …); after the last stage, the hidden state."""

TILE = 256
"""Tokens of each window that run at once; 16 x 256 was the fastest on two cores."""


@dataclass(frozen=True)
class Site:
    """One place where a threshold can sit.

    Attributes:
        name: full name, such as ``blocks.3.ffn.val``.
        kind: what it is in every block, such as ``ffn.val``.
        block: number of the block.
        stage: number of the stage in which it is met.
        macs: MACs per token that its zeros skip, if all of them are zero.
        gate: True for the output of a gate (CATS) rather than the input of a matrix. A gate is
            an alternative to the sites whose matrices it skips, never an addition to them.
    """

    name: str
    kind: str
    block: int
    stage: int
    macs: int
    gate: bool = False


class SitedModel(Protocol):
    """A causal language model with sites; no stage looks at tokens to the right.

    Stages may run in tiles along time: `run` then yields several carries, in order, that cover
    the same tokens as the carry it was given.
    """

    @property
    def vocab(self) -> int:
        """Tokens are 0 .. vocab - 1."""

    @property
    def positions(self) -> int | None:
        """The longest sequence there can be; None where there is no limit."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """All sites, in the order in which they are searched; no gates among them."""

    @property
    def gates(self) -> tuple[Site, ...]:
        """Gate sites, where the family has gated units; else empty."""

    @property
    def block_macs(self) -> int:
        """MACs per token of all matrices in the blocks, those without a site included."""

    @property
    def stages(self) -> int:
        """How many stages lie between `start` and `logits`."""

    def fingerprint(self) -> str:
        """Content hash of the weights."""

    def start(self, tokens: Tensor) -> Carry:
        """Tokens (B, T), each row a sequence of its own, to what enters stage 0."""

    def run(self, first: int, last: int, carry: Carry, tap: Tap) -> Iterator[Carry]:
        """Run stages `first` .. `last` - 1 over whole sequences, in one piece or in tiles."""

    def logits(self, carry: Carry, tap: Tap) -> Tensor:
        """What left the last stage, (B, T, …), to logits (B, T, V), token by token."""


def no_tap(_name: str, x: Tensor) -> Tensor:
    """Change nothing."""
    return x


def tiles(length: int, tile: int = TILE) -> list[slice]:
    """The pieces of a time axis that run at once."""
    return [slice(start, start + tile) for start in range(0, length, tile)]


def joined(pieces: Sequence[Carry]) -> Carry:
    """Put tiles together along time."""
    if len(pieces) == 1:
        return pieces[0]
    return tuple(torch.cat(parts, 1) for parts in zip(*pieces, strict=True))


def check_tokens(tokens: Tensor, vocab: int) -> None:
    """Refuse no token, or one outside the vocabulary.

    Raises:
        InputError: says which token.
    """
    if tokens.numel() == 0:
        raise InputError("model: no token given; at least one is needed")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocab:
        bad = low if low < 0 else high
        raise InputError(f"model: token {bad} is not in the vocabulary 0 .. {vocab - 1}")


def check_site_names(names: Sequence[str], known: Sequence[str], where: str = "thresholds") -> None:
    """Refuse sites that the model does not have.

    Raises:
        InputError: names the first of them and the nearest that there is.
    """
    there = set(known)
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"sites are {known[0]} … {known[-1]}"
            raise InputError(f"{where}: unknown site {name!r}; {hint}")
