"""Plan: a graph, perhaps with matrices cut into tiles, and its partitions over cores."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.compiler.energy import LayerEnergy, Spent
from workloads.compiler.estimate import Densities, LayerEstimate
from workloads.compiler.graph import LayerGraph
from workloads.compiler.mapping import Mapping
from workloads.compiler.memory import Options


@dataclass(frozen=True)
class Plan:
    """A graph and its mapping, ready for placement and lowering."""

    graph: LayerGraph
    mapping: Mapping
    options: Options

    @property
    def cores(self) -> int:
        """Cores that are used."""
        return self.mapping.cores

    def spent(self, densities: Densities | None = None) -> Spent:
        """Cores, and estimated cycles and energy of one token, alone on the chip."""
        energy = sum(
            LayerEnergy(self.graph, layer, parts, self.options, densities or {}).femtojoules()
            for layer, parts in zip(self.graph.layers, self.mapping.layers, strict=True)
        )
        return Spent(self.cores, self.cycles(densities), energy)

    def cycles(self, densities: Densities | None = None) -> float:
        """Estimated cycles of one token, alone on the chip."""
        return sum(
            LayerEstimate(self.graph, layer, parts, self.options, densities or {}).cycles()
            for layer, parts in zip(self.graph.layers, self.mapping.layers, strict=True)
        )
