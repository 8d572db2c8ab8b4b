"""One parameter at a time: what changes in energy, latency and gain, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.cost.energy import EnergyTable, price
from seneca_sim.cost.ops import OPS
from seneca_sim.engine.activity import Activity, Mode
from seneca_sim.errors import InternalError, SenecaError
from seneca_sim.program import EventStream, Program
from seneca_sim.results.ids import activity_id
from seneca_sim.results.tokens import background_counts
from seneca_sim.sensitivity.parameters import Parameter, Value, changed
from seneca_sim.sweep import Run, simulate_many

Build = Callable[[Chip], tuple[Program, Mapping[str, EventStream]]]
"""Compile the workload for a chip: the program, and an event stream for each variant by name."""
WINDOW_CYCLES = 5_000


@dataclass(frozen=True)
class Cost:
    """Means over tokens of one variant: energy in fJ, latency in seconds."""

    energy_fj: Fraction
    latency_s: Fraction


@dataclass(frozen=True)
class Point:
    """One setting of one parameter and what each variant costs there, or why it does not run.

    `simulated` is false where counts and cycles were those of another point, priced anew.
    """

    value: Value
    costs: Mapping[str, Cost]
    simulated: bool
    problem: str = ""


@dataclass(frozen=True)
class Effect:
    """A parameter, its points, and the nominal costs that they are compared with."""

    parameter: Parameter
    points: tuple[Point, ...]
    nominal: Mapping[str, Cost]

    def changes(self, measure: str) -> tuple[float | None, ...]:
        """Relative change of a measure at every point: 0.1 is ten percent more."""
        base = value_of(measure, self.nominal)
        return tuple(
            float(value_of(measure, p.costs) / base - 1) if p.costs else None for p in self.points
        )

    def swing(self, measure: str) -> float:
        """From the lowest to the highest, the nominal included, relative to the nominal."""
        found = [0.0, *(change for change in self.changes(measure) if change is not None)]
        return max(found) - min(found)


MEASURES = ("energy", "latency", "energy-delay", "energy gain", "latency gain")


def value_of(measure: str, costs: Mapping[str, Cost]) -> Fraction:
    """A measure of the last variant, or a gain of it over the first."""
    first, last = next(iter(costs.values())), list(costs.values())[-1]
    values = {
        "energy": last.energy_fj,
        "latency": last.latency_s,
        "energy-delay": last.energy_fj * last.latency_s,
        "energy gain": first.energy_fj / last.energy_fj,
        "latency gain": first.latency_s / last.latency_s,
    }
    return values[measure]


@dataclass(frozen=True)
class Study:
    """All effects on a workload, in the order of the parameters."""

    nominal: Mapping[str, Cost]
    effects: tuple[Effect, ...]
    simulations: int

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants; gains are of the last over the first."""
        return tuple(self.nominal)

    def ranked(self, measure: str = "energy-delay") -> list[Effect]:
        """The strongest first; of equals the first."""
        return sorted(self.effects, key=lambda effect: -effect.swing(measure))


@dataclass(frozen=True)
class _Case:
    """A point that compiles: its chip and table, and its runs by variant."""

    loaded: LoadedChip
    table: EnergyTable
    program: Program
    runs: Mapping[str, Run]
    ids: Mapping[str, str]


def run_study(
    loaded: LoadedChip,
    table: EnergyTable,
    parameters: Sequence[Parameter],
    build: Build,
    *,
    mode: Mode = "generation",
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Vary every parameter, one at a time, and price each variant at each point.

    What is equal in all that counts and cycles depend on is simulated once, by its activity id. A
    point that does not compile or run is kept with the reason; the others go on.

    Args:
        loaded: the nominal chip.
        table: the nominal energies.
        parameters: what to vary.
        build: compiles the workload for a chip.
        mode: of the tokens.
        processes: simulations side by side; None for one a processor.
        progress: called with (tokens done, tokens in all).
    """
    nominal = _case(loaded, table, build, mode)
    settings = [(p, value) for p in parameters for value in p.others]
    cases = [_try_case(loaded, table, p.path, value, build, mode) for p, value in settings]
    runs: dict[str, Run] = {}
    for one in (nominal, *(case for case in cases if isinstance(case, _Case))):
        for variant, key in one.ids.items():
            runs.setdefault(key, one.runs[variant])
    done = _simulate(runs, processes, progress)
    base = _costs(nominal, done)
    points: dict[str, list[Point]] = {p.path: [] for p in parameters}
    seen = set(nominal.ids.values())
    for (parameter, value), case in zip(settings, cases, strict=True):
        points[parameter.path].append(_point(value, case, done, seen))
    effects = tuple(Effect(p, tuple(points[p.path]), base) for p in parameters)
    return Study(base, effects, len(runs))


def _case(loaded: LoadedChip, table: EnergyTable, build: Build, mode: Mode) -> _Case:
    program, streams = build(loaded.chip)
    runs = {name: Run(loaded.chip, program, stream, mode) for name, stream in streams.items()}
    ids = {
        name: activity_id(loaded.chip, program, stream, mode, WINDOW_CYCLES)
        for name, stream in streams.items()
    }
    return _Case(loaded, table, program, runs, ids)


def _try_case(
    loaded: LoadedChip, table: EnergyTable, path: str, value: Value, build: Build, mode: Mode
) -> _Case | str:
    """The case of one setting, or why there is none."""
    try:
        chip, energies = changed(loaded, table, path, value)
        return _case(chip, energies, build, mode)
    except InternalError:
        raise
    except SenecaError as error:
        return str(error)


def _simulate(
    runs: Mapping[str, Run],
    processes: int | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Activity | SenecaError]:
    """Simulate every run once; if one cannot go on, find out which and keep the others."""
    try:
        found = simulate_many(list(runs.values()), processes=processes, progress=progress)
        return dict(zip(runs, found, strict=True))
    except InternalError:
        raise
    except SenecaError:
        return {key: _alone(run) for key, run in runs.items()}


def _alone(run: Run) -> Activity | SenecaError:
    try:
        return simulate_many([run], processes=1)[0]
    except InternalError:
        raise
    except SenecaError as error:
        return error


def _point(
    value: Value, case: _Case | str, done: Mapping[str, Activity | SenecaError], seen: set[str]
) -> Point:
    if isinstance(case, str):
        return Point(value, {}, False, case)
    for key in case.ids.values():
        if isinstance(found := done[key], SenecaError):
            return Point(value, {}, True, str(found))
    new = not set(case.ids.values()) <= seen
    return Point(value, _costs(case, done), new)


def _costs(case: _Case, done: Mapping[str, Activity | SenecaError]) -> dict[str, Cost]:
    """Price the variants of a case; raises what their runs raised."""
    costs = {}
    for variant, key in case.ids.items():
        activity = done[key]
        if isinstance(activity, SenecaError):
            raise activity
        costs[variant] = _cost(case, activity)
    return costs


def _cost(case: _Case, activity: Activity) -> Cost:
    """Mean energy and latency of a token, by the rules of `results`."""
    chip = case.loaded.chip
    counts = dict(zip(OPS, activity.item_ops.sum(axis=0).tolist(), strict=True))
    counts |= background_counts(chip, case.program, activity)
    priced = price(counts, case.table, chip)
    energy = sum(value for parts in priced.values() for value in parts.values())
    cycles = int((activity.token_done - activity.token_start).sum())
    tokens = len(activity.token_start)
    return Cost(Fraction(energy, tokens), Fraction(cycles, tokens * chip.clock_hz))
