"""How many cores each group of each kind of layer has: the fewest, and more where it pays."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from seneca_sim.config.check import nearest
from seneca_sim.errors import CapacityError, InputError
from workloads.compiler.energy import LayerEnergy, Spent
from workloads.compiler.estimate import Densities, LayerEstimate
from workloads.compiler.fit import Fit, even_partition, signature
from workloads.compiler.graph import Layer, LayerGraph
from workloads.compiler.mapping import Mapping, Partition, Parts, cores_of, rows_of
from workloads.compiler.memory import LayerMemory
from workloads.compiler.pack import packed
from workloads.compiler.plan import Plan

Counts = collections.abc.Mapping[str, int]


@dataclass
class Groups:
    """How many cores each group of each kind of layer has; the search for more than the fewest.

    `counts[kind][group]`, and `options` the numbers that a group may have, ascending.
    """

    fit: Fit
    graph: LayerGraph
    kinds: list[int] = field(default_factory=list)  # layer -> kind
    first: list[Layer] = field(default_factory=list)  # kind -> a layer of it
    counts: list[dict[str, int]] = field(default_factory=list)
    shared: list[tuple[str, ...]] = field(default_factory=list)  # groups on the same cores
    known: dict[tuple[int, tuple[str, ...], tuple[int, ...]], Spent] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)  # groups whose number was given
    pack: bool = False  # one group fills what the others leave

    @classmethod
    def fewest(cls, fit: Fit, graph: LayerGraph, *, homes: bool = False) -> Groups:
        """Every group on the fewest cores that hold it.

        With `homes` the groups without matrices share cores, which then hold no weights; those
        that are narrower than the graph keep cores of their own.

        Raises:
            CapacityError: a group fits on no number of cores.
        """
        found = cls(fit, graph)
        known: dict[tuple[object, ...], int] = {}
        for layer in graph.layers:
            key = signature(layer)
            if key not in known:
                known[key] = len(found.first)
                found.first.append(layer)
                found._count(layer, homes)
            found.kinds.append(known[key])
        return found

    def _count(self, layer: Layer, homes: bool) -> None:
        # A group narrower than the stream would have nothing to hold on some of the shared cores.
        wide = [g.name for g in layer.groups if g.width >= self.graph.width]
        bare = tuple(name for name in wide if name not in layer.weighted) if homes else ()
        counts = {}
        for group in layer.groups:
            names = bare if group.name in bare else (group.name,)
            counts[group.name] = self.fit.fewest(layer, names)
            if not counts[group.name]:
                raise CapacityError(no_fit(self.fit, layer, names))
        self.counts.append(counts)
        self.shared.append(bare)

    def plan(self, strategy: str) -> Plan:
        """Lay the groups out, layer after layer."""
        first, layers = 0, []
        known: dict[int, Parts] = {}
        for layer, kind in zip(self.graph.layers, self.kinds, strict=True):
            if kind not in known:
                known[kind] = self._parts(layer, kind, 0)
            layers.append(_from(first, known[kind]))
            first += len(cores_of(known[kind]))
        return Plan(self.graph, Mapping(strategy, tuple(layers)), self.fit.options)

    def _parts(self, layer: Layer, kind: int, first: int) -> Parts:
        at = first
        parts: dict[str, Partition] = {}
        bare = self.shared[kind]
        for group in layer.groups:
            cores = self.counts[kind][group.name]
            again = group.name in bare and bare[0] in parts and group.name != bare[0]
            start = parts[bare[0]].cores[0] if again else at
            parts[group.name] = even_partition(
                group.width, cores, self.fit.unit(layer, group.name), start
            )
            at += 0 if again else cores
        parts = self._riding(layer, parts, first)
        return packed(self.fit, layer, parts, self.fixed) if self.pack else parts

    def _riding(
        self, layer: Layer, parts: dict[str, Partition], first: int
    ) -> dict[str, Partition]:
        """Let a group without matrices lie on the cores of another one if there is room."""
        weighted = [m.group for m in layer.matrices]
        for name in [g.name for g in layer.groups if g.name not in weighted]:
            hosts = [w for w in weighted if len(parts[w].cores) >= len(parts[name].cores)]
            if hosts and len(layer.groups) == 2:
                spread = self._ride(layer, parts, name, hosts[0], first)
                if spread is not None:
                    return spread
        return parts

    def _ride(
        self, layer: Layer, parts: dict[str, Partition], name: str, host: str, first: int
    ) -> dict[str, Partition] | None:
        unit, cores = self.fit.options.unit, len(parts[host].cores)
        count = min(cores, rows_of(layer.widths[name], unit))
        ridden = {
            name: even_partition(layer.widths[name], count, unit, first),
            host: even_partition(layer.widths[host], cores, unit, first),
        }
        memory = LayerMemory(self.graph, layer, ridden, self.fit.options)
        places = {0, count - 1, ridden[name].owner, ridden[host].owner}
        places |= {i for i in range(1, count) if _grows(ridden, i)}
        roles = memory.roles()
        full = max(memory.place(first + i, roles[first + i]).used_bits for i in places)
        return ridden if full <= self.fit.have else None

    def by_hand(self, counts: Counts) -> None:
        """Take these numbers of cores for the groups of these names, in all layers.

        Raises:
            InputError: no such group, or more cores than it has slices.
            CapacityError: too few cores.
        """
        names = dict.fromkeys(g.name for layer in self.first for g in layer.groups)
        weighted = {m.group for layer in self.first for m in layer.matrices}
        for name, count in counts.items():
            if name not in names:
                raise InputError(
                    f"mapping.cores.{name}: no such group{nearest(name, names)}; the groups are "
                    f"{', '.join(names)}"
                )
            for kind, layer in enumerate(self.first):
                if name in layer.widths and (name in layer.weighted or name not in weighted):
                    self._take(kind, layer, name, count)

    def _take(self, kind: int, layer: Layer, name: str, count: int) -> None:
        most = self.fit.units(layer, name)
        if not 0 < count <= most:
            raise InputError(
                f"mapping.cores.{name} is {count}; layer {layer.name} has {most} slices of "
                f"{self.fit.options.unit} channels there, so expected 1 to {most}"
            )
        if not self.fit.fits(layer, (name,), count):
            raise CapacityError(
                f"mapping.cores.{name} is {count}, but layer {layer.name} then needs "
                f"{self.fit.bits(layer, (name,), count):,} bits on a core, which has "
                f"{self.fit.have:,}; at least {self.counts[kind][name]} cores"
            )
        self.counts[kind][name] = count
        self.fixed.add(name)

    def choices(self, kind: int, group: str) -> list[int]:
        """Numbers of cores from the present one on that make the largest slice smaller."""
        units = self.fit.units(self.first[kind], group)
        now = -(-units // self.counts[kind][group])
        return [-(-units // rows) for rows in range(now - 1, 0, -1)]

    def measure(self, densities: Densities) -> Spent:
        """Cores, and what a token takes by the estimates; layers of a kind count as its first."""
        spent = Spent(0, 0.0, 0.0)
        for kind in range(len(self.first)):
            spent = spent.plus(self.measured(kind, densities), self.kinds.count(kind))
        return spent

    def measured(self, kind: int, densities: Densities) -> Spent:
        """Cores of a layer of a kind, and what a token takes there by the estimates."""
        key = (kind, self.shared[kind], tuple(self.counts[kind].values()))
        if key not in self.known:
            layer = self.first[kind]
            parts = self._parts(layer, kind, 0)
            what = self.graph, layer, parts, self.fit.options, densities
            cycles, energy = LayerEstimate(*what).cycles(), LayerEnergy(*what).femtojoules()
            self.known[key] = Spent(len(cores_of(parts)), cycles, energy)
        return self.known[key]

    def spread(self, budget: int, cost: Callable[[Spent], float], d: Densities) -> None:
        """Give groups more cores while the cost falls: what gains most for each core goes first.

        Args:
            budget: cores that there are.
            cost: of what a mapping takes, to be small.
            d: densities for the estimate.
        """
        now = self.measure(d)
        have, value = now.cores, cost(now)
        while True:
            best, step, after = 0.0, None, (have, value)
            for kind, names, count in self._steps():
                before = dict(self.counts[kind])
                self.counts[kind] |= dict.fromkeys(names, count)
                then = self.measure(d)
                new = cost(then)
                gain = (value - new) / max(1, then.cores - have)
                if then.cores <= budget and gain > best:
                    best, step, after = gain, (kind, names, count), (then.cores, new)
                self.counts[kind] = before
            if step is None:
                return
            self.counts[step[0]] |= dict.fromkeys(step[1], step[2])
            have, value = after

    def _steps(self) -> Iterable[tuple[int, tuple[str, ...], int]]:
        """Every set of groups with each number of cores that makes its largest slice smaller."""
        for kind, layer in enumerate(self.first):
            for names in self._moves(kind, layer):
                if self.fixed & set(names):
                    continue
                apart = [names] if names == self.shared[kind] else [(name,) for name in names]
                for count in self.choices(kind, names[0]):
                    if all(self.fit.fits(layer, some, count) for some in apart):
                        yield kind, names, count

    def _moves(self, kind: int, layer: Layer) -> list[tuple[str, ...]]:
        """Groups that get more cores together: homes, the tiles of a matrix, any other alone."""
        found: dict[str, tuple[str, ...]] = {}
        for group in layer.groups:
            alike = "" if group.name in self.shared[kind] else group.name.partition(".tile.")[0]
            found[alike] = (*found.get(alike, ()), group.name)
        return list(found.values())


def _from(first: int, parts: Parts) -> Parts:
    """The same partitions on cores from `first` on."""
    return {
        name: Partition(tuple(first + core for core in part.cores), part.slices)
        for name, part in parts.items()
    }


def _grows(parts: Parts, place: int) -> bool:
    """Whether a core's slices differ from those of the core before it."""
    return any(
        place < len(p.slices)
        and p.slices[place][1] - p.slices[place][0]
        != p.slices[place - 1][1] - p.slices[place - 1][0]
        for p in parts.values()
    )


def no_fit(fit: Fit, layer: Layer, groups: tuple[str, ...]) -> str:
    """Say how much too large the smallest slices of these groups are."""
    cores = min(fit.units(layer, group) for group in groups)
    need = fit.bits(layer, groups, cores)
    return (
        f"layer {layer.name}, group {' and '.join(groups)}: on {cores} cores, one row of "
        f"{fit.options.unit} channels each, it needs {need:,} bits on its fullest core, which has "
        f"{fit.have:,}"
    )
