"""Bits of a slice of a group by itself, by its size."""

from __future__ import annotations

from functools import cached_property

from workloads.compiler.fit import Fit
from workloads.compiler.graph import Layer
from workloads.compiler.mapping import Partition
from workloads.compiler.memory import LayerMemory


class Sizes:
    """Bits of a slice of so many units, alone on a core."""

    def __init__(self, fit: Fit, layer: Layer, group: str) -> None:
        self.fit, self.layer, self.group = fit, layer, group
        self.units = fit.units(layer, group)
        self.known: dict[int, int] = {0: 0}
        self.fitting: dict[int, int] = {}

    def bits(self, units: int) -> int:
        """Bits of `units` of the smallest slices together."""
        if units not in self.known:
            width = units * self.fit.options.unit
            parts = {self.group: Partition((0,), ((0, width),))}
            memory = LayerMemory(self.fit.graph, self.layer, parts, self.fit.options)
            self.known[units] = memory.fullest((self.group,))
        return self.known[units]

    def most(self, free: int) -> int:
        """The most units that fit into so many bits and that its kernels run over, 0 for none."""
        if free not in self.fitting:
            self.fitting[free] = self._most(free)
        return self.fitting[free]

    def _most(self, free: int) -> int:
        low, high = 0, 1
        while high <= self.units and self._may(high, free):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._may(middle, free) else (low, middle)
        return min(low, self.units)

    def _may(self, units: int, free: int) -> bool:
        """A slice may be as large as memory allows, and a lane of a LayerNorm adds up some rows."""
        channels = units * self.fit.options.unit
        runs = self.fit.runs_slice(self.layer, self.group, 1, channels)
        return runs and self.bits(units) <= free

    @cached_property
    def least(self) -> int:
        """Bits of the whole group at least, however it is cut into slices that fit a core."""
        most = self.most(self.fit.have)
        each = (self.bits(units) * self.units / units for units in range(1, most + 1))
        return int(min(each, default=0))

    @cached_property
    def kind(self) -> tuple[int, ...]:
        """Groups with the same fill a core alike."""
        most = min(self.units, self.most(self.fit.have) + 1)
        return self.units, *(self.bits(units) for units in range(1, most + 1))
