"""Lowering: layer graph + mapping -> Program, core by core."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from seneca_sim.cost.kernel import Kernel, load_kernel
from seneca_sim.program import (
    HOST_STAGE,
    NO_REGION,
    Consumer,
    Program,
    Region,
    Route,
    Site,
    Stage,
    Step,
)
from workloads.compiler.graph import GraphSite, GraphStage, GraphStep, Layer, LayerGraph, Matrix
from workloads.compiler.mapping import Mapping, Parts, Slices, cores_of, together
from workloads.compiler.memory import CoreMemory, LayerMemory, Options, sent_slices


@dataclass(frozen=True)
class Takers:
    """Who takes a site: channels lows[i]:highs[i] go to the core set `sets[i]`.

    `sorted` where the ranges follow each other, as those of peers do.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]
    sets: tuple[int, ...]
    sorted: bool

    def of(self, low: int, high: int) -> list[tuple[int, int, int]]:
        """What of channels low:high goes where; a sender of nothing tells the end of its vector."""
        first = max(0, bisect_right(self.highs, low - (low == high))) if self.sorted else 0
        found = []
        for i in range(first, len(self.lows)):
            start, stop = max(low, self.lows[i]), min(high, self.highs[i])
            if start < stop or (low == high and start == stop):
                found.append((start, stop, self.sets[i]))
            elif self.sorted and self.lows[i] >= high:
                break
        return found


@dataclass(slots=True)
class _StageDraft:
    core: int
    layer: int
    name: str
    needs: tuple[int, ...]
    steps: tuple[Step, ...]
    emits: list[int]


