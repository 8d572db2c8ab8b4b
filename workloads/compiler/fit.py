"""Capacity: the fewest cores that hold a group, tiles where even one slice is too large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from seneca_sim.cost.kernel import load_kernel
from seneca_sim.errors import CapacityError
from workloads.compiler.graph import Layer, LayerGraph, Matrix
from workloads.compiler.mapping import Partition, rows_of, split
from workloads.compiler.memory import LayerMemory, Options
from workloads.compiler.tiles import Tiling, even_tiling, short, tile_group, tiled

SMALLEST_HOME = 16
"""Columns stay with their rows only if they are at least this part of the matrix."""
MORE_TILES = 4
"""How many counts of tiles beyond the smallest are tried."""


def even_partition(width: int, cores: int, unit: int, first: int = 0) -> Partition:
    """Split a group evenly over consecutive cores from `first` on."""
    return Partition(tuple(range(first, first + cores)), split(width, cores, unit))


@dataclass
class Fit:
    """Finds out what fits on the cores of a chip; remembers what it has found.

    Layers that are alike share their answers.
    """

    graph: LayerGraph
    options: Options
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    @cached_property
    def have(self) -> int:
        """Bits of a core's data memory."""
        return self.options.chip.core.data_memory_bits

    def units(self, layer: Layer, group: str) -> int:
        """Slices of the smallest size that a group has: as many cores at most."""
        return rows_of(layer.widths[group], self.unit(layer, group))

    def unit(self, layer: Layer, group: str) -> int:
        """Channels of a group's smallest slice."""
        return layer.pieces.get(group, self.options.unit)

    def units_of(self, width: int) -> int:
        """Slices of the smallest size that so many channels have."""
        return rows_of(width, self.options.unit)

    def bits(self, layer: Layer, groups: tuple[str, ...], cores: int) -> int:
        """Bits on the fullest core if these groups share `cores` cores."""
        key = (signature(layer), groups, cores)
        if key not in self.known:
            parts = {
                name: even_partition(layer.widths[name], cores, self.unit(layer, name))
                for name in groups
            }
            memory = LayerMemory(self.graph, layer, parts, self.options)
            self.known[key] = memory.fullest(groups)
        return self.known[key]

    def fits(self, layer: Layer, groups: tuple[str, ...], cores: int) -> bool:
        """Whether these groups fit on the same `cores` cores."""
        return self.runs(layer, groups, cores) and self.bits(layer, groups, cores) <= self.have

    def runs(self, layer: Layer, groups: tuple[str, ...], cores: int) -> bool:
        """Whether no kernel has more rows than it may."""
        return all(self._runs(layer, group, cores) for group in groups)

    def fewest(self, layer: Layer, groups: tuple[str, ...]) -> int:
        """The smallest number of cores that hold these groups together; 0 for none.

        More cores hold smaller slices but more partial sums, so only exact layouts tell. The search
        starts where the weights alone would fit.
        """
        ceiling = min(self.units(layer, group) for group in groups)
        weights = sum(
            rows_of(m.rows, self.options.unit) * self._unit_bits(m)
            for m in layer.matrices
            if m.group in groups and not self.options.shared
        )
        most = max(self.units(layer, group) for group in groups)
        start = min(ceiling, max(1, -(-weights // self.have)))
        cores = start
        while cores <= ceiling:
            if self.fits(layer, groups, cores):
                return cores
            # The next number that has smaller slices.
            rows = -(-most // cores)
            cores = max(cores + 1, -(-most // (rows - 1))) if rows > 1 else ceiling + 1
        return 0

    def _unit_bits(self, matrix: Matrix) -> int:
        return matrix.columns * self.options.unit * self.options.precision.bits

    def _runs(self, layer: Layer, group: str, cores: int) -> bool:
        if group in layer.pieces and cores != self.units(layer, group):
            return False
        largest = -(-self.units(layer, group) // cores) * self.unit(layer, group)
        return self.runs_slice(layer, group, cores, largest)

    def runs_slice(self, layer: Layer, group: str, cores: int, channels: int) -> bool:
        """Whether no kernel has more rows than it may on a core with so many channels."""
        npes = self.options.chip.core.npes
        for stage in layer.stages:
            for step in stage.steps if stage.group == group else ():
                kernel = load_kernel(step.kernel, npes)
                rows = -(-step.values(cores, channels) // (npes * kernel.width))
                if kernel.max_rows is not None and rows > kernel.max_rows:
                    return False
        return True

    # -- tiles -------------------------------------------------------------------------------

    def tilings(
        self, layer: Layer, group: str, before: Mapping[str, Tiling] | None = None
    ) -> dict[str, Tiling]:
        """Cut a group's matrices, the widest first, until its smallest slice fits a core.

        Matrices that share their site with others stay split by rows.

        Raises:
            CapacityError: not even when all that may be cut is.
        """
        found: dict[str, Tiling] = {}
        here = sorted(
            (
                m
                for m in layer.matrices
                if m.group == group
                and short(m.site) not in (before or {})
                and len(layer.matrices_of[m.site]) == 1
            ),
            key=lambda m: -m.columns,
        )
        for matrix in here:
            tiling = self._tiling(layer, group, matrix, found)
            found[short(matrix.site)] = tiling
            if self.fits(tiled(layer, found), (group,), self.units(layer, group)):
                return found
        raise CapacityError(self._hopeless(layer, group))

    def _tiling(
        self, layer: Layer, group: str, matrix: Matrix, before: Mapping[str, Tiling]
    ) -> Tiling:
        """As many columns at home as fit, the others on the fewest cores."""
        cores, unit = self.units(layer, group), self.options.unit
        name, step = short(matrix.site), self._unit_bits(matrix) // matrix.columns
        tiles = 1
        while tiles <= matrix.columns:
            without = even_tiling(matrix.columns, tiles)
            free = self.have - self.bits(
                tiled(layer, {**before, name: without}), (group,), cores
            )  # fmt: skip
            sums = self._sums_bits()
            home = max(0, free - sums) // step // unit * unit
            home = home if home * SMALLEST_HOME >= matrix.columns else 0
            home = min(home, matrix.columns - unit)
            best = self._tiles(layer, matrix, home, {**before})
            if best is None or best <= tiles:
                return even_tiling(matrix.columns, best or tiles, home, unit)
            tiles = best
        return even_tiling(matrix.columns, tiles)

    def _sums_bits(self) -> int:
        """Accumulators and group buffers of one site at home, at the smallest slice."""
        core = self.options.chip.core
        return core.window * (self.options.unit * 16 + core.group_size * 32) + 512

    def _tiles(
        self, layer: Layer, matrix: Matrix, home: int, before: Mapping[str, Tiling]
    ) -> int | None:
        """How many tiles of the other columns take the fewest cores."""
        name, found = short(matrix.site), []  # type: str, list[tuple[int, int]]
        tiles = max(1, (matrix.columns - home) * self._unit_bits(matrix) // matrix.columns
                    // self.have)  # fmt: skip
        while tiles <= matrix.columns and len(found) < MORE_TILES:
            tiling = even_tiling(matrix.columns, tiles, home, self.options.unit)
            if len(set(tiling.bounds)) != tiles + 1:
                break
            cut = tiled(layer, {**before, name: tiling})
            each = self.fewest(cut, (tile_group(matrix.site, 0),))
            if each:
                found.append((each * tiles, tiles))
            tiles += 1
        return min(found)[1] if found else None

    def _hopeless(self, layer: Layer, group: str) -> str:
        need = self.bits(layer, (group,), self.units(layer, group))
        shared = [
            short(site)
            for site, found in layer.matrices_of.items()
            if len({m.group for m in found}) > 1 and group in {m.group for m in found}
        ]
        why = "even without weights it would not fit"
        if shared:
            why = f"its matrix for {shared[0]}, which others share, cannot be cut by columns"
        return (
            f"{self.graph.name} does not fit: layer {layer.name}, group {group}: its smallest "
            f"slice, {self.unit(layer, group)} channels, needs {need:,} bits, a core has "
            f"{self.have:,}, and {why}; raise "
            f"core.data_memory_bits{' or lower mapping.context' if group in layer.pieces else ''}"
        )


def signature(layer: Layer) -> tuple[object, ...]:
    """What a layer's memory depends on: layers that are alike have the same."""
    return (
        tuple((g.name, g.width, g.piece) for g in layer.groups),
        tuple((m.group, m.rows, m.columns, m.low) for m in layer.matrices),
        tuple((v.group, v.width, v.words, v.rows) for v in layer.vectors),
        tuple((s.group, s.width, s.audience, s.per_core) for s in layer.sites),
        tuple((s.group, len(s.steps), len(s.emits)) for s in layer.stages),
    )


def cut_layers(graph: LayerGraph, tilings: list[dict[str, Tiling]]) -> LayerGraph:
    """Apply tilings to all layers."""
    layers = tuple(
        tiled(layer, some) if some else layer
        for layer, some in zip(graph.layers, tilings, strict=True)
    )
    return replace(graph, layers=layers)
