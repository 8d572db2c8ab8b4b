"""Program: sites, routes, consumers, stages and the memory map, as frozen tables of indices.

How a program runs on a core: packets of a *site* arrive for a *consumer*, which gathers their
events into groups and applies each group to its weight slice (or, without a kernel, has the
controller store the values). When every consumer that a *stage* needs has seen the end of its
vector, the stage runs its micro-kernels and sends vectors on its *routes*. Nothing else exists:
layers, gates and norms are all stages.

The host is an endpoint like a core; its id is ``Program.cores``, one past the last core.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HOST_STAGE = -1
"""`Route.stage` of a route that the host sends on."""
NO_ROUTE = -1
"""`Route.acknowledges` of a route that carries events and no credit."""
NO_REGION = -1
"""No place in the memory map: the host's side, credits, or a consumer without weights."""

SiteKind = Literal["events", "dense", "credit"]


@dataclass(frozen=True, slots=True)
class Site:
    """A named vector that travels as events.

    Attributes:
        name: of the vector.
        layer: index of the layer that receives it.
        width: channels.
        kind: ``events`` (zeros are skipped), ``dense`` (every channel is sent), ``credit`` (no
            event at all).
    """

    name: str
    layer: int
    width: int
    kind: SiteKind


@dataclass(frozen=True, slots=True)
class Route:
    """One source's share of a site, channels low:high, sent to a set of endpoints by multicast.

    `site` and `destinations` are indices of the program's `sites` and `core_sets`, `source` a core.
    `stage` sends it, from the output buffer `buffer` of the memory map.
    `window`: token t + W waits until every destination has acknowledged token t.
    `acknowledges`: the windowed route whose credit this route carries, or NO_ROUTE.
    """

    site: int
    source: int
    destinations: int
    low: int
    high: int
    stage: int
    buffer: int = NO_REGION
    window: bool = False
    acknowledges: int = NO_ROUTE


@dataclass(frozen=True, slots=True)
class Consumer:
    """Where a site ends on a core: `kernel` over `rows` rows of lanes per group of events.

    `neurons` is the number of real (unpadded) rows of the slice `weights`, whose products are
    gathered in `target`. An empty `kernel` means that the controller stores the values there.
    """

    core: int
    site: int
    kernel: str
    rows: int
    neurons: int
    weights: int = NO_REGION
    target: int = NO_REGION