@dataclass
class Lowering:
    """Makes the tables of a program; `run` once."""

    graph: LayerGraph
    mapping: Mapping
    options: Options
    sites: list[Site] = field(default_factory=list)
    site_index: dict[str, int] = field(default_factory=dict)
    core_sets: dict[tuple[int, ...], int] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    consumer_at: dict[tuple[str, int], int] = field(default_factory=dict)
    stages: list[_StageDraft] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    region_at: dict[int, tuple[int, dict[str, int]]] = field(default_factory=dict)
    frees: dict[tuple[str, int], int] = field(default_factory=dict)
    takers: dict[str, Takers] = field(default_factory=dict)
    rows: dict[tuple[str, int], int] = field(default_factory=dict)

    def run(self) -> Program:
        """Lower layer by layer."""
        layers = list(zip(self.graph.layers, self.mapping.layers, strict=True))
        for index, (layer, parts) in enumerate(layers):
            self._sites(index, layer, parts)
        for layer, parts in layers:
            plan = LayerMemory(self.graph, layer, parts, self.options)
            for core, roles in plan.roles().items():
                self._memory(plan.place(core, roles))
        for layer, parts in layers:
            self._consumers(layer, parts)
        self._host_routes()
        for index, (layer, parts) in enumerate(layers):
            for stage in layer.stages:
                self._stages(index, stage, parts)
        self._credits()
        return Program(
            name=self.graph.name,
            cores=self.options.chip.cores,
            sites=tuple(self.sites),
            core_sets=tuple(self.core_sets),
            routes=tuple(self.routes),
            consumers=tuple(self.consumers),
            stages=tuple(
                Stage(s.core, s.layer, s.name, s.needs, s.steps, tuple(s.emits))
                for s in self.stages
            ),
            regions=tuple(self.regions),
            shape=self.graph.shape,
            mapping=self._told(),
            sequences=self.options.batch,
        )

    def _told(self) -> tuple[tuple[str, str], ...]:
        """What the program says of how it was made."""
        mapping, options = self.mapping, self.options
        told = [
            ("strategy", mapping.strategy),
            ("cores_per_layer", str(len(cores_of(mapping.layers[0])))),
            ("weights", options.precision.name),
            ("residence", "shared" if options.shared else "core"),
            *self.graph.notes,
            ("placement", mapping.placement),
        ]
        if any(self._apart):
            told.append(("groups", _counts(mapping.layers[self._apart.index(True)])))
        if options.batch > 1:
            told.append(("batch", str(options.batch)))
        return (*told, *mapping.notes)

    # -- tables ------------------------------------------------------------------------------

    def _sites(self, index: int, layer: Layer, parts: Parts) -> None:
        for site in layer.sites:
            width = site.width
            if site.per_core:
                width = site.per_core * len(parts[site.group].cores)
            self._site(Site(site.name, index, width, site.kind))

    def _site(self, site: Site) -> int:
        self.site_index[site.name] = len(self.sites)
        self.sites.append(site)
        return len(self.sites) - 1

    def _memory(self, memory: CoreMemory) -> None:
        self.region_at[memory.core] = len(self.regions), memory.names
        self.regions += memory.regions

    def _region(self, core: int, name: str) -> int:
        first, names = self.region_at[core]
        return first + names[name]

    def _core_set(self, cores: tuple[int, ...]) -> int:
        return self.core_sets.setdefault(cores, len(self.core_sets))

    def _rows(self, kernel: str, channels: int) -> int:
        key = kernel, channels
        if key not in self.rows:
            self.rows[key] = self._kernel(kernel).rows_for(channels)
        return self.rows[key]

    def _kernel(self, name: str) -> Kernel:
        return load_kernel(name, self.options.chip.core.npes)

    # -- consumers ---------------------------------------------------------------------------

    def _consumers(self, layer: Layer, parts: Parts) -> None:
        for site in layer.sites:
            matrices = layer.matrices_of.get(site.name, ())
            for matrix in matrices:
                self._applied(site, matrix, parts)
            if not matrices:
                self._stored(site, parts)

    def _applied(self, site: GraphSite, matrix: Matrix, parts: Parts) -> None:
        part, index = parts[matrix.group], self.site_index[site.name]
        kernel = self.options.precision.kernel
        for core, (low, high) in zip(part.cores, part.slices, strict=True):
            self.consumer_at[site.name, core] = len(self.consumers)
            self.consumers.append(
                Consumer(
                    core, index, kernel, self._rows(kernel, high - low), high - low,
                    self._region(core, f"weight:{site.name}"),
                    self._region(core, f"acc:{site.name}"),
                )
            )  # fmt: skip

    def _stored(self, site: GraphSite, parts: Parts) -> None:
        index, part = self.site_index[site.name], parts[site.group]
        if site.audience == "host":
            self.consumer_at[site.name, self.options.chip.cores] = len(self.consumers)
            self.consumers.append(Consumer(self.options.chip.cores, index, "", 0, 0))
            return
        cores = (part.cores[part.owner],) if site.audience == "owner" else part.cores
        for core in cores:
            self.consumer_at[site.name, core] = len(self.consumers)
            place = self._region(core, f"in:{site.name}")
            self.consumers.append(Consumer(core, index, "", 0, 0, NO_REGION, place))

    # -- routes ------------------------------------------------------------------------------

    def _takers(self, name: str) -> Takers:
        if name not in self.takers:
            index, site = self.graph.site_at[name]
            self.takers[name] = self._find_takers(self.graph.layers[index], index, site)
        return self.takers[name]

    def _find_takers(self, layer: Layer, index: int, site: GraphSite) -> Takers:
        parts = self.mapping.layers[index]
        width = self.sites[self.site_index[site.name]].width
        ranges: dict[tuple[int, int], list[int]] = {}
        for matrix in layer.matrices_of.get(site.name, ()):
            ranges.setdefault((matrix.low, matrix.high), []).extend(parts[matrix.group].cores)
        part = parts[site.group]
        peers = not ranges and site.audience == "peer"
        if peers:
            sets = [self._core_set((core,)) for core in part.cores]
            lows, highs = zip(*part.slices, strict=True)
            return Takers(lows, highs, tuple(sets), sorted=True)
        if not ranges:
            cores = {"host": (self.options.chip.cores,), "owner": (part.cores[part.owner],)}
            ranges[0, width] = list(cores.get(site.audience, part.cores))
        lows, highs = zip(*ranges, strict=True)
        sets = [self._core_set(tuple(cores)) for cores in ranges.values()]
        return Takers(lows, highs, tuple(sets), sorted=False)

    @cached_property
    def _apart(self) -> tuple[bool, ...]:
        return tuple(not together(parts) for parts in self.mapping.layers)

    def _windowed(self, name: str) -> bool:
        index, site = self.graph.site_at[name]
        return site.window == "always" or (site.window == "apart" and self._apart[index])

    def _host_routes(self) -> None:
        entry = self.graph.layers[0].entry
        for low, high in self._host_slices(entry):
            for start, stop, cores in self._takers(entry).of(low, high):
                self.routes.append(
                    Route(
                        self.site_index[entry], self.options.chip.cores, cores, start, stop,
                        HOST_STAGE, window=True,
                    )
                )  # fmt: skip

    def _host_slices(self, entry: str) -> Slices:
        """The host sends each peer its slice, or everybody the whole."""
        _, site = self.graph.site_at[entry]
        if site.audience == "peer":
            return self.mapping.layers[0][site.group].slices
        return ((0, site.width),)

    # -- stages ------------------------------------------------------------------------------

    def _stages(self, index: int, stage: GraphStage, parts: Parts) -> None:
        part = parts[stage.group]
        sent = {name: sent_slices(self.graph.site_at[name][1], part) for name in stage.emits}
        for position in (part.owner,) if stage.place == "owner" else range(len(part.cores)):
            core = part.cores[position]
            low, high = part.slices[position]
            needs = tuple(self.consumer_at[name, core] for name in stage.needs)
            steps = tuple(self._step(s, core, len(part.cores), high - low) for s in stage.steps)
            draft = _StageDraft(core, index, stage.name, needs, steps, [])
            number = len(self.stages)
            self.stages.append(draft)
            for name in stage.emits:
                self._emit(name, draft, number, *sent[name][position])
            self._note_frees(index, stage, core, number)

    def _note_frees(self, index: int, stage: GraphStage, core: int, number: int) -> None:
        frees = stage.frees
        if self._apart[index] and stage.frees_apart is not None:
            frees = stage.frees_apart
        for name in frees:
            self.frees[name, core] = number

    def _emit(self, name: str, draft: _StageDraft, number: int, low: int, high: int) -> None:
        site, window = self.site_index[name], self._windowed(name)
        buffer = self._region(draft.core, f"out:{name}")
        for start, stop, cores in self._takers(name).of(low, high):
            draft.emits.append(len(self.routes))
            self.routes.append(
                Route(site, draft.core, cores, start, stop, number, buffer=buffer, window=window)
            )

    def _step(self, step: GraphStep, core: int, parts: int, channels: int) -> Step:
        first, names = self.region_at[core]
        rows = self._rows(step.kernel, step.values(parts, channels)) * step.times
        regions = tuple((name, first + names[place]) for name, place in step.operands)
        return Step(step.kernel, rows, regions)

    def _credits(self) -> None:
        """Give every windowed route its way back, sent by the stage that frees the token."""
        members = list(self.core_sets)
        for index in range(len(self.routes)):
            route = self.routes[index]
            if not route.window:
                continue
            name = self.sites[route.site].name
            site = self._credit_site(name, self.sites[route.site].layer)
            back = self._core_set((route.source,))
            for core in members[route.destinations]:
                number = self.frees[name, core]
                self.stages[number].emits.append(len(self.routes))
                self.routes.append(Route(site, core, back, 0, 0, number, acknowledges=index))

    def _credit_site(self, entry: str, layer: int) -> int:
        name = f"{entry}.credit"
        if name in self.site_index:
            return self.site_index[name]
        return self._site(Site(name, layer, 0, "credit"))


def _counts(parts: Parts) -> str:
    """Cores of each group of a layer; tiles of a matrix together."""
    found: dict[str, list[int]] = {}
    for name, part in parts.items():
        found.setdefault(name.partition(".tile.")[0], []).append(len(part.cores))
    return ", ".join(
        f"{name} {sizes[0]}" if len(sizes) == 1 else f"{name} {sum(sizes)} in {len(sizes)} tiles"
        for name, sizes in found.items()
    )
