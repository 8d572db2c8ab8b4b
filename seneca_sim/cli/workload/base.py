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
from seneca_sim.cli.compiling import NO_FILE, compile_shape, fitted_chip
from seneca_sim.cli.settings import RUN_SETTINGS, Settings, parse_settings
from seneca_sim.cli.workload.files import stamp_of
from seneca_sim.errors import InputError
from seneca_sim.sweep.keys import source_hash
from seneca_sim.sweep.workload import Sorted

if TYPE_CHECKING:
    from seneca_sim.program import EventStream, Program
    from workloads.traces import ActivationTrace

Tell = Callable[[int, int, str], None]
VARIANT, RECIPE, LOSS_INC = "workload.variant", "sparsity.recipe", "sparsity.loss_inc"
GIVEN: Final = "mapping.given"
"""Which settings of the mapping were given: they win over a mapping file, be it as defaults."""
OWN_SETTINGS: Final = {VARIANT: "", RECIPE: "", LOSS_INC: ""}
"""Settings that only studies have, with their defaults: empty leaves the choice to the workload."""
VARIANTS: Final = ("dense", "natural", "sparsified")
DENSE, NATURAL, SPARSIFIED = VARIANTS


class StudyWorkload(ABC):
    """A workload for `sweep`: compiles `shape`, streams traces that `prepare` has put aside."""

    name: str

    @property
    @abstractmethod
    def shape(self) -> Mapping[str, object]:
        """Family and dimensions, as a trace states them."""

    def sort(self, settings: Mapping[str, str]) -> Sorted:
        """Sort settings as `--set` does, and refuse what the workload does not have."""
        own = {path: text for path, text in settings.items() if path in OWN_SETTINGS}
        rest = tuple(f"{path}={text}" for path, text in settings.items() if path not in own)
        sorted_ = parse_settings(rest)
        for path, default in RUN_SETTINGS.items():
            if default.isdigit() and path in settings:
                sorted_.whole(path)
        given = sorted(path for path in sorted_.given if path.startswith("mapping."))
        run = {**OWN_SETTINGS, **sorted_.run, **own, GIVEN: " ".join(given)}
        run |= self.defaults(run, settings)
        _mapping_hash(run)
        self.check(run)
        return Sorted(sorted_.chip, sorted_.energy, run, sorted_.mode)

    def defaults(self, run: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
        """Settings that follow from the workload where a study, which gave `given`, has none."""
        return {}

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
    def content(self, run: Mapping[str, str]) -> Mapping[str, object]:
        """What the workload of a run is made from, by name: hashes of files, plain data."""

    def inputs(self, run: Mapping[str, str]) -> dict[str, object]:
        """All that goes into a run from outside, by name: whatever file is read is in here."""
        return {**self.content(run), "mapping": _mapping_hash(run)}

    def identity(self, run: Mapping[str, str]) -> str:
        """A hash of a run's inputs, and of the sources that compile it and make its trace."""
        from seneca_sim.results.ids import digest

        return digest([workloads_hash(), self.inputs(run)])

    @abstractmethod
    def prepare(self, runs: Sequence[Mapping[str, str]], tell: Tell) -> bool:
        """Put the traces of some runs aside; whether any was not there yet."""

    def compile(self, chip: Chip, run: Mapping[str, str]) -> Program:
        """Compile the shape as every other command does."""
        settings = settings_of(run)
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
        settings = settings_of(run, overrides)
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


def settings_of(run: Mapping[str, str], chip: Mapping[str, str] | None = None) -> Settings:
    """The settings of a run of a study as every command has them."""
    return Settings(chip=dict(chip or {}), run=run, given=frozenset(run[GIVEN].split()))


NUMBERLESS: Final = ("studies", "training")
"""What of `workloads` has no part in the numbers of a sweep."""


def workloads_hash() -> str:
    """SHA-256 over the sources of `workloads`; those of this package are among the machine's."""
    import workloads

    return source_hash(Path(workloads.__file__).parent, NUMBERLESS)


def _mapping_hash(run: Mapping[str, str]) -> str:
    """SHA-256 of a run's mapping file, checked; empty without one."""
    name = run["mapping.file"]
    return "" if name == NO_FILE else _hash_of_mapping(name, stamp_of(name))


@lru_cache(maxsize=64)
def _hash_of_mapping(name: str, _: tuple[int, int]) -> str:
    from seneca_sim.config import read_document
    from workloads.compiler.mapping_file import LIBRARY, read_mapping

    read_mapping(name)
    return read_document(name, LIBRARY).sha256


def masks_only(trace: ActivationTrace) -> ActivationTrace:
    """A trace without values and states: all that event streams need, and a tenth of the size."""
    from workloads.traces import SiteTrace

    sites = {name: SiteTrace(site.width, site.mask) for name, site in trace.sites.items()}
    return replace(trace, sites=sites, state={})
