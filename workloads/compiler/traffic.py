"""Expected traffic of a program in closed form: events, flits and flit-hops of a token, by site.

The hops of a multicast are the edges of its XY tree: along the source's row from the westernmost to
the easternmost column that is needed, in each such column from the northernmost to the southernmost
row, and one output port for each destination.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import multicast_tree
from seneca_sim.program import EventStream, Program
from workloads.compiler.estimate import Densities
from workloads.compiler.tiles import short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def expected_events(program: Program, densities: Densities | None = None) -> Floats:
    """Events of every route for a token: all channels of a dense site, a share of a sparse one."""
    shares = [
        1.0
        if site.kind != "events"
        else (densities or {}).get(site.name, (densities or {}).get(short(site.name), 1.0))
        for site in program.sites
    ]
    of = np.array([(r.site, r.high - r.low) for r in program.routes], np.int64).reshape(-1, 2)
    return np.asarray(np.array(shares)[of[:, 0]] * of[:, 1], np.float64)


def mean_events(stream: EventStream) -> Floats:
    """Events of every route for a token, as a stream has them."""
    return np.asarray(stream.counts.mean(axis=1), np.float64)


def flits(chip: Chip, events: Floats) -> Floats:
    """S4: flits of so many events, headers included; exact for whole numbers."""
    packets = np.maximum(1, np.ceil(events / chip.noc.packet_events))
    packets += chip.core.completion == "announce"
    return np.asarray(packets * chip.noc.header_flits + events * chip.noc.event_flits, np.float64)


@dataclass(frozen=True)
class Trees:
    """Where packets go: source and destinations of every route, as coordinates of routers.

    Attributes:
        source: [routes] endpoint.
        starts: [routes + 1] where each route's destinations begin in `targets`.
        targets: endpoints.
    """

    chip: Chip
    source: Ints
    starts: Ints
    targets: Ints

    @classmethod
    def of(cls, chip: Chip, program: Program) -> Trees:
        """Read them off a program."""
        sets = [np.array(cores, np.int64) for cores in program.core_sets]
        ways = [sets[route.destinations] for route in program.routes]
        source = np.array([route.source for route in program.routes], np.int64)
        sizes = np.array([way.size for way in ways], np.int64)
        return cls(chip, source, np.concatenate(([0], np.cumsum(sizes))), np.concatenate(ways))

    def hops(self, place: Ints | None = None) -> Ints:
        """Router outputs that a packet of each route crosses; core i moved to `place[i]`."""
        place = np.arange(self.chip.cores) if place is None else place
        nodes = np.append(place, self.chip.host_node)
        if self.chip.noc.topology == "torus":
            return self._one_by_one(nodes)
        wide = self.chip.columns
        tx, ty = nodes[self.targets] % wide, nodes[self.targets] // wide
        sx, sy = nodes[self.source] % wide, nodes[self.source] // wide
        sizes = np.diff(self.starts)
        route = np.repeat(np.arange(self.source.size), sizes)
        if self.chip.noc.multicast == "unicast":
            far = np.abs(tx - sx[route]) + np.abs(ty - sy[route]) + 1
            return np.asarray(np.bincount(route, far, self.source.size), np.int64)
        first = self.starts[:-1]
        east = np.maximum(np.maximum.reduceat(tx, first), sx)
        west = np.minimum(np.minimum.reduceat(tx, first), sx)
        order = np.argsort(route * wide + tx, kind="stable")
        key, y = (route * wide + tx)[order], ty[order]
        begin = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        column = key[begin] // wide
        south = np.maximum(np.maximum.reduceat(y, begin), sy[column])
        north = np.minimum(np.minimum.reduceat(y, begin), sy[column])
        upright = np.bincount(column, south - north, self.source.size)
        return np.asarray(east - west + upright + sizes, np.int64)

    def _one_by_one(self, nodes: Ints) -> Ints:
        """In a torus a tree takes the shorter side of each ring: walk it."""
        found = []
        for i, source in enumerate(self.source):
            ends = self.targets[self.starts[i] : self.starts[i + 1]]
            moved = [self.chip.cores if e == self.chip.cores else int(nodes[e]) for e in ends]
            start = self.chip.cores if source == self.chip.cores else int(nodes[source])
            if self.chip.noc.multicast == "unicast":
                trees = [multicast_tree(self.chip, start, (end,)) for end in moved]
            else:
                trees = [multicast_tree(self.chip, start, moved)]
            found.append(sum(len(ports) for tree in trees for ports in tree.values()))
        return np.array(found, np.int64)

    def some(self, routes: Ints) -> Trees:
        """Those of some routes."""
        sizes = np.diff(self.starts)[routes]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        shift = np.repeat(self.starts[routes] - starts[:-1], sizes)
        return Trees(
            self.chip, self.source[routes], starts, self.targets[shift + np.arange(shift.size)]
        )


def site_traffic(chip: Chip, program: Program, sent: Floats) -> dict[str, tuple[float, float]]:
    """Flits and flit-hops of a token by kind of site; `sent` are flits of every route."""
    hops = Trees.of(chip, program).hops()
    found: dict[str, tuple[float, float]] = {}
    of = np.array([route.site for route in program.routes], np.int64)
    total = np.bincount(of, sent, len(program.sites))
    crossed = np.bincount(of, sent * hops, len(program.sites))
    for site, many, far in zip(program.sites, total, crossed, strict=True):
        head, _, number = short(site.name).rpartition(".")
        name = head if number.isdigit() else short(site.name)  # tiles of a matrix together
        before = found.get(name, (0.0, 0.0))
        found[name] = before[0] + float(many), before[1] + float(far)
    return found
