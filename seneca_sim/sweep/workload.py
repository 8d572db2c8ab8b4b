"""What a sweep asks of a workload. The machine knows none: the command line brings one along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.engine.activity import Mode
from seneca_sim.program import EventStream, Program

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Sorted:
    """Settings by what they belong to: chip fields, parts of the energy table, the run."""

    chip: Mapping[str, str]
    energy: Mapping[str, str]
    run: Mapping[str, str]
    mode: Mode


class Workload(Protocol):
    """A workload with the spelling of settings; it travels to other processes by pickle.

    `run` is always the settings of a run, complete with defaults. What a method depends on it must
    read from its arguments: they are watched, see `sweep.watch`.
    """

    @property
    def name(self) -> str:
        """For people and file names."""
        ...

    def sort(self, settings: Mapping[str, str]) -> Sorted:
        """Sort `path -> text` by what each belongs to; InputError for what nothing has."""
        ...

    def identity(self, run: Mapping[str, str]) -> str:
        """A hash of model, trace, files and all else that is not in a chip or the settings."""
        ...

    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """Record or draw the traces of some runs before they travel; whether any is new."""
        ...

    def fit(
        self, loaded: LoadedChip, chip: str, overrides: Mapping[str, str], run: Mapping[str, str]
    ) -> LoadedChip:
        """The chip, or one of its cores in a number that follows from the workload."""
        ...

    def compile(self, chip: Chip, run: Mapping[str, str]) -> Program:
        """Compile for a chip."""
        ...

    def stream(self, program: Program, run: Mapping[str, str]) -> EventStream:
        """The events of the run's trace on the routes of a program."""
        ...

    def accuracy(self, run: Mapping[str, str]) -> Mapping[str, float]:
        """Accuracy by name, as in bits_per_byte; empty where the workload has none."""
        ...
