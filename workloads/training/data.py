"""The text as bytes, and which windows of it a step sees.

Every window of a pass over the text is seen once, in an order and from an offset that are a
function of the seed and the number of the pass alone. So a step needs no memory of those before
it, and a run that was killed goes on with the very windows that it would have seen.
"""

import hashlib
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seneca_sim.errors import InputError


@dataclass(frozen=True)
class Text:
    """Bytes of a file, unpacked, and what identifies them."""

    path: str
    tokens: Tensor
    sha256: str

    @property
    def bytes(self) -> int:
        """How long the text is."""
        return len(self.tokens)


def read_text(path: str | Path) -> Text:
    """Read a text, ``.xz`` or plain, as uint8 tokens (N,).

    Raises:
        InputError: it cannot be read or is empty.
    """
    try:
        raw = Path(path).read_bytes()
        data = lzma.decompress(raw) if str(path).endswith(".xz") else raw
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except lzma.LZMAError as error:
        raise InputError(f"{path}: damaged or not xz ({error})") from error
    if not data:
        raise InputError(f"{path}: the text is empty")
    tokens = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return Text(str(path), tokens, hashlib.sha256(data).hexdigest())


class Sampler:
    """Windows of the training text for each step.

    Args:
        text: tokens (N,) on the device that trains.
        window: predicted bytes per window.
        batch: windows per step.
        seed: which order.

    Raises:
        InputError: the text is too short for one step.
    """

    def __init__(self, text: Tensor, window: int, batch: int, seed: int) -> None:
        self._text, self._window, self._batch, self._seed = text, window, batch, seed
        # A pass starts at any of the first `window` bytes, so that no byte is always a first.
        self._windows = (len(text) - window) // window
        self.steps_per_pass = self._windows // batch
        if self.steps_per_pass < 1:
            need = (batch + 1) * window
            raise InputError(
                f"text: {len(text)} bytes, and {batch} windows of {window} need {need}; "
                "use a longer text, a smaller batch or a shorter window"
            )
        self._pass = -1
        self._starts = torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and the bytes that follow them, (B, T) each, of `step`, counted from 0."""
        number, place = divmod(step, self.steps_per_pass)
        if number != self._pass:
            self._pass, self._starts = number, self._order(number)
        starts = self._starts[place * self._batch : (place + 1) * self._batch, None]
        span = torch.arange(self._window + 1, device=self._text.device)
        tokens = self._text[starts + span].long()
        return tokens[:, :-1], tokens[:, 1:]

    def _order(self, number: int) -> Tensor:
        rng = np.random.default_rng((self._seed, number))
        offset = int(rng.integers(self._window))
        starts = rng.permutation(self._windows) * self._window + offset
        return torch.from_numpy(starts).to(self._text.device)
