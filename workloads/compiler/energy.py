"""Closed-form estimate of the energy that a mapping spends, to choose by; nothing is run.

A token's dynamic energy depends on a mapping in three ways: every core that takes an event pays
its controller for it, every group of events the set-up of a kernel, and slices that do not fill
their last row of lanes work on padding. All else is about the same wherever it is done. Leakage is
that of all cores for as long as a token takes.

Prices are those of the shipped table at its voltage and at 500 MHz, whatever a study sets: a
program must not depend on what its counts are priced at afterwards. So they are looked up with as
few fields of the chip as it takes, and points of a sweep that differ in others share a program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain
from math import ceil, isqrt
from typing import NamedTuple

from seneca_sim.chip import Chip, CoreSpec, NocSpec
from seneca_sim.cost.energy import EnergyTable, load_energy
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import OPS
from workloads.compiler.estimate import Densities, density
from workloads.compiler.graph import GraphSite, GraphStage, Layer, LayerGraph, Matrix
from workloads.compiler.mapping import Parts, cores_of
from workloads.compiler.memory import WORD_BITS, Options

CLOCK_HZ = 500_000_000
"""What turns leaking cycles into energy here: the presets' clock."""


class Spent(NamedTuple):
    """What a mapping takes: cores, cycles of a token, and its dynamic energy in fJ."""

    cores: int
    cycles: float
    energy: float

    def plus(self, other: Spent, times: int = 1) -> Spent:
        """With `times` the other beside it."""
        return Spent(
            self.cores + times * other.cores,
            self.cycles + times * other.cycles,
            self.energy + times * other.energy,
        )


class Linear(NamedTuple):
    """Energy of a task, fJ: `fixed + event g + rows (row + row_event g)` for `g` events."""

    fixed: float
    event: float
    row: float
    row_event: float

    def of(self, rows: float, events: float = 0.0) -> float:
        """Energy of a task over some rows, in fJ."""
        return self.fixed + self.event * events + rows * (self.row + self.row_event * events)


class Prices:
    """Energies of the shipped table, fJ a count, by lanes, bits of a flit and bits of SRAM."""

    def __init__(self, npes: int, flit_bits: int, data_bits: int) -> None:
        core = CoreSpec(npes=npes, line_bits=WORD_BITS * npes, data_memory_bits=data_bits)
        noc, supply = NocSpec(flit_bits=flit_bits), _table().voltage_mv
        self.chip = Chip("prices", clock_hz=CLOCK_HZ, voltage_mv=supply, core=core, noc=noc)
        self.ops: dict[str, float] = {}
        self.kernels: dict[str, Linear] = {}

    def op(self, name: str) -> float:
        """One count of an op."""
        if name not in self.ops:
            self.ops[name] = float(_table().row(name, self.chip).total)
        return self.ops[name]

    def kernel(self, name: str) -> Linear:
        """A micro-kernel's tasks."""
        if name not in self.kernels:
            counts = load_kernel(name, self.chip.core.npes).counts
            p0, p1, r0, r1, e0 = (
                sum(c[i] * self.op(op) for op, c in zip(OPS, counts, strict=True) if c[i])
                for i in range(5)
            )
            self.kernels[name] = Linear(p0 + e0, p1, r0, r1)
        return self.kernels[name]

    @cached_property
    def leakage(self) -> float:
        """A core for a cycle."""
        return self.op("leak.sram") + self.op("leak.registers")

    @cached_property
    def instruction(self) -> float:
        """One of the controller's."""
        return self.op("ctrl.instruction")


@lru_cache(maxsize=1)
def _table() -> EnergyTable:
    return load_energy()


def prices_of(chip: Chip) -> Prices:
    """The prices for a chip, worked out once for chips alike in what they depend on."""
    return _prices(chip.core.npes, chip.noc.flit_bits, chip.core.data_memory_bits)


@lru_cache(maxsize=32)
def _prices(npes: int, flit_bits: int, data_bits: int) -> Prices:
    return Prices(npes, flit_bits, data_bits)


