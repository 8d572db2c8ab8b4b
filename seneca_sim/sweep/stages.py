"""One point, stage by stage, doing only what no earlier point has done.

Compile, stream, simulate and price each remember their results by what they depend on. A process
keeps one `Stages` for as long as it lives; points come in as a few settings and go out as an
`Outcome`, so programs and traces never travel.
"""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from seneca_sim.chip import Chip
from seneca_sim.chip.area import AreaTable, chip_um2, core_um2, load_area
from seneca_sim.chip.load import LoadedChip
from seneca_sim.engine.activity import POWER_WINDOW_CYCLES, Activity, Ints
from seneca_sim.engine.choose import Engine, chosen, simulator
from seneca_sim.errors import InternalError, SenecaError
from seneca_sim.program import EventStream, Program
from seneca_sim.results import price_run
from seneca_sim.results.checks import check_activity
from seneca_sim.results.counts import Counts, counts_from, counts_of, counts_text
from seneca_sim.results.ids import activity_id, content_hash
from seneca_sim.results.quick import price_totals, totals_summary
from seneca_sim.results.summary import variant_of
from seneca_sim.results.traffic import link_flits
from seneca_sim.sweep.resolve import Case, resolve
from seneca_sim.sweep.watch import DERIVED, Memo
from seneca_sim.sweep.workload import Workload

COMPILE, STREAM, SIMULATE, PRICE = "compile", "stream", "simulate", "price"
"""The stages, as `Outcome.work` names them."""
PROGRAMS, ACTIVITIES = 32, 256
"""How many programs and activities a process keeps."""
PRICED: Final = frozenset({"clock_hz", "voltage_mv"})
"""Chip fields that move a price and no cycle."""
DEEP: Final = (
    "bottleneck", "dense_share", "npe_dense_share", "npe_cycles_by_kind", "sparsity_by_site",
    "energy_by_kind_fj", "energy_by_layer_fj", "energy_by_mark_fj",
)  # fmt: skip
"""Metrics that need every femtojoule shared out over cores and layers: ten times the price."""


@dataclass(frozen=True)
class Job:
    """A point on its way to a process: its place in the study and the settings that it changes.

    `counts` are those that the store has of its simulation (`results.counts`), else empty.
    """

    index: int
    varied: Mapping[str, str]
    counts: str = ""


@dataclass(frozen=True)
class Setup:
    """What a process needs before the first point: workload, common settings, wanted metrics."""

    workload: Workload
    settings: Mapping[str, str]
    area: str
    deep: tuple[str, ...] = ()
    accuracy: bool = False
    engine: Engine = "compiled"


@dataclass(frozen=True)
class Outcome:
    """What became of a point.

    `work` names the stages that ran for it, in order. `passing` is true for an error that another
    start may not meet again: no word of ours, but a full memory, say. `seconds` is how long it
    took. `counts` are what to keep of a simulation, if there was one; `off_core` says that its
    cycles follow the clock, as weights lie off the cores or the mapping was chosen for the memory.
    """

    index: int
    run_id: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    passing: bool = False
    work: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    seconds: float = 0.0
    counts: str = ""
    off_core: bool = False


@dataclass(frozen=True, eq=False)
class _Compiled:
    program: Program
    sha256: str


@dataclass(frozen=True, eq=False)
class _Streamed:
    stream: EventStream
    sha256: str


