"""What enters the stage in hand, kept for every batch as far as a limit goes.

Sites are settled in the order of the forward, so nothing before the present stage changes any
more. Batches whose tensors do not fit the limit are run again from their tokens each time, which
costs time and changes nothing else.
"""

from collections.abc import Callable, Iterator, Sequence

from workloads.models.sites import Carry, SitedModel, Tap, joined
from workloads.sparsity.batches import Batch

CACHE_BYTES = 1 << 30
"""1 GiB: a batch of 16 x 1,024 tokens of a model with D 256, F 1,024 takes up to 96 MiB."""


class StageCache:
    """The inputs of one stage, which moves forward.

    Args:
        model: the model.
        work: the batches.
        limit: bytes that may be kept; 0 for nothing, so that each use runs from the tokens on.
        work_on: a map over batches.
    """

    def __init__(
        self,
        model: SitedModel,
        work: Sequence[Batch],
        limit: int,
        work_on: Callable[..., list[Carry]],
    ) -> None:
        self._model = model
        self._work = work
        self._limit = limit
        self._work_on = work_on
        self._kept: dict[int, Carry] = {}
        self.stage = 0

    @property
    def bytes(self) -> int:
        """What is kept at present."""
        return sum(_bytes(carry) for carry in self._kept.values())

    def inputs(self, batch: int, tap: Tap) -> Carry:
        """What enters the stage in hand; `tap` applies what is settled before it."""
        if batch in self._kept:
            return self._kept[batch]
        carry = self._model.start(self._work[batch].inputs)
        return joined(list(self._model.run(0, self.stage, carry, tap))) if self.stage else carry

    def outputs(self, batch: int, last: int, tap: Tap) -> Iterator[Carry]:
        """Run a batch from the stage in hand to stage `last` - 1."""
        if batch in self._kept or not self.stage:
            return self._model.run(self.stage, last, self.inputs(batch, tap), tap)
        # From the tokens on in one go, so that tiles need not be put together in between.
        return self._model.run(0, last, self._model.start(self._work[batch].inputs), tap)

    def move_to(self, stage: int, tap: Tap) -> None:
        """Go on to a later stage, under what `tap` has settled."""
        if self._limit == 0:
            self.stage = stage
            return

        def moved(batch: int) -> Carry:
            if stage == 0:
                return self._model.start(self._work[batch].inputs)
            return joined(list(self.outputs(batch, stage, tap)))

        room = self._limit
        kept: dict[int, Carry] = {}
        for batch, carry in enumerate(self._work_on(moved, range(len(self._work)))):
            size = _bytes(carry)
            if size <= room:
                kept[batch] = carry
                room -= size
        self._kept, self.stage = kept, stage


def _bytes(carry: Carry) -> int:
    return sum(part.numel() * part.element_size() for part in carry)
