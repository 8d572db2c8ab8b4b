"""Which process gets which points: those of one program together, the largest groups first.

Points wait in groups of one program, as far as is known: what a program depends on is learnt from
the first outcome (`learn`). A process works through a group; when no group is left untouched it
helps with the largest, if that takes longer than compiling its program a second time. Within a
group points that differ in prices only are neighbours, so that they are simulated once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from seneca_sim.sweep.resolve import CHIP
from seneca_sim.sweep.stages import Job
from seneca_sim.sweep.watch import PATHS

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
        self._last: dict[object, Job] = {}
        self._home: dict[object, object] = {}
        self._each: dict[object, float] = {}
        self._opening = 0.0
        self._blind = 0
        self._sort(list(jobs))

    def __len__(self) -> int:
        """Jobs that nobody has."""
        return sum(map(len, self._groups.values()))

    def learn(self, reads: frozenset[str]) -> None:
        """Sort what waits by what programs turned out to depend on."""
        if not reads or (self._reads is not None and reads <= self._reads):
            return
        self._reads = reads | (self._reads or frozenset())
        self._home = {who: self._key(job) for who, job in self._last.items()}
        self._sort(self._waiting())

    def told(self, worker: object, seconds: float, *, opened: bool) -> None:
        """How long a worker took for a point; the next portion is sized by it.

        `opened` says that a program was compiled for it.
        """
        if opened:
            self._opening = max(self._opening, seconds)
        else:
            before = self._each.get(worker, seconds)
            self._each[worker] = max((before + seconds) / 2, 1e-6)

    def next_for(self, worker: object) -> list[Job]:
        """The next portion for a worker; empty when nothing waits that it should do."""
        if not self._groups:
            return []
        portion = self._somewhere() if self._reads is None else self._near(worker)
        if portion:
            self._last[worker] = portion[-1]
            self._home[worker] = self._key(portion[-1])
        return portion

    def _somewhere(self) -> list[Job]:
        """One point while nothing is known: far from those of the others."""
        (group,) = self._groups.values()
        at = int(len(group) * spread(self._blind))
        self._blind += 1
        job = group[at]
        del group[at]
        self._drop(())
        return [job]

    def _near(self, worker: object) -> list[Job]:
        """More of a worker's program, or another that nobody has, or help."""
        home = self._home.get(worker)
        if home not in self._groups:
            taken = set(self._home.values())
            home = next((key for key in self._groups if key not in taken), None)
        return self._help(worker) if home is None else self._take(home, self._portion(worker))

    def _portion(self, worker: object) -> int:
        """How many points make a portion: one as long as nothing is known."""
        each = self._each.get(worker)
        return 1 if each is None else max(1, min(MOST, int(PORTION_SECONDS / each)))

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Jobs of a worker that died: first in line again."""
        self._sort([*jobs, *self._waiting()])

    def without(self, indices: Iterable[int]) -> int:
        """Forget jobs that somebody else has done; how many there were."""
        gone, before = set(indices), len(self)
        self._sort([job for job in self._waiting() if job.index not in gone])
        return before - len(self)

    # -- groups ------------------------------------------------------------------------------

    def _key(self, job: Job) -> object:
        return program_key(job.varied, self._reads)

    def _waiting(self) -> list[Job]:
        return [job for group in self._groups.values() for job in group]

    def _sort(self, jobs: list[Job]) -> None:
        groups: dict[object, list[Job]] = {}
        for job in jobs:
            groups.setdefault(self._key(job), []).append(job)
        order = sorted(self._turned(list(groups)), key=lambda key: -len(groups[key]))
        self._groups = {
            key: deque(self._turned(sorted(groups[key], key=_simulation))) for key in order
        }

    def _turned(self, items: list[T]) -> list[T]:
        at = int(len(items) * self._start)
        return items[at:] + items[:at]

    def _take(self, key: object, size: int) -> list[Job]:
        group = self._groups[key]
        portion = [group.popleft() for _ in range(min(size, len(group)))]
        self._drop(key)
        return portion

    def _help(self, worker: object) -> list[Job]:
        """From the far end of somebody's group, at most half of it, if that saves time."""
        key = max(self._groups, key=lambda key: len(self._groups[key]))
        group = self._groups[key]
        if len(group) * min(self._each.values(), default=0.0) < 2 * self._opening:
            return []
        count = max(1, min(self._portion(worker), len(group) // 2))
        portion = [group.pop() for _ in range(count)]
        self._drop(key)
        return portion[::-1]

    def _drop(self, key: object) -> None:
        if not self._groups[key]:
            del self._groups[key]


def spread(number: int) -> float:
    """Places from 0 to 1 far from each other: 0, the middle, the quarters (van der Corput)."""
    place, share = 0.0, 0.5
    while number:
        place += share * (number & 1)
        number, share = number >> 1, share / 2
    return place


def program_key(varied: Mapping[str, str], reads: frozenset[str] | None) -> object:
    """What a program depends on of the settings; everything is one group as long as unknown."""
    if reads is None:
        return ()
    read = [(path, text) for path, text in varied.items() if _is_read(path, reads)]
    return tuple(read), tuple(sorted(varied)) if PATHS in reads else ()


def _is_read(path: str, reads: frozenset[str]) -> bool:
    return path == CHIP or path in reads or path.removeprefix("chip.") in reads


def _simulation(job: Job) -> tuple[tuple[str, str], ...]:
    return simulation_key(job.varied)


def simulation_key(varied: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The settings that may move a cycle: all but energies, clock and supply."""
    return tuple(
        (path, text)
        for path, text in varied.items()
        if not path.startswith("energy.") and path.removeprefix("chip.") not in _PRICES
    )