class Stages:
    """The stages with their memories."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.area: AreaTable = load_area(setup.area)
        self._programs: Memo[_Compiled | SenecaError] = Memo(PROGRAMS)
        self._streams: Memo[_Streamed] = Memo(PROGRAMS)
        self._flits: Memo[Ints] = Memo(PROGRAMS)
        self._activities: OrderedDict[str, tuple[Activity, Counts]] = OrderedDict()
        self._fitted: dict[object, LoadedChip] = {}

    def evaluate(self, job: Job) -> Outcome:
        """Run one point; whatever goes wrong is in the outcome."""
        began = time.perf_counter()
        outcome = self._outcome(job)
        return replace(outcome, seconds=time.perf_counter() - began)

    def _outcome(self, job: Job) -> Outcome:
        work: list[str] = []
        try:
            return self._run(job, work)
        except InternalError as error:
            return self._failed(job, f"internal error: {error}", work, passing=True)
        except SenecaError as error:
            return self._failed(job, str(error), work)
        except MemoryError:
            return self._failed(job, "out of memory", work, passing=True)
        except Exception as error:  # a bug: the other points go on, and this one says where
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return self._failed(job, f"internal error at {where}: {text}", work, passing=True)

    def _failed(self, job: Job, error: str, work: list[str], *, passing: bool = False) -> Outcome:
        return Outcome(
            job.index, error=error, passing=passing, work=tuple(work), reads=self._programs.reads
        )

    def _run(self, job: Job, work: list[str]) -> Outcome:
        settings = {**self.setup.settings, **job.varied}
        case = self.fitted(resolve(settings, self.setup.workload.sort))
        if job.counts:
            deep: dict[str, Any] = {}
            counts = counts_from(job.counts)
        else:
            counts, deep = self._simulated(case, work)
        work.append(PRICE)
        totals = price_totals(case.loaded, case.table, counts)
        summary = totals_summary(totals) | self._area_of(case.loaded.chip, counts.cores_used) | deep
        if self.setup.accuracy:
            summary |= self.setup.workload.accuracy(case.run)
        return Outcome(
            job.index,
            run_id=totals.run_id,
            summary=summary,
            inputs=self._inputs(case, counts),
            work=tuple(work),
            reads=self._programs.reads,
            counts=self._kept(counts) if SIMULATE in work else "",
            off_core=counts.off_core or bool(self._programs.reads & DERIVED),
        )

    def _simulated(self, case: Case, work: list[str]) -> tuple[Counts, dict[str, Any]]:
        """The counts of a case, and the metrics that need more than these."""
        compiled = self.compiled(case, work)
        streamed = self._streamed(case, compiled, work)
        name = activity_id(
            case.loaded.chip, compiled.program, streamed.stream, case.mode, POWER_WINDOW_CYCLES,
            program_sha256=compiled.sha256,
        )  # fmt: skip
        activity, counts = self._activity(name, case, compiled, streamed, work)
        if not self.setup.deep:
            return counts, {}
        return counts, self._deep(case, compiled.program, streamed.stream, activity)

    def _kept(self, counts: Counts) -> str:
        """Counts as they are stored; nothing where a program may follow the clock or the supply."""
        if self.setup.deep or self._programs.reads & PRICED:
            return ""
        return counts_text(counts)

    def fitted(self, case: Case) -> Case:
        """The case on the chip that the workload asks for; worked out once for what it follows."""
        key = (case.chip, tuple(case.overrides.items()), tuple(case.run.items()))
        if key not in self._fitted:
            workload = self.setup.workload
            self._fitted[key] = workload.fit(case.loaded, case.chip, case.overrides, case.run)
            if len(self._fitted) > ACTIVITIES:
                del self._fitted[next(iter(self._fitted))]
        return replace(case, loaded=self._fitted[key])

    def compiled(self, case: Case, work: list[str]) -> _Compiled:
        """The program of a case."""

        def make(chip: Chip, run: Mapping[str, str]) -> _Compiled | SenecaError:
            work.append(COMPILE)
            try:
                program = self.setup.workload.compile(chip, run)
            except SenecaError as error:  # what does not fit need not be tried again either
                return error
            return _Compiled(program, content_hash(program))

        found = self._programs.get(case.loaded.chip, case.run, make)
        if isinstance(found, SenecaError):
            raise found
        return found

    def _streamed(self, case: Case, compiled: _Compiled, work: list[str]) -> _Streamed:
        def make(_: Chip, run: Mapping[str, str]) -> _Streamed:
            work.append(STREAM)
            stream = self.setup.workload.stream(compiled.program, run)
            return _Streamed(stream, stream.content_hash)

        return self._streams.get(case.loaded.chip, case.run, make, compiled.sha256)

    def _activity(
        self, name: str, case: Case, compiled: _Compiled, streamed: _Streamed, work: list[str]
    ) -> tuple[Activity, Counts]:
        """Simulate, or remember; what was simulated is checked against every closed form."""
        if name in self._activities:
            self._activities.move_to_end(name)
            return self._activities[name]
        work.append(SIMULATE)
        program, stream, chip = compiled.program, streamed.stream, case.loaded.chip
        engine = chosen(self.setup.engine, program, stream)
        activity = simulator(engine)(chip, program, stream, mode=case.mode)
        expected = self._flits.get(
            chip, {}, lambda c, _: link_flits(c, program, stream),
            compiled.sha256, streamed.sha256,
        )  # fmt: skip
        check_activity(chip, program, stream, activity, expected)
        counts = counts_of(program, activity, case.mode, name, compiled.sha256, streamed.sha256)
        self._activities[name] = activity, counts
        if len(self._activities) > ACTIVITIES:
            self._activities.popitem(last=False)
        return activity, counts

    def _area_of(self, chip: Chip, used: int) -> dict[str, float]:
        core = core_um2(chip, self.area) / 10**6
        return {
            "core_mm2": float(core),
            "used_mm2": float(core * used),
            "chip_mm2": float(chip_um2(chip, self.area) / 10**6),
        }

    def _deep(
        self, case: Case, program: Program, stream: EventStream, activity: Activity
    ) -> dict[str, Any]:
        result = price_run(
            case.loaded, case.table, program, stream, activity, label="point", mode=case.mode
        )
        all_of_it = variant_of(result)
        all_of_it |= {"bottleneck": result.bottleneck.unit}
        all_of_it |= {
            "energy_by_kind_fj": result.by_kind,
            "energy_by_layer_fj": {str(layer): fj for layer, fj in result.by_layer.items()},
            "energy_by_mark_fj": {str(mark): fj for mark, fj in result.by_mark.items()},
        }
        return {name: all_of_it[name] for name in self.setup.deep}

    def _inputs(self, case: Case, counts: Counts) -> dict[str, Any]:
        return {
            "chip": case.loaded.chip.name,
            "energy": case.table.name,
            "workload": self.setup.workload.name,
            "activity_id": counts.activity_id,
            "program_sha256": counts.program_sha256,
            "stream_sha256": counts.stream_sha256,
        }
