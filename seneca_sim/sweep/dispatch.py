"""Which process gets which points: those of one program together, small portions at the end.

Points wait in groups of one program, as far as is known: what a program depends on is learnt from
the first outcome (`learn`). A process works through a group; when no group is left untouched it
helps with the largest. Within a group points that differ in prices only are neighbours, so that
they are simulated once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from seneca_sim.sweep.resolve import CHIP
from seneca_sim.sweep.stages import Job

T = TypeVar("T")
PORTION_SECONDS: Final = 0.25
"""What a process is given at once: enough not to wait for more, not so much that others do."""
MOST: Final = 64
_PRICES: Final = ("clock", "clock_hz", "voltage", "voltage_mv")


class Dispatcher:
    """Hands out jobs to workers (any hashable names)."""

    def __init__(self, jobs: Iterable[Job], start: float = 0.0) -> None:
        """Take all jobs in.

        Args:
            jobs: what is to be done.
            start: where to begin, as a share of the whole, 0 to 1: two sweeps over the same
                points do not walk side by side then.
        """
        self._start = start
        self._groups: dict[object, deque[Job]] = {}
        self._reads: frozenset[str] | None = None
        self._home: dict[object, object] = {}
        self._size: dict[object, int] = {}
        self._sort(list(jobs))

    def __len__(self) -> int:
        """Jobs that nobody has."""
        return sum(map(len, self._groups.values()))

    def learn(self, reads: frozenset[str]) -> None:
        """Sort what waits by what programs turned out to depend on."""
        if not reads or (self._reads is not None and reads <= self._reads):
            return
        self._reads = reads | (self._reads or frozenset())
        self._home.clear()
        self._sort(self._waiting())

    def told(self, worker: object, jobs: int, seconds: float) -> None:
        """How long a worker took for its last portion; the next is sized by it."""
        each = max(seconds, 1e-6) / max(1, jobs)
        self._size[worker] = max(1, min(MOST, int(PORTION_SECONDS / each)))

    def next_for(self, worker: object) -> list[Job]:
        """The next portion for a worker; empty when nothing waits."""
        home = self._home.get(worker)
        size = self._size.get(worker, 1)
        if home in self._groups:
            return self._take(home, size)
        taken = set(self._home.values())
        free = [key for key in self._groups if key not in taken]
        if free:
            self._home[worker] = free[0]
            return self._take(free[0], size)
        if not self._groups:
            return []
        largest = max(self._groups, key=lambda key: len(self._groups[key]))
        return self._help(largest, size)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Jobs of a worker that died: first in line again."""
        self._sort([*jobs, *self._waiting()])

    def without(self, indices: Iterable[int]) -> int:
        """Forget jobs that somebody else has done; how many there were."""
        gone, before = set(indices), len(self)
        self._sort([job for job in self._waiting() if job.index not in gone])
        return before - len(self)

    # -- groups ------------------------------------------------------------------------------

    def _waiting(self) -> list[Job]:
        return [job for group in self._groups.values() for job in group]

    def _sort(self, jobs: list[Job]) -> None:
        groups: dict[object, list[Job]] = {}
        for job in jobs:
            groups.setdefault(program_key(job.varied, self._reads), []).append(job)
        self._groups = {
            key: deque(self._turned(sorted(groups[key], key=_simulation)))
            for key in self._turned(list(groups))
        }

    def _turned(self, items: list[T]) -> list[T]:
        at = int(len(items) * self._start)
        return items[at:] + items[:at]

    def _take(self, key: object, size: int) -> list[Job]:
        group = self._groups[key]
        portion = [group.popleft() for _ in range(min(size, len(group)))]
        self._drop(key)
        return portion

    def _help(self, key: object, size: int) -> list[Job]:
        """From the far end of somebody's group, at most half of it."""
        group = self._groups[key]
        count = max(1, min(size, len(group) // 2))
        portion = [group.pop() for _ in range(count)]
        self._drop(key)
        return portion[::-1]

    def _drop(self, key: object) -> None:
        if not self._groups[key]:
            del self._groups[key]


def program_key(varied: Mapping[str, str], reads: frozenset[str] | None) -> object:
    """What a program depends on of the settings; everything is one group as long as unknown."""
    if reads is None:
        return ()
    return tuple((path, text) for path, text in varied.items() if _is_read(path, reads))


def _is_read(path: str, reads: frozenset[str]) -> bool:
    if path == CHIP or path in reads or path.removeprefix("chip.") in reads:
        return True
    return any(read.endswith("*") and path.startswith(read[:-1]) for read in reads)


def _simulation(job: Job) -> tuple[tuple[str, str], ...]:
    return simulation_key(job.varied)


def simulation_key(varied: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The settings that may move a cycle: all but energies, clock and supply."""
    return tuple(
        (path, text)
        for path, text in varied.items()
        if not path.startswith("energy.") and path.removeprefix("chip.") not in _PRICES
    )