@dataclass
class LayerEnergy:
    """Dynamic energy of one token through one layer that is split as `parts` say."""

    graph: LayerGraph
    layer: Layer
    parts: Parts
    options: Options
    densities: Densities = field(default_factory=dict)

    def femtojoules(self) -> float:
        """All of it, but for acknowledgements and what the host sends."""
        sent = sum(self._sent(s, name) for s in self.layer.stages for name in s.emits)
        taken = sum(chain.from_iterable(self._taken(site) for site in self.layer.sites))
        return sent + taken + sum(self._run(stage) for stage in self.layer.stages)

    @cached_property
    def _price(self) -> Prices:
        return prices_of(self.options.chip)

    @property
    def _chip(self) -> Chip:
        return self.options.chip

    def _widths(self, group: str) -> Counter[int]:
        """How many cores have a slice of how many channels."""
        return Counter(high - low for low, high in self.parts[group].slices)

    # -- sending -----------------------------------------------------------------------------

    @cached_property
    def _senders(self) -> dict[str, GraphStage]:
        return {name: stage for stage in self.layer.stages for name in stage.emits}

    def _site(self, name: str) -> GraphSite:
        own = self.layer.site_named.get(name)
        return own if own is not None else self.graph.site_at[name][1]

    def _many(self, site: GraphSite) -> int:
        """Cores that send a site; those of the layer before lie as this one's."""
        stage = self._senders.get(site.name)
        group = stage.group if stage else site.group
        return 1 if site.sender == "owner" else len(self.parts[group].cores)

    def _events(self, site: GraphSite) -> float:
        """Of all senders."""
        width = site.per_core * self._many(site) if site.per_core else site.width
        return width * density(self.densities, site)

    def _packets(self, site: GraphSite) -> float:
        """Of all senders together, to one destination each."""
        many = self._many(site)
        return many * max(1, ceil(self._events(site) / many / self._chip.noc.packet_events))

    def _sent(self, stage: GraphStage, name: str) -> float:
        """Capture, memory in and out, the sender's controller, and flits over the network."""
        site, price, noc = self._site(name), self._price, self._chip.noc
        spec = self._chip.core.controller
        events, packets = self._events(site), self._packets(site)
        out = self._takers(site)
        if site.audience == "peer":
            packets = max(packets, out)
        energy = events * (price.op("evg.event") + 2 * price.op("dm.write_word"))
        energy += 2 * events * price.op("dm.read_word")
        work = packets * spec.packet_out_instructions + events * spec.event_out_instructions
        flits = packets * noc.header_flits + events * noc.event_flits
        side = isqrt(len(cores_of(self.parts)))
        # A tree has an edge to each of its cores and about one more along its columns.
        far = 2 * out if site.audience == "layer" else 1
        return energy + work * price.instruction + flits * (side + far) * price.op("noc.flit_hop")

    def _takers(self, site: GraphSite) -> int:
        """Cores that a packet goes to, or where channels part, pieces of the vector."""
        if site.audience in ("host", "owner"):
            return 1
        if site.audience == "peer" or site.name not in self.layer.matrices_of:
            return len(self.parts[site.group].cores) if site.group in self.parts else 1
        return sum(len(self.parts[m.group].cores) for m in self.layer.matrices_of[site.name])

    # -- taking ------------------------------------------------------------------------------

    def _taken(self, site: GraphSite) -> Iterator[float]:
        """What the cores pay that a site goes to."""
        matrices = self.layer.matrices_of.get(site.name, ())
        for matrix in matrices:
            yield self._applied(site, matrix)
        if matrices or site.audience == "host":
            return
        events, packets = self._events(site), self._packets(site)
        cores = len(self.parts[site.group].cores)
        if site.audience == "peer":
            packets = max(packets, float(cores))
        elif site.audience == "layer":
            events, packets = events * cores, packets * cores
        yield self._controlled(events, packets)

    def _controlled(self, events: float, packets: float) -> float:
        spec, price = self._chip.core.controller, self._price
        work = packets * spec.packet_in_instructions + events * spec.event_in_instructions
        memory = events * spec.event_in_memory_accesses * price.op("ctrl.memory")
        return work * price.instruction + memory

    def _applied(self, site: GraphSite, matrix: Matrix) -> float:
        """Events of a matrix on all the cores of its group: controller, NPEs, weights fetched."""
        core = self._chip.core
        cores, share = len(self.parts[matrix.group].cores), matrix.columns / site.width
        events, packets = self._events(site) * share, max(1.0, self._packets(site) * share)
        kernel = load_kernel(self.options.precision.kernel, core.npes)
        lanes = core.npes * kernel.width
        rows = sum(n * -(-width // lanes) for width, n in self._widths(matrix.group).items())
        groups = events / core.group_size
        price = self._price.kernel(kernel.name)
        task = core.controller.task_instructions * self._price.instruction
        each = cores * (price.fixed + core.group_size * price.event + task)
        each += rows * (price.row + core.group_size * price.row_event)
        return (
            self._controlled(events * cores, packets * cores)
            + groups * each
            + events * (self._fetched(matrix) if self.options.shared else 0.0)
        )

    def _fetched(self, matrix: Matrix) -> float:
        """A column of weights from off-core memory on all cores, in whole bursts."""
        memory, bits = self._chip.memory, self.options.precision.bits
        each = self._price.op(f"mem.{memory.kind.replace('-', '_')}_bit")
        each += self._price.op("dm.write_word") / 16
        return each * sum(
            n * -(-width * bits // memory.burst_bits) * memory.burst_bits
            for width, n in self._widths(matrix.group).items()
        )

    # -- stages ------------------------------------------------------------------------------

    def _run(self, stage: GraphStage) -> float:
        """A stage's kernels on its cores."""
        core, part = self._chip.core, self.parts[stage.group]
        low, high = part.slices[part.owner]
        widths = self._widths(stage.group) if stage.place == "all" else {high - low: 1}
        task = core.controller.task_instructions * self._price.instruction
        energy = sum(widths.values()) * task
        for step in stage.steps:
            kernel, price = load_kernel(step.kernel, core.npes), self._price.kernel(step.kernel)
            for width, n in widths.items():
                count = step.values(len(part.cores), width)
                energy += n * step.times * price.of(-(-count // (core.npes * kernel.width)))
        return energy
