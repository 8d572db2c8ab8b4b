"""How long a search will still take, from what it took so far."""

import time
from collections.abc import Sequence


class Remaining:
    """An estimate from the share of the work that is done.

    Args:
        work: relative effort of each step, in order.
    """

    def __init__(self, work: Sequence[int]) -> None:
        self._work = list(work)
        self._start = time.monotonic()

    def after(self, done: int) -> str:
        """Words to put behind a message when `done` steps are over."""
        left = self.seconds(done)
        if done == len(self._work):
            return ""
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"

    def seconds(self, done: int) -> float:
        """Seconds that the rest takes if it goes on as it went."""
        spent = time.monotonic() - self._start
        return spent / sum(self._work[:done]) * sum(self._work[done:]) if done else 0.0
