"""Lowering: layer graph + mapping -> Program, core by core."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.errors import InputError
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
from seneca_sim.program.verify import verify
from workloads.compiler.graph import GraphSite, GraphStage, GraphStep, Layer, LayerGraph
from workloads.compiler.mapping import Mapping, output_split, split
from workloads.compiler.memory import CoreMemory, fullest_bits, place_layer, sent_slices

EVENT_KERNEL = "event_bf16"


def lower(
    graph: LayerGraph, chip: Chip, cores_per_layer: int = 0, *, weights: str = "core"
) -> Program:
    """Compile a layer graph for a chip and verify the result.

    Args:
        graph: what to compute.
        chip: the hardware; lanes, lines, group size and window shape the memory map.
        cores_per_layer: 0 lets the mapping choose.
        weights: where they lie: ``core`` (data memory) or ``shared`` (off-core memory).

    Raises:
        CapacityError: the chip is too small; the message says for which layer and by how much.
        InputError: no such place, or the chip has no off-core memory.
    """
    if weights not in ("core", "shared"):
        raise InputError(f"mapping: weights in {weights!r}; expected core or shared")
    shared = weights == "shared"
    if shared and chip.memory.kind == "none":
        raise InputError(
            f"mapping: weights in shared memory, but chip {chip.name} has none; "
            "set memory.kind to hbm, stt-mram or lpddr"
        )

    def layer_bits(layer: int, cores: int) -> int:
        return fullest_bits(graph, graph.layers[layer], chip, cores, shared=shared)

    mapping = output_split(graph, chip, layer_bits, cores_per_layer)
    program = _Lowering(graph, chip, mapping, shared).run()
    verify(program, chip)
    return program


@dataclass(slots=True)
class _Lowering:
    graph: LayerGraph
    chip: Chip
    mapping: Mapping
    shared: bool
    sites: list[Site] = field(default_factory=list)
    site_index: dict[str, int] = field(default_factory=dict)
    core_sets: dict[tuple[int, ...], int] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    consumer_at: dict[tuple[str, int], int] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    region_at: dict[tuple[int, str], int] = field(default_factory=dict)

    def run(self) -> Program:
        self._sites()
        for index, layer in enumerate(self.graph.layers):
            for position in range(len(self.mapping.regions[index])):
                cores = self.mapping.regions[index]
                self._memory(
                    place_layer(self.graph, layer, self.chip, cores, position, shared=self.shared)
                )
        for index, layer in enumerate(self.graph.layers):
            self._consumers(index, layer)
        self._host_routes()
        for index, layer in enumerate(self.graph.layers):
            self._stages(index, layer)
        self._credits()
        return Program(
            name=self.graph.name,
            cores=self.chip.cores,
            sites=tuple(self.sites),
            core_sets=tuple(self.core_sets),
            routes=tuple(self.routes),
            consumers=tuple(self.consumers),
            stages=tuple(self.stages),
            regions=tuple(self.regions),
            shape=self.graph.shape,
            mapping=(
                ("strategy", self.mapping.strategy),
                ("cores_per_layer", str(len(self.mapping.regions[0]))),
                ("weights", "bf16"),
                ("residence", "shared" if self.shared else "core"),
            ),
        )

    # -- tables ------------------------------------------------------------------------------

    def _sites(self) -> None:
        for index, layer in enumerate(self.graph.layers):
            for site in layer.sites:
                width = site.per_core * len(self.mapping.regions[index]) or site.width
                self._site(Site(site.name, index, width, site.kind))

    def _site(self, site: Site) -> int:
        self.site_index[site.name] = len(self.sites)
        self.sites.append(site)
        return len(self.sites) - 1

    def _memory(self, memory: CoreMemory) -> None:
        for name, offset in memory.names.items():
            self.region_at[memory.core, name] = len(self.regions) + offset
        self.regions += memory.regions

    def _core_set(self, cores: tuple[int, ...]) -> int:
        return self.core_sets.setdefault(cores, len(self.core_sets))

    def _consumers(self, index: int, layer: Layer) -> None:
        cores = self.mapping.regions[index]
        owner = self.mapping.owner(index)
        for site in layer.sites:
            places = {"owner": (owner,), "host": ()}.get(site.audience, range(len(cores)))
            for position in places:
                self._consumer(layer, site, cores, position)
            if site.audience == "host":
                self.consumer_at[site.name, self.chip.cores] = len(self.consumers)
                index_of = self.site_index[site.name]
                self.consumers.append(Consumer(self.chip.cores, index_of, "", 0, 0))

    def _consumer(
        self, layer: Layer, site: GraphSite, cores: tuple[int, ...], position: int
    ) -> None:
        core, matrix = cores[position], layer.matrix_of(site.name)
        self.consumer_at[site.name, core] = len(self.consumers)
        index = self.site_index[site.name]
        if matrix is None:
            stored = self.region_at[core, f"in:{site.name}"]
            self.consumers.append(Consumer(core, index, "", 0, 0, NO_REGION, stored))
            return
        low, high = split(matrix.rows, len(cores), self.chip.core.npes)[position]
        rows = load_kernel(EVENT_KERNEL, self.chip.core.npes).rows_for(high - low)
        weights = self.region_at[core, f"weight:{site.name}"]
        target = self.region_at[core, f"acc:{site.name}"]
        self.consumers.append(
            Consumer(core, index, EVENT_KERNEL, rows, high - low, weights, target)
        )

    # -- routes ------------------------------------------------------------------------------

    def _audience(self, site: GraphSite, layer: int, position: int) -> tuple[int, ...]:
        cores = self.mapping.regions[layer]
        if site.audience == "layer":
            return cores
        if site.audience == "owner":
            return (cores[self.mapping.owner(layer)],)
        return (cores[position],) if site.audience == "peer" else (self.chip.cores,)

    def _host_routes(self) -> None:
        entry = self.graph.layers[0].entry
        _, site = self.graph.site_at[entry]
        slices = sent_slices(site, len(self.mapping.regions[0]), self.chip.core.npes)
        for position, (low, high) in enumerate(slices):
            target = self._core_set(self._audience(site, 0, position))
            self.routes.append(
                Route(
                    self.site_index[entry], self.chip.cores, target, low, high,
                    HOST_STAGE, window=True,
                )
            )  # fmt: skip

    def _stages(self, index: int, layer: Layer) -> None:
        cores, owner = self.mapping.regions[index], self.mapping.owner(index)
        for stage in layer.stages:
            for position in (owner,) if stage.place == "owner" else range(len(cores)):
                self._stage(index, stage, cores, position)

    def _stage(self, index: int, stage: GraphStage, cores: tuple[int, ...], position: int) -> None:
        core, number = cores[position], len(self.stages)
        emits = []
        for name in stage.emits:
            receiver, site = self.graph.site_at[name]
            low, high = sent_slices(site, len(cores), self.chip.core.npes)[position]
            target = self._core_set(self._audience(site, receiver, position))
            emits.append(len(self.routes))
            self.routes.append(
                Route(
                    self.site_index[name], core, target, low, high, number,
                    buffer=self.region_at[core, f"out:{name}"], window=receiver != index,
                )
            )  # fmt: skip
        needs = tuple(self.consumer_at[name, core] for name in stage.needs)
        steps = tuple(self._step(s, core, len(cores), position) for s in stage.steps)
        self.stages.append(Stage(core, index, stage.name, needs, steps, tuple(emits)))

    def _step(self, step: GraphStep, core: int, parts: int, position: int) -> Step:
        lanes = self.chip.core.npes
        low, high = split(step.width, parts, lanes)[position] if step.width else (0, parts)
        rows = load_kernel(step.kernel, lanes).rows_for(high - low)
        regions = tuple((name, self.region_at[core, place]) for name, place in step.operands)
        return Step(step.kernel, rows, regions)

    def _credits(self) -> None:
        """Give every windowed route its way back, sent by the stage that frees the token."""
        frees = {
            (layer.entry, core): stage.name
            for index, layer in enumerate(self.graph.layers)
            for stage in layer.stages
            if stage.frees
            for core in self.mapping.regions[index]
        }
        stage_at = {(s.core, s.name): i for i, s in enumerate(self.stages)}
        for index, route in enumerate(tuple(self.routes)):
            if not route.window:
                continue
            entry = self.sites[route.site].name
            site = self._credit_site(entry, self.sites[route.site].layer)
            for core in tuple(self.core_sets)[route.destinations]:
                number = stage_at[core, frees[entry, core]]
                back = Route(
                    site, core, self._core_set((route.source,)), 0, 0, number, acknowledges=index
                )
                stage = self.stages[number]
                self.stages[number] = replace(stage, emits=(*stage.emits, len(self.routes)))
                self.routes.append(back)

    def _credit_site(self, entry: str, layer: int) -> int:
        name = f"{entry}.credit"
        if name in self.site_index:
            return self.site_index[name]
        return self._site(Site(name, layer, 0, "credit"))
