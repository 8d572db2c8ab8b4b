"""What all workloads of studies do alike: the spelling of settings, compiling, counting events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.cli.compiling import compile_shape, fitted_chip
from seneca_sim.cli.settings import RUN_SETTINGS, Settings, parse_settings
from seneca_sim.errors import InputError
from seneca_sim.sweep.keys import source_hash
from seneca_sim.sweep.workload import Sorted

if TYPE_CHECKING:
    from seneca_sim.program import EventStream, Program
    from workloads.traces import ActivationTrace

Tell = Callable[[int, int, str], None]
VARIANT, RECIPE, LOSS_INC = "workload.variant", "sparsity.recipe", "sparsity.loss_inc"
OWN_SETTINGS: Final = {VARIANT: "", RECIPE: "", LOSS_INC: ""}
"""Settings that only studies have, with their defaults: empty leaves the choice to the workload."""
VARIANTS: Final = ("dense", "natural", "sparsified")
DENSE, NATURAL, SPARSIFIED = VARIANTS


class StudyWorkload(ABC):
    """A workload for `sweep`: compiles `shape`, streams traces that `prepare` has put aside."""

    name: str
    shape: Mapping[str, object]

    def sort(self, settings: Mapping[str, str]) -> Sorted:
        """Sort settings as `--set` does, and refuse what the workload does not have."""
        own = {path: text for path, text in settings.items() if path in OWN_SETTINGS}
        rest = tuple(f"{path}={text}" for path, text in settings.items() if path not in own)
        sorted_ = parse_settings(rest)
        for path, default in RUN_SETTINGS.items():
            if default.isdigit() and path in settings:
                sorted_.whole(path)
        run = {**OWN_SETTINGS, **sorted_.run, **own}
        self.check(run)
        return Sorted(sorted_.chip, sorted_.energy, run, sorted_.mode)

    def check(self, run: Mapping[str, str]) -> None:
        """Refuse settings of a run that this workload cannot follow."""
        self.refuse(run, VARIANT, RECIPE, LOSS_INC)

    def refuse(self, run: Mapping[str, str], *paths: str) -> None:
        """Refuse some settings altogether."""
        for path in paths:
            if run[path]:
                raise InputError(
                    f"--set {path}={run[path]}: workload {self.name} has no such choice; only a "
                    "model that is run does"
                )

    @abstractmethod
    def content(self, run: Mapping[str, str]) -> object:
        """What goes into `identity` beside the sources: plain data."""

    def identity(self, run: Mapping[str, str]) -> str:
        """A hash of the workload, and of the sources that compile it and make its trace."""
        from seneca_sim.results.ids import digest

        return digest([workloads_hash(), self.content(run)])

    @abstractmethod
    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> None:
        """Put the traces of some runs aside."""

    def compile(self, chip: Chip, run: Mapping[str, str]) -> Program:
        """Compile the shape as every other command does."""
        settings = Settings(run=run)
        trace = self.trace(run) if run["mapping.balance"] == "events" else None
        return compile_shape(self.name, self.shape, chip, settings, trace)

    def fit(
        self, loaded: LoadedChip, chip: str, overrides: Mapping[str, str], run: Mapping[str, str]
    ) -> LoadedChip:
        """The chip, or with `mapping.fit=smallest` the smallest mesh that fits.

        A study that names the mesh keeps it; the mapping then takes the fewest of its cores.
        """
        if run["mapping.fit"] == "chip" or {"columns", "rows"} & set(overrides):
            return loaded
        settings = Settings(chip=dict(overrides), run=dict(run))
        return fitted_chip(self.name, self.shape, loaded, chip, settings)

    def stream(self, program: Program, run: Mapping[str, str]) -> EventStream:
        """Count a trace's events on the routes of a program."""
        from workloads.compiler import event_stream

        return event_stream(program, self.trace(run))

    @abstractmethod
    def trace(self, run: Mapping[str, str]) -> ActivationTrace:
        """The trace of a run."""

    def accuracy(self, run: Mapping[str, str]) -> Mapping[str, float]:
        """Accuracy by name; none here."""
        return {}


@lru_cache(maxsize=1)
def workloads_hash() -> str:
    """SHA-256 over the sources of `workloads` and of what stands between it and the machine."""
    import workloads

    root = Path(workloads.__file__).parent
    parts = ("compiler", "families", "job", "models", "sparsity", "traces", "zoo")
    own = Path(__file__).parent
    return source_hash((*(root / part for part in parts), own))


def masks_only(trace: ActivationTrace) -> ActivationTrace:
    """A trace without values and states: all that event streams need, and a tenth of the size."""
    from workloads.traces import SiteTrace

    sites = {name: SiteTrace(site.width, site.mask) for name, site in trace.sites.items()}
    return replace(trace, sites=sites, state={})
