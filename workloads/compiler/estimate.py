"""Closed-form estimates that mappings are chosen by: cycles of a layer, without running anything.

A set of cores is one server. A vector of n events keeps it for as long as its fullest core needs,
NPEs or controller, whichever is slower; a stage for its micro-kernels and the capture of what it
sends. Vectors and stages follow each other as the graph says; ways through the network, and
waiting for them, are left out. docs/compiler.md says what each strategy costs by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seneca_sim.cost.kernel import load_kernel
from workloads.compiler.graph import GraphSite, GraphStage, Layer, LayerGraph
from workloads.compiler.mapping import Parts
from workloads.compiler.memory import Options
from workloads.compiler.tiles import short

Densities = Mapping[str, float]
"""Share of a sparse site's channels that are sent, by full name or by kind; 1 where not named."""


def density(densities: Densities, site: GraphSite) -> float:
    """Share of a site's channels that are sent."""
    if site.kind == "dense":
        return 1.0
    return densities.get(site.name, densities.get(short(site.name), 1.0))


@dataclass
class LayerEstimate:
    """Cycles of one token through one layer that is split as `parts` say."""

    graph: LayerGraph
    layer: Layer
    parts: Parts
    options: Options
    densities: Densities = field(default_factory=dict)
    busy: dict[int, float] = field(default_factory=dict)  # server -> when it is free

    def cycles(self) -> float:
        """From the entry's arrival to the last stage's end."""
        server = self._servers()
        arrived: dict[str, float] = {self.layer.entry: 0.0}
        end = 0.0
        for stage in self.layer.stages:
            here = server[stage.group]
            for name in stage.needs:
                start = max(self.busy.get(here, 0.0), arrived.get(name, 0.0))
                self.busy[here] = start + self._taking(name, stage)
            end = self.busy[here] = self.busy.get(here, 0.0) + self._stage(stage)
            arrived |= dict.fromkeys(stage.emits, end)
        return end

    def _site(self, name: str) -> GraphSite:
        own = self.layer.site_named.get(name)
        return own if own is not None else self.graph.site_at[name][1]

    def _servers(self) -> dict[str, int]:
        """Group -> its server; groups that share a core share a server."""
        server: dict[str, int] = {}
        owner: dict[int, int] = {}
        for number, (group, part) in enumerate(self.parts.items()):
            known = next((owner[c] for c in part.cores if c in owner), number)
            server[group] = known
            owner |= dict.fromkeys(part.cores, known)
        return server

    def _rows(self, group: str) -> int:
        return max(high - low for low, high in self.parts[group].slices)

    def _taking(self, name: str, stage: GraphStage) -> float:
        """A vector on the fullest core of a group: NPEs or controller, whichever is slower."""
        chip, site = self.options.chip, self._site(name)
        controller = chip.core.controller
        matrix = next(
            (m for m in self.layer.matrices_of.get(name, ()) if m.group == stage.group), None
        )
        width = site.width or site.per_core * len(self.parts[stage.group].cores)
        if matrix is not None:
            width = matrix.columns
        elif site.audience == "peer":
            width = self._rows(stage.group)
        events = width * density(self.densities, site)
        packets = -(-events // chip.noc.packet_events)
        taken = packets * controller.packet_in_instructions
        taken += events * controller.event_in_instructions
        if matrix is None:
            return taken * controller.cycles_per_instruction
        groups = -(-events // chip.core.group_size)
        taken = (taken + groups * controller.task_instructions) * controller.cycles_per_instruction
        return max(taken, groups * self._group_cycles(stage.group))

    def _group_cycles(self, group: str) -> int:
        core = self.options.chip.core
        kernel = load_kernel(self.options.precision.kernel, core.npes)
        rows = -(-self._rows(group) // (core.npes * kernel.width))
        return core.task_setup_cycles + kernel.cost(rows, core.group_size).cycles

    def _stage(self, stage: GraphStage) -> float:
        chip = self.options.chip
        total, channels = 0.0, self._rows(stage.group)
        for step in stage.steps:
            kernel = load_kernel(step.kernel, chip.core.npes)
            count = step.values(len(self.parts[stage.group].cores), channels)
            rows = -(-count // (chip.core.npes * kernel.width)) * step.times
            total += chip.core.task_setup_cycles + _cycles(kernel, rows)
        for name in stage.emits:
            site = self._site(name)
            sent = site.per_core or (site.width if site.sender == "owner" else channels)
            events = sent * density(self.densities, site)
            packets = -(-events // chip.noc.packet_events)
            total += events / chip.core.events_per_cycle
            total += packets * chip.core.controller.packet_out_instructions
        return total


def _cycles(kernel: object, rows: int) -> int:
    """Cycles of a stage's kernel, also where a lane would have to add up more than it may."""
    c = kernel.cycles  # type: ignore[attr-defined]
    return int(c.p0 + rows * c.r0 + c.e0)
