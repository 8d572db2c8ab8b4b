"""What every forward that can be simulated offers: the contract of `Rwkv4`, `Rwkv7` and `Opt`.

Recording, rounding and compiling ask nothing else of a model, so none of them knows its family.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from workloads.families import Shape
from workloads.models.sites import Tap

S = TypeVar("S")


def one_token(
    sequence: Callable[[Tensor, S | None, Tap], tuple[Tensor, S]],
    token: int,
    state: S | None,
    tap: Tap | None,
) -> tuple[Tensor, S]:
    """A token of one sequence by a forward of many: logits (V,) and the state after it."""

    def flat(name: str, x: Tensor) -> Tensor:
        return x if tap is None else tap(name, x[0, 0])[None, None]

    logits, after = sequence(torch.tensor([[token]]), state, flat)
    return logits[0, 0], after


class Forward(Protocol):
    """A model of a known family, over tokens; its state is its own affair."""

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Tensors by name, fp32: matrices (outputs, inputs), vectors (channels,)."""

    @property
    def dimensions(self) -> Shape:
        """Family and dimensions, as shapes, traces and the compiler state them."""

    @property
    def site_names(self) -> tuple[str, ...]:
        """Full names of the sites that may have thresholds, in the order of the search."""

    def embedded(self, tokens: Sequence[int]) -> Tensor:
        """What the host sends for tokens of a sequence from its start, (T, D)."""

    def zero_state(self, batch: int = 1) -> Any:
        """The state before the first token."""

    def step(self, token: int, state: Any = None, tap: Tap | None = None) -> tuple[Tensor, Any]:
        """Run one token of one sequence; the tap sees vectors (channels,).

        Returns:
            logits (V,) and the state after the token.
        """

    def sequence(
        self, tokens: Tensor, state: Any = None, tap: Tap | None = None
    ) -> tuple[Tensor, Any]:
        """Run `tokens` (B, T), B sequences side by side; the tap sees (B, T, channels).

        Returns:
            logits (B, T, V) and the state after the last token.
        """

    def with_weights(self, weights: Mapping[str, Tensor]) -> "Forward":
        """The same model with other tensors, each (…) as the one of its name."""
