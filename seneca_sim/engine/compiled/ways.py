"""Routes of a program as records: trees, windows, who pays, and where a site ends (S7, S14)."""

from __future__ import annotations

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import Ints, Narrow
from seneca_sim.engine.compiled.trees import PORT_BITS, trees_of
from seneca_sim.errors import CapacityError
from seneca_sim.program import HOST_STAGE, NO_ROUTE, Program


class Ways:
    """Tables of all routes.

    Attributes:
        routes: [routes, ROUTE].
        widths: [routes] channels of each.
        places, ways: the trees, and with unicast the root of each route's way to each destination.
        leaves: consumers, at R_LEAVES of the route + core.
        sources: [consumers] how many ends of vector complete each.
        windowed: number of windowed routes.
    """

    def __init__(self, chip: Chip, program: Program) -> None:
        self.chip, self.program = chip, program
        fields = [
            (r.site, r.source, r.destinations, r.stage, r.window, r.acknowledges, r.high - r.low)
            for r in program.routes
        ]
        table = np.array(fields or np.zeros((0, 7)), np.int64).reshape(-1, 7)
        self.site, self.source, self.set, self.stage, self.window, self.credit = table.T[:6]
        self.widths: Ints = table[:, 6]
        self.sizes = np.array([len(cores) for cores in program.core_sets], np.int64)
        self.targets = np.array([t for cores in program.core_sets for t in cores], np.int64)
        self.starts = np.append(0, np.cumsum(self.sizes))
        reach = self.sizes[self.set]
        # Every (route, destination), one after another.
        self.route_of = np.repeat(np.arange(len(table)), reach)
        begins = np.cumsum(reach) - reach
        within = np.arange(self.route_of.size) - begins[self.route_of]
        self.end_of = self.targets[self.starts[self.set[self.route_of]] + within]
        self._leaves()
        self._sources()
        self._plant(reach, begins)

    def _leaves(self) -> None:
        """A row of cores, from the first to the last that takes it, for each site."""
        program, cores = self.program, self.chip.cores
        where = [(c.site, c.core) for c in program.consumers]
        site, core = np.array(where or np.zeros((0, 2)), np.int64).reshape(-1, 2).T
        inside = np.flatnonzero(core < cores)
        low = np.full(len(program.sites), cores, np.int64)
        high = np.zeros(len(program.sites), np.int64)
        np.minimum.at(low, site[inside], core[inside])
        np.maximum.at(high, site[inside], core[inside] + 1)
        lengths = np.maximum(0, high - low)
        # `cores` unused places in front keep every base from being negative.
        self.bases = cores + np.cumsum(lengths) - lengths - low
        leaves = np.full(cores + int(lengths.sum()) + 1, at.NONE, np.int64)
        leaves[self.bases[site[inside]] + core[inside]] = inside
        self.leaves: Narrow = leaves.astype(np.int32)
        self.low, self.high = low, high
        self.hosts = {int(site[i]): int(i) for i in np.flatnonzero(core == cores)}

    def _sources(self) -> None:
        """S10: one end of vector for each route that reaches a consumer."""
        carries = self.credit[self.route_of] == NO_ROUTE
        site, end = self.site[self.route_of[carries]], self.end_of[carries]
        inside = (self.low[site] <= end) & (end < self.high[site])
        items = self.leaves[self.bases[site[inside]] + end[inside]]
        self.sources: Ints = np.bincount(
            items[items >= 0], minlength=len(self.program.consumers)
        ).astype(np.int64)
        at_host = np.bincount(site[end == self.chip.cores], minlength=len(self.program.sites))
        for number, item in self.hosts.items():
            self.sources[item] = at_host[number]

    def _plant(self, reach: Ints, begins: Ints) -> None:
        chip, program = self.chip, self.program
        unicast = chip.noc.multicast == "unicast"
        ends = chip.cores + 1
        kind = self.end_of if unicast else self.set  # what the trees of a group have in common
        source = self.source[self.route_of] if unicast else self.source
        keys, tree_of = np.unique(kind * ends + source, return_inverse=True)
        kinds, sources = keys // ends, keys % ends
        if chip.noc.topology == "torus":
            groups, first = kinds, np.arange(kinds.size + 1)
        else:
            groups, starts = np.unique(kinds, return_index=True)
            first = np.append(starts, kinds.size)
        if unicast:
            starts, targets = np.arange(groups.size + 1), groups
        else:
            sizes = self.sizes[groups]
            starts = np.append(0, np.cumsum(sizes))
            within = np.arange(int(sizes.sum())) - np.repeat(starts[:-1], sizes)
            targets = self.targets[np.repeat(self.starts[groups], sizes) + within]
        roots, places = trees_of(chip, first, sources, starts, targets)
        if places.size << PORT_BITS > at.LARGEST:
            raise CapacityError(
                f"program {program.name}: {places.size} branches of multicast trees are more than "
                f"the compiled engine can number; use the reference engine"
            )
        self.places: Narrow = places.astype(np.int32)
        self.ways: Narrow = roots[tree_of].astype(np.int32)
        self._records(reach, begins if unicast else np.arange(len(program.routes)))

    def _records(self, reach: Ints, ways: Ints) -> None:
        items, stages = len(self.program.consumers), len(self.program.stages)
        credits = self.credit != NO_ROUTE
        rows = np.zeros((self.site.size, at.ROUTE), np.int64)
        rows[:, at.R_ROOT] = self.ways[ways]
        rows[:, at.R_WAYS], rows[:, at.R_TARGETS] = ways, reach
        item = items + np.where(self.stage == HOST_STAGE, stages, self.stage)
        rows[:, at.R_ITEM] = item * at.ITEM_SIZE
        windowed = self.window != 0
        rows[:, at.R_WINDOW] = np.where(windowed, np.cumsum(windowed) - 1, at.NONE)
        rows[:, at.R_ACKNOWLEDGES] = np.where(credits, self.credit * at.ROUTE, at.NONE)
        pays = (items + self.stage[self.credit]) * at.ITEM_SIZE
        rows[:, at.R_PAYS] = np.where(credits, pays, 0)
        rows[:, at.R_LEAVES] = np.where(credits, at.NONE, self.bases[self.site])
        self.routes: Narrow = rows.astype(np.int32)
        self.windowed = int(windowed.sum())