@dataclass(frozen=True, slots=True)
class Step:
    """One micro-kernel run of a stage over `rows` rows of lanes.

    `regions` maps the kernel's operand names to places of the memory map.
    """

    kernel: str
    rows: int
    regions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """Work that starts when all its consumers are complete, then sends on its routes in order.

    Attributes:
        core: where.
        layer: index of its layer.
        name: of the work.
        needs: indices of consumers.
        steps: kernels, one after another.
        emits: indices of routes.
    """

    core: int
    layer: int
    name: str
    needs: tuple[int, ...]
    steps: tuple[Step, ...]
    emits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of a core's data memory: `columns` lines of `rows` words, column after column.

    `tensor` names the checkpoint tensor that fills it, rows low:high of it and its columns from
    `column_low` on; each column starts at a multiple of `stride_bits`. `copies` > 1 where each
    token in flight, or each sequence, has its own. A `shared` region lies in off-core memory (its
    addresses go on behind the core's) and is fetched column by column. `name` is for people,
    `address_bits` where it begins, in bits, and `word_bits` the size of a word.
    """

    core: int
    name: str
    address_bits: int
    rows: int
    columns: int
    word_bits: int
    stride_bits: int
    copies: int = 1
    tensor: str = ""
    low: int = 0
    high: int = 0
    shared: bool = False
    column_low: int = 0

    @property
    def bits(self) -> int:
        """Bits taken, padding included."""
        return self.columns * self.stride_bits * self.copies


@dataclass(frozen=True, slots=True)
class Pass:
    """A part of a program that runs by itself on a small chip: its rows in each table.

    They follow those of the pass before; see `seneca_sim.program.passes`.

    Attributes:
        sites: how many vectors.
        core_sets: how many sets of endpoints.
        routes: how many routes.
        consumers: how many places where vectors end.
        stages: how many stages.
        regions: how many rows of the memory map.
    """

    sites: int
    core_sets: int
    routes: int
    consumers: int
    stages: int
    regions: int


@dataclass(frozen=True)
class Program:
    """A workload placed on a chip; what refers to something else holds its index.

    Attributes:
        name: of the workload.
        cores: of the chip.
        sites: vectors.
        core_sets: endpoints that routes lead to; the host is one past the last core.
        routes: who sends what to whom.
        consumers: where vectors end.
        stages: what computes and sends.
        regions: the memory map.
        shape: dimensions of the model.
        mapping: how it was placed, for people.
        sequences: independent texts side by side; token t is of sequence t mod `sequences`, whose
            own states it reads and writes.
        passes: where there are any, they run one after another on the same cores.
        ahead: the weights of a pass are loaded while the one before runs, not after it.
    """

    name: str
    cores: int
    sites: tuple[Site, ...]
    core_sets: tuple[tuple[int, ...], ...]
    routes: tuple[Route, ...]
    consumers: tuple[Consumer, ...]
    stages: tuple[Stage, ...]
    regions: tuple[Region, ...]
    shape: tuple[tuple[str, int], ...] = ()
    mapping: tuple[tuple[str, str], ...] = ()
    sequences: int = 1
    passes: tuple[Pass, ...] = ()
    ahead: bool = False

    @property
    def host(self) -> int:
        """The host's endpoint id."""
        return self.cores

    def destinations(self, route: int) -> tuple[int, ...]:
        """Endpoints that a route reaches."""
        return self.core_sets[self.routes[route].destinations]

    @cached_property
    def host_routes(self) -> tuple[int, ...]:
        """Routes that the host sends on, in order."""
        return tuple(i for i, r in enumerate(self.routes) if r.stage == HOST_STAGE)

    @cached_property
    def consumer_at(self) -> dict[tuple[int, int], int]:
        """(site, core) -> consumer."""
        return {(c.site, c.core): i for i, c in enumerate(self.consumers)}

    @cached_property
    def deliveries(self) -> tuple[Ints, Ints, Ints]:
        """Each route to each of its endpoints, credits left out: route, endpoint, consumer.

        All are [deliveries]. The consumer is -1 where nobody takes the site. Ordered by route, then
        as its core set.
        """
        sizes = np.array([len(cores) for cores in self.core_sets] or [0], np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        members = np.array([core for cores in self.core_sets for core in cores], np.int64)
        sending = [i for i, r in enumerate(self.routes) if r.acknowledges == NO_ROUTE]
        sets = np.array([self.routes[i].destinations for i in sending], np.int64)
        routes = np.repeat(np.array(sending, np.int64), sizes[sets])
        first = np.repeat(starts[sets], sizes[sets])
        within = np.arange(routes.size) - np.repeat(
            np.cumsum(sizes[sets]) - sizes[sets], sizes[sets]
        )
        endpoints = members[first + within]
        sites = np.array([r.site for r in self.routes] or [0], np.int64)[routes]
        return routes, endpoints, self._consumers_of(sites, endpoints)

    def _consumers_of(self, sites: Ints, endpoints: Ints) -> Ints:
        """For each (site, endpoint) its consumer, or -1."""
        if not self.consumers:
            return np.full(sites.size, -1, np.int64)
        step = self.cores + 1
        keys = np.array([c.site * step + c.core for c in self.consumers], np.int64)
        order = np.argsort(keys, kind="stable")
        wanted = sites * step + endpoints
        at = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
        return np.where(keys[order][at] == wanted, order[at], -1)

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """For every consumer, how many ends of vector complete it: one per route to it."""
        takers = self.deliveries[2]
        found = np.bincount(takers[takers >= 0], minlength=len(self.consumers))
        return tuple(found.tolist())

    def channels_of(self, consumer: int) -> tuple[int, int]:
        """Channels low:high of its site that a consumer takes: its columns, or what it stores."""
        taker = self.consumers[consumer]
        if taker.kernel:
            weights = self.regions[taker.weights]
            return weights.column_low, weights.column_low + weights.columns
        if taker.target == NO_REGION:
            return 0, self.sites[taker.site].width
        region = self.regions[taker.target]
        return region.low, region.high

    @cached_property
    def memory_bits(self) -> dict[int, int]:
        """Core -> where its last region in its own data memory ends, in bits."""
        ends: dict[int, int] = {}
        for region in self.regions:
            if not region.shared:
                end = region.address_bits + region.bits
                ends[region.core] = max(ends.get(region.core, 0), end)
        return ends

    def fetch_bits(self, consumer: int, burst_bits: int) -> int:
        """Bits that one event of a consumer brings from off-core memory, in whole bursts."""
        weights = self.consumers[consumer].weights
        if weights == NO_REGION or not self.regions[weights].shared:
            return 0
        return -(-self.regions[weights].stride_bits // burst_bits) * burst_bits

    @cached_property
    def stage_of(self) -> tuple[int, ...]:
        """For every consumer, the stage that needs it (-1 for the host's)."""
        stage_of = [-1] * len(self.consumers)
        for index, stage in enumerate(self.stages):
            for consumer in stage.needs:
                stage_of[consumer] = index
        return tuple(stage_of)
