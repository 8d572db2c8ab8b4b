"""The key of a point: a hash of everything that goes in, known before anything is compiled.

A run id names what came out of the compiler and the trace; to know it one must compile. A key
names what went in, the program's own source included, so that a sweep that starts again finds what
it has in microseconds. After an update of the program keys are new and points run again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import seneca_sim
from seneca_sim.chip.area import load_area
from seneca_sim.results.ids import digest, run_id
from seneca_sim.sweep.resolve import FILES, Case
from seneca_sim.sweep.stages import PRICED, Setup

_KEPT: Final = 4096
FIT, FIXED = "mapping.fit", "chip"
NUMBERLESS: Final = (
    "bench", "cli/again.py", "cli/commands", "cli/golden_files.py", "cli/golden_jobs.py",
    "cli/kept.py", "cli/main.py", "cli/pipeline.py", "cli/progress.py",
    "cli/published_models.py", "cli/summary.py", "cli/sweeping.py", "cli/tables.py",
    "cli/warm.py", "conformance", "functional", "golden", "pytest_plugin.py", "report",
    "results/compare", "sensitivity", "sweep/sweeps", "timeline", "validate",
)  # fmt: skip
"""What of `seneca_sim` has no part in the numbers of a sweep: all else is in the keys."""
_NO_SOURCE: Final = frozenset({".md", ".pyc", ".nbi", ".nbc"})


@lru_cache(maxsize=8)
def source_hash(root: Path, left_out: tuple[str, ...] = ()) -> str:
    """SHA-256 over the names and bytes of all sources and data in a folder.

    Args:
        root: the folder.
        left_out: files and folders in it that do not count.
    """
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix in _NO_SOURCE or is_among(name, left_out):
            continue
        if path.is_file() and "__pycache__" not in path.parts:
            data = path.read_bytes()
            found.update(f"{root.name}/{name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def is_among(name: str, places: tuple[str, ...]) -> bool:
    """Whether a file is one of some files and folders, or in one of them."""
    return any(name == place or name.startswith(f"{place}/") for place in places)


@lru_cache(maxsize=1)
def machine_hash() -> str:
    """SHA-256 over the sources that turn a point into numbers, and NumPy's version."""
    sources = source_hash(Path(seneca_sim.__file__).parent, NUMBERLESS)
    return digest([sources, version("numpy")])


class Keys:
    """Makes the keys of a sweep's points."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._common = digest(
            [machine_hash(), load_area(setup.area).sha256, list(setup.deep), setup.accuracy]
        )
        self._identities: dict[tuple[tuple[str, str], ...], str] = {}
        self._priced: dict[tuple[int, int], tuple[Case, str]] = {}

    def key(self, case: Case) -> str:
        """The key of a case."""
        run = self._run(case)
        return digest([self._common, self._prices(case), _pathless(run), self._identities[run]])

    def counts_keys(self, case: Case) -> tuple[str, str]:
        """Two keys of a case's simulation: of all that goes in but what only moves its price.

        The second is for programs with weights off the cores, whose cycles follow the clock. A
        chip that is yet to be fitted to its workload may follow its clock, which stays in then.
        """
        chip = asdict(case.loaded.chip)
        del chip["name"], chip["memory"]["latency_ps"]
        if case.run.get(FIT, FIXED) == FIXED:
            for field in PRICED:
                del chip[field]
        run = self._run(case)
        common = [machine_hash(), chip, _pathless(run), self._identities[run], case.mode]
        return digest(common), digest([*common, case.loaded.chip.memory_latency_cycles])

    def _run(self, case: Case) -> tuple[tuple[str, str], ...]:
        """The settings of a run, once their identity is known."""
        run = tuple(sorted(case.run.items()))
        if run not in self._identities:
            self._identities[run] = self.setup.workload.identity(case.run)
        return run

    def _prices(self, case: Case) -> str:
        """A hash of chip and table; `resolve` gives the same ones again and again."""
        same = id(case.loaded), id(case.table)
        if len(self._priced) > _KEPT:
            self._priced.clear()
        if same not in self._priced:  # with the case, so that no other gets its ids
            self._priced[same] = case, run_id("", case.loaded, case.table)
        return self._priced[same][1]


def _pathless(run: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Settings but the names of files: the identity has their content."""
    return [(path, text) for path, text in run if path not in FILES]
