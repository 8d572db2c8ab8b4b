"""What a golden runs on, and a bench that runs it: under its own chip and energies, or others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from seneca_sim.chip import Chip
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.cost.ops import OPS
from seneca_sim.engine.activity import Activity, Mode
from seneca_sim.engine.choose import Engine, simulator
from seneca_sim.errors import InputError
from seneca_sim.program import EventStream, Program
from seneca_sim.results.checks import check_activity
from seneca_sim.results.compare import Numbers
from seneca_sim.results.compare.inputs import Leaf, machine, tool
from seneca_sim.results.compare.numbers import from_terms
from seneca_sim.results.terms import terms_of
from seneca_sim.results.tokens import background_counts

Built = tuple[Program, Mapping[str, EventStream]]
Build = Callable[[Chip], Built]
"""Compiles for a chip: the program, and the events of every variant."""
SMALL = 100_000
"""Events and ends of vectors up to which the reference engine is used.

It takes a few seconds for so many; a machine that has just been set up, as those of CI are, would
take longer to compile the compiled engine.
"""


@dataclass(frozen=True)
class Job:
    """The inputs of a golden, opened: as they are now.

    Attributes:
        chip: the chip.
        table: energies.
        mode: token mode.
        build: makes program and streams for a chip.
        settings: what a change of input is named by.
        workload: likewise, of the workload.
    """

    chip: Chip
    table: EnergyTable
    mode: Mode
    build: Build
    settings: Mapping[str, Leaf] = field(default_factory=dict)
    workload: Mapping[str, Leaf] = field(default_factory=dict)


class Bench:
    """Runs a job; what was simulated once is not simulated again to price it anew.

    `known` are activities of the job's own chip that there are already, by variant.
    """

    def __init__(
        self, job: Job, engine: Engine = "auto", known: Mapping[str, Activity] | None = None
    ) -> None:
        self.job = job
        self._engine = engine
        self._built: dict[Chip, Built] = {}
        self._activities = {(job.chip, label): one for label, one in (known or {}).items()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The variants."""
        return tuple(self.built(self.job.chip)[1])

    def built(self, chip: Chip) -> Built:
        """Program and streams for a chip."""
        if chip not in self._built:
            self._built[chip] = self.job.build(chip)
        return self._built[chip]

    def inputs(
        self, chip: Chip | None = None, table: EnergyTable | None = None
    ) -> dict[str, dict[str, Leaf]]:
        """What the job is made from, by section; by default on its own chip and energies."""
        chip, table = chip or self.job.chip, table or self.job.table
        return {
            "tool": tool(),
            "workload": dict(self.job.workload),
            "settings": {"mode": self.job.mode, **self.job.settings},
            **machine(chip, table, *self.built(chip)),
        }

    def numbers(
        self, label: str, chip: Chip | None = None, table: EnergyTable | None = None
    ) -> Numbers:
        """The integers of one variant, by default on the job's own chip and energies.

        Raises:
            InputError: no such variant.
        """
        chip, table = chip or self.job.chip, table or self.job.table
        program, streams = self.built(chip)
        if label not in streams:
            raise InputError(f"no variant '{label}'; there are {', '.join(streams)}")
        activity = self._activity(chip, label)
        totals = activity.item_ops.sum(axis=0).tolist()
        counts = dict(zip(OPS, totals, strict=True)) | background_counts(chip, program, activity)
        return from_terms(activity, terms_of(counts, table, chip))

    def _activity(self, chip: Chip, label: str) -> Activity:
        if (chip, label) not in self._activities:
            program, streams = self.built(chip)
            simulate = simulator(_chosen(self._engine, streams[label]))
            activity = simulate(chip, program, streams[label], mode=self.job.mode)
            check_activity(chip, program, streams[label], activity)
            self._activities[chip, label] = activity
        return self._activities[chip, label]


def _chosen(engine: Engine, stream: EventStream) -> Engine:
    """Resolve ``auto``; see `SMALL`."""
    if engine != "auto":
        return engine
    work = int(stream.counts.sum()) + stream.counts.size
    return "reference" if work <= SMALL else "compiled"
