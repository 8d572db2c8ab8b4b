"""Choosing a mapping: by hand, or the one with the best closed-form estimate that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import isqrt

from seneca_sim.chip import Chip
from seneca_sim.chip.spec import MAX_CORES
from seneca_sim.errors import CapacityError, InputError
from workloads.compiler.asked import check_asked
from workloads.compiler.energy import Spent, prices_of
from workloads.compiler.estimate import Densities
from workloads.compiler.fit import Fit
from workloads.compiler.graph import LayerGraph
from workloads.compiler.graph_check import check_graph, check_lanes
from workloads.compiler.groups import Counts, Groups
from workloads.compiler.memory import Options
from workloads.compiler.mixed import share_out
from workloads.compiler.plan import Plan
from workloads.compiler.precision import PRECISIONS, precision
from workloads.compiler.strategies import (
    Activity,
    grouped,
    input_split,
    output_split,
    output_split_cost,
    tiles_2d,
)
from workloads.compiler.tiles import scaled

GROUPED: dict[str, Callable[[Fit, Counts, Activity], Groups]] = {
    "grouped": grouped,
    "layer-regions": grouped,
    "mixed": grouped,
    "input-split": input_split,
    "tiles-2d": tiles_2d,
}
STRATEGIES = ("auto", "output-split", *GROUPED)
GOALS = ("energy-delay", "latency")
ALIKE = 1.04
"""Cycles by the closed form are so far from the engine's (docs/compiler.md): of mappings that are
no further apart the simplest is taken."""


@dataclass(frozen=True)
class MapSettings:
    """How a graph is to be mapped.

    Attributes:
        strategy: a name of `STRATEGIES`.
        cores_per_layer: for output-split; 0 leaves the number to the estimate.
        bits: precision of the matrices, bf16, int8 or int4.
        weights: where they lie: ``core`` (data memory) or ``shared`` (off-core memory).
        goal: what more cores than the fewest are used for: the energy-delay product, or latency.
        batch: sequences side by side, each with its own states.
        cores: by hand, for groups by name; the strategy must give groups cores of their own.
        tiles: by hand, for matrices by their site: into how many parts their columns are cut.
        densities: for the estimate; dense where nothing is said.
        activity: for each site by full name, how often each of its channels is sent; columns are
            then cut so that tiles get the same number of events, not of columns.
        placement: a name of `placement.NAMES`; "auto" is interleaved with weights in shared memory,
            else row-major for output-split and regions for the others.
        seed: of the placement search.
        steps: swaps that the placement search tries.
        place: by hand, the router of each core.
        fewest: take the fewest cores that fit, whatever the chip has.
    """

    strategy: str = "auto"
    cores_per_layer: int = 0
    bits: str = "bf16"
    weights: str = "core"
    goal: str = "energy-delay"
    batch: int = 1
    cores: Counts = field(default_factory=dict)
    tiles: Counts = field(default_factory=dict)
    densities: Densities = field(default_factory=dict)
    activity: Activity = field(default_factory=dict)
    placement: str = "auto"
    seed: int = 0
    steps: int = 1000
    place: tuple[int, ...] = ()
    fewest: bool = False

    def __post_init__(self) -> None:
        if self.weights not in ("core", "shared"):
            raise InputError(f"mapping: weights in {self.weights!r}; expected core or shared")
        for what, value, known in (
            ("strategy", self.strategy, STRATEGIES),
            ("goal", self.goal, GOALS),
        ):
            if value not in known:
                raise InputError(f"mapping.{what} is {value!r}; expected {', '.join(known)}")
        if self.batch < 1:
            raise InputError(f"mapping.batch is {self.batch}; expected at least 1")
        precision(self.bits)

    @property
    def together(self) -> bool:
        """Whether all groups of a layer are to share its cores."""
        return self.strategy == "output-split" or self.cores_per_layer > 0

    def options(self, chip: Chip) -> Options:
        """What the memory map depends on."""
        shared = self.weights == "shared"
        chosen = self.placement == "interleaved" or (self.placement == "auto" and not self.place)
        turns = shared and chosen and self.strategy != "layer-regions"
        return Options(chip, precision(self.bits), shared, self.batch, turns)


def choose(graph: LayerGraph, chip: Chip, settings: MapSettings) -> Plan:
    """Map a graph on a chip.

    Raises:
        CapacityError: it does not fit; says what does not, and what would.
        InputError: settings that do not go with the graph or the chip.
    """
    if settings.weights == "shared" and chip.memory.kind == "none":
        raise InputError(
            f"mapping: weights in shared memory, but chip {chip.name} has none; "
            "set memory.kind to hbm, stt-mram or lpddr"
        )
    check_graph(graph)
    check_lanes(graph, chip.core.npes)
    options = settings.options(chip)
    ready = scaled(graph) if options.precision.scaled else graph
    search = _Search(graph, Fit(ready, options), settings)
    check_asked(graph, settings.cores, settings.tiles, together=settings.together)
    search.check_weights()
    plan = search.plan()
    if plan.cores > MAX_CORES:
        raise CapacityError(
            f"{graph.name} takes {plan.cores:,} cores at the fewest at {settings.bits}, and a chip "
            f"has {MAX_CORES:,} at most; {_LESS}"
        )
    return plan


_LESS = (
    "take fewer bits a weight (weights.bits), leave them in off-core memory "
    "(mapping.weights=shared), or raise core.data_memory_bits"
)


@dataclass
class _Search:
    graph: LayerGraph  # before scales
    fit: Fit
    settings: MapSettings

    def check_weights(self) -> None:
        """Refuse what no chip could hold, before any search ends at something smaller.

        Raises:
            CapacityError: the weights alone are more than the data memory of `MAX_CORES` cores.
        """
        need = self._weight_bits()
        if self.settings.weights == "core" and need > MAX_CORES * self.fit.have:
            raise CapacityError(
                f"{self.graph.name} does not fit any chip at {self.settings.bits}: its weights "
                f"alone are {need:,} bits, {-(-need // self.fit.have):,} cores of "
                f"{self.fit.have:,}, and a chip has {MAX_CORES:,} at most; {_LESS}"
            )

    def _weight_bits(self) -> int:
        weights = sum(m.rows * m.columns for layer in self.graph.layers for m in layer.matrices)
        return weights * self.fit.options.precision.bits

    def plan(self) -> Plan:
        """As the settings say, or the best."""
        settings = self.settings
        if settings.together:
            return self.together()
        if settings.strategy != "auto" or settings.cores or settings.tiles:
            return self.apart(settings.strategy if settings.strategy != "auto" else "grouped")
        return self.best()

    @property
    def _chip(self) -> Chip:
        return self.fit.options.chip

    def best(self) -> Plan:
        """The cheapest of the ways that fit."""
        found: list[Plan] = []
        errors: list[CapacityError] = []
        names = ("grouped",) if self.settings.fewest else ("mixed", "grouped")
        ways: list[Callable[[], Plan]] = [self.together]
        ways += [partial(self.apart, name) for name in names]
        for way in ways:
            try:
                found.append(way())
            except CapacityError as error:
                errors.append(error)
        if not found:
            raise errors[-1]
        if self.settings.fewest:
            return min(found, key=lambda plan: plan.cores)
        spent = [plan.spent(self.settings.densities) for plan in found]
        costs = [self._cost(some) for some in spent]
        best = spent[costs.index(min(costs))]
        alike = self._cost(best._replace(cycles=best.cycles * ALIKE))
        return next(plan for plan, cost in zip(found, costs, strict=True) if cost <= alike)

    def _cost(self, spent: Spent) -> float:
        """What is to be small; all cores of a chip leak for as long as a token takes."""
        if self.settings.goal == "latency":
            return spent.cycles
        leaking = self._chip.cores * prices_of(self._chip).leakage
        return (spent.energy + leaking * spent.cycles) * spent.cycles

    # -- groups on cores of their own --------------------------------------------------------

    def apart(self, strategy: str) -> Plan:
        """A strategy that gives groups cores of their own."""
        groups, densities = self._groups(strategy), self.settings.densities
        if (
            strategy == "mixed"
            and not self.settings.fewest
            and share_out(groups, self._chip.cores, self._cost, densities)
        ):
            return groups.plan(strategy if any(groups.shared) else "grouped")
        if not self.settings.fewest and groups.plan(strategy).cores <= self._chip.cores:
            groups.spread(self._chip.cores, self._cost, densities)
            return groups.plan(strategy)
        groups.pack = True  # slower, so only where room is short
        plan = groups.plan(strategy)
        if not self.settings.fewest and plan.cores > self._chip.cores:
            raise CapacityError(self._too_few(strategy, plan))
        return plan

    def _groups(self, strategy: str) -> Groups:
        try:
            groups = GROUPED[strategy](self.fit, self.settings.tiles, self.settings.activity)
        except CapacityError as error:
            if self.settings.fewest:  # somebody asks whether there is a number at all
                raise
            text = str(error).removeprefix(f"{self.graph.name} does not fit: ")
            raise CapacityError(
                f"{self.graph.name} does not fit chip {self._chip.name} at "
                f"{self.settings.bits}: {text}; {self._others(strategy)}"
            ) from None
        groups.by_hand(self.settings.cores)
        return groups

    def _too_few(self, strategy: str, plan: Plan) -> str:
        """Which layer would need what, and the smallest chips at every precision."""
        chip, layer = self._chip, plan.graph.layers[0]
        parts = plan.mapping.layers[0]
        counts = ", ".join(f"{name} {len(part.cores)}" for name, part in parts.items())
        need = self._weight_bits()
        return (
            f"{self.graph.name} does not fit chip {chip.name} ({chip.cores} cores) at "
            f"{self.settings.bits}, {strategy}: its weights alone are {need:,} bits, the chip has "
            f"{chip.cores * self.fit.have:,}; layer {layer.name} needs {counts} cores of "
            f"{self.fit.have:,} bits; {self._others(strategy, plan)}"
        )

    def _others(self, strategy: str, plan: Plan | None = None) -> str:
        """The smallest core count that fits, at each precision."""
        found = []
        for name in PRECISIONS:
            cores = plan.cores if plan is not None and name == self.settings.bits else None
            if cores is None:
                cores = smallest_cores(self.graph, self._chip, replace(
                    self.settings, bits=name, strategy=strategy, cores_per_layer=0))  # fmt: skip
            if cores:
                found.append(f"{cores:,} at {name}")
        if not found:
            return "no number of cores fits at this data memory; raise core.data_memory_bits"
        return (
            f"the smallest core count that fits is {', '.join(found)}; mapping.fit=smallest makes "
            "such a chip"
        )

    # -- all groups of a layer on the same cores ---------------------------------------------

    def together(self) -> Plan:
        """Output split: the number by hand, or with the smallest estimated cost."""
        graph, chip, unit = self.fit.graph, self._chip, self.fit.options.unit
        torn = next((name for layer in graph.layers for name in layer.pieces), "")
        if torn:
            raise CapacityError(
                f"{graph.name}: group {torn} has a core for each piece, so all groups of a layer "
                "cannot share cores; use mapping.strategy=grouped"
            )
        layers, asked = len(graph.layers), self.settings.cores_per_layer
        ceiling = max(1, graph.width // unit)
        if asked > ceiling:
            raise InputError(
                f"mapping: {asked} cores per layer, but width {graph.width} has only "
                f"{ceiling} rows of {unit} lanes; expected at most {ceiling}"
            )
        if asked * layers > chip.cores and not self.settings.fewest:
            raise InputError(
                f"mapping: {asked} cores for each of {layers} layers are "
                f"{asked * layers}, but chip {chip.name} has {chip.cores}; expected at most "
                f"{chip.cores // layers}"
            )
        # More cores hold smaller slices but more partial sums, so bits may also rise: try each.
        smallest = next((n for n in range(1, ceiling + 1) if self._fits(n)), ceiling + 1)
        most = min(chip.cores // layers, ceiling)
        choices = [n for n in range(smallest, most + 1) if self._fits(n)] or [max(1, most)]
        if self.settings.fewest:
            choices = [min(smallest, ceiling)]
        chosen = asked or min(choices, key=lambda n: output_split_cost(graph, self.fit.options, n))
        enough = self.settings.fewest or chosen * layers <= chip.cores
        told = self._refused(chosen) and not self.settings.fewest  # by the kernel, if it is asked
        if not enough or not (self._fits(chosen) or told):
            text = self._too_small(chosen, smallest, ceiling)
            by_hand = f"; mapping.cores_per_layer is {asked}" if asked else ""
            raise CapacityError(text + by_hand)
        return output_split(graph, self.fit.options, chosen)

    def _fits(self, cores: int) -> bool:
        return all(
            self.fit.fits(layer, tuple(g.name for g in layer.groups), cores)
            for layer in self.fit.graph.layers
        )

    def _refused(self, cores: int) -> bool:
        """A kernel cannot run so many rows, and says so better than anybody here could."""
        return not all(
            self.fit.runs(layer, tuple(g.name for g in layer.groups), cores)
            for layer in self.fit.graph.layers
        )

    def _layer_bits(self, number: int, cores: int) -> int:
        layer = self.fit.graph.layers[number]
        return self.fit.bits(layer, tuple(g.name for g in layer.groups), cores)

    def _too_small(self, cores: int, smallest: int, ceiling: int) -> str:
        graph, chip, have = self.fit.graph, self._chip, self.fit.have
        layers, cores = len(graph.layers), max(1, cores)
        worst = max(range(layers), key=lambda layer: self._layer_bits(layer, cores))
        need = self._layer_bits(worst, cores)
        head = f"{graph.name} does not fit chip {chip.name} ({chip.cores} cores): "
        if smallest > ceiling:
            tail = "no number of cores fits at this data memory; raise core.data_memory_bits"
        else:
            tail = f"the smallest core count that fits is {smallest * layers} ({smallest} a layer)"
        if need <= have:
            return f"{head}{layers} layers of at least {smallest} cores each; {tail}"
        return (
            f"{head}layer {graph.layers[worst].name} on {cores} cores needs {need:,} bits on its "
            f"fullest core, which has {have:,}; {tail}"
        )


def mesh_of(cores: int) -> tuple[int, int]:
    """Columns and rows of the smallest mesh of so many cores, as square as it goes."""
    columns = isqrt(cores - 1) + 1
    return columns, -(-cores // columns)


def smallest_cores(graph: LayerGraph, chip: Chip, settings: MapSettings) -> int:
    """The fewest cores like this chip's that hold a graph; 0 if no number does."""
    try:
        return choose(graph, chip, replace(settings, fewest=True)).cores
    except CapacityError:
        return 0
