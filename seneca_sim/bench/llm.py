"""Streams as large as those of big RWKV-4 models, written down directly as a program.

No compiler and no memory map: groups of cores in consecutive order, the shares of each vector, the
sites between them and how dense they are. What an engine has to do is that of a real program: the
same sites, multicasts, LayerNorm trips, windows and credits; where each packet goes differs with
the mapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from seneca_sim.bench.work import Target, Work
from seneca_sim.chip import Chip
from seneca_sim.conformance.build import make_chip
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.program import (
    HOST_STAGE,
    NO_ROUTE,
    Consumer,
    EventStream,
    Program,
    Route,
    Site,
    Stage,
    Step,
)
from seneca_sim.program.ir import SiteKind

EVENT_KERNEL = "event_int4"
UNIT = 32
"""Channels of a share are whole multiples of a memory line of INT4 weights."""


@dataclass(frozen=True)
class Shape:
    """Layers, width, and cores of a block's three groups: residual, attention, ffn.key."""

    name: str
    layers: int
    width: int
    groups: tuple[int, int, int]
    columns: int
    rows: int


LARGE = Shape("RWKV-4 3B", 32, 2560, (80, 40, 54), 75, 75)
SMALL = Shape("RWKV-4 169M", 12, 768, (8, 4, 5), 15, 14)
DENSITIES = {
    "3B natural": {
        "att.key": 0.9998, "att.val": 0.9997, "att.rec": 0.9999, "att.out": 1.0,
        "ffn.key": 0.9998, "ffn.rec": 0.9998, "ffn.val": 0.07,
    },
    "3B sparsified": {
        "att.key": 0.384, "att.val": 0.513, "att.rec": 0.505, "att.out": 0.263,
        "ffn.key": 0.614, "ffn.rec": 0.441, "ffn.val": 0.063,
    },
    "169M sparsified": {
        "att.key": 0.51, "att.val": 0.60, "att.rec": 0.62, "att.out": 0.69,
        "ffn.key": 0.80, "ffn.rec": 0.53, "ffn.val": 0.32,
    },
}  # fmt: skip
"""Share of events kept at each site, arXiv 2501.16337: measured for 3B, chosen for 169M."""


def rwkv(shape: Shape, densities: str, tokens: int, targets: tuple[Target, ...] = ()) -> Work:
    """A stream of a shape at the densities of that name, drawn channel by channel (seed 1)."""
    chip = make_chip(shape.columns, shape.rows)
    program = _Model(shape, chip).program()
    stream = draw(program, DENSITIES[densities], tokens)
    return Work(f"{shape.name}, {densities}", chip, program, stream, targets=targets)


def scaled(cores: int) -> Work:
    """Blocks of width 768 on 16 cores each (a narrow one on 4), as much work on each chip."""
    layers, groups = max(1, cores // 16), (8, 4, 4) if cores >= 16 else (2, 1, 1)
    side = 2 ** ((cores.bit_length() - 1) // 2)
    shape = Shape("RWKV-4 blocks", layers, 768 if cores >= 16 else 192, groups, cores // side, side)
    tokens = max(1, 2048 // cores)
    work = rwkv(shape, "169M sparsified", tokens)
    return replace(work, name=f"{layers} blocks, {cores} cores", sweep="blocks, 4 to 1,024 cores")


def draw(program: Program, densities: dict[str, float], tokens: int) -> EventStream:
    """Events of every route: all of a dense site, else those that chance keeps."""
    kept = [densities.get(site.name, 1.0) for site in program.sites]
    widths = np.array([route.high - route.low for route in program.routes])
    shares = np.array([kept[route.site] for route in program.routes])
    rng = np.random.default_rng(1)
    counts = rng.binomial(widths[:, None], shares[:, None], (len(widths), tokens))
    return EventStream(counts.astype(np.int64))


def shares(width: int, cores: int) -> list[tuple[int, int]]:
    """Ranges of channels, as even as whole units allow."""
    units = width // UNIT
    cuts = [UNIT * (units * i // cores) for i in range(cores + 1)]
    return list(pairwise(cuts))


class _Model:
    """Collects the tables of a program, block by block."""

    def __init__(self, shape: Shape, chip: Chip) -> None:
        self.shape, self.chip = shape, chip
        self.sites: list[Site] = []
        self.routes: list[Route] = []
        self.consumers: list[Consumer] = []
        self.stages: list[Stage] = []
        self.emits: list[list[int]] = []
        self.sets: dict[tuple[int, ...], int] = {}

    def program(self) -> Program:
        """All blocks; the host brings the first one's residual stream and takes the last one's."""
        senders = [HOST_STAGE] * self.shape.groups[0]
        first = 0
        for layer in range(self.shape.layers):
            senders = self._block(layer, first, senders)
            first += sum(self.shape.groups)
        answer = self._site("x", "dense", self.shape.layers)
        self.consumers.append(Consumer(self.chip.cores, answer, "", 0, 0))
        for stage, (low, high) in zip(senders, self._residual(), strict=True):
            self._route(answer, stage, (self.chip.cores,), low, high)
        stages = tuple(
            Stage(s.core, s.layer, s.name, s.needs, s.steps, tuple(emits))
            for s, emits in zip(self.stages, self.emits, strict=True)
        )
        return Program(
            self.shape.name, self.chip.cores, tuple(self.sites), tuple(self.sets),
            tuple(self.routes), tuple(self.consumers), stages, (),
        )  # fmt: skip

    def _residual(self) -> list[tuple[int, int]]:
        return shares(self.shape.width, self.shape.groups[0])

    def _block(self, layer: int, first: int, senders: list[int]) -> list[int]:
        """A block on cores `first` and following; returns its last stages, one a residual core."""
        residual, attention, keys = self.shape.groups
        r = range(first, first + residual)
        a = range(r.stop, r.stop + attention)
        k = range(a.stop, a.stop + keys)
        width, mine = self.shape.width, self._residual()
        entries, begun = self._entries(layer, r, senders)
        mixed = self._norm(layer, "ln1", r, begun, mine, 3)
        names = ["att.key", "att.rec", "att.val"]
        inputs = [self._send(name, layer, mixed, a, mine) for name in names]
        parts = shares(width, attention)
        wkv = self._weighted(a, inputs, parts, "wkv", layer)
        out = self._send("att.out", layer, wkv, r, parts)
        added = self._weighted(r, [out], mine, "residual_add", layer)
        mixed = self._norm(layer, "ln2", r, added, mine, 2)
        key = self._send("ffn.key", layer, mixed, k, mine)
        rec = self._send("ffn.rec", layer, mixed, r, mine)
        rows = shares(4 * width, keys)
        squared = self._weighted(k, [key], rows, "relu2_fire", layer)
        val = self._send("ffn.val", layer, squared, r, rows)
        last = self._weighted(r, [rec, val], mine, "gate_residual", layer)
        self._credits(layer, entries, last)
        return last

    def _entries(self, layer: int, cores: range, senders: list[int]) -> tuple[list[int], list[int]]:
        """The residual stream, share by share from peer to peer; its routes and first stages."""
        entries, begun = [], []
        for core, stage, share in zip(cores, senders, self._residual(), strict=True):
            width = share[1] - share[0]
            site = self._site("x", "dense", layer, width)
            entries.append(self._route(site, stage, (core,), 0, width, window=True))
            begun += self._stored(range(core, core + 1), site, [share], "ln_stats", layer)
        return entries, begun

    def _norm(
        self, layer: int, name: str, cores: range, before: list[int],
        mine: Sequence[tuple[int, int]], mixes: int,
    ) -> list[int]:  # fmt: skip
        """LayerNorm by way of the first core, then the token-shift mixes."""
        partial = self._site(f"{name}.partial", "dense", layer, 4 * len(cores))
        for i, stage in enumerate(before):
            self._route(partial, stage, (cores[0],), 4 * i, 4 * i + 4)
        self._consumer(cores[0], partial, 0, "")
        owner = self._stage(cores[0], layer, [len(self.consumers) - 1], [("ln_combine", 1)])
        stat = self._site(f"{name}.stat", "dense", layer, 4)
        self._route(stat, owner, tuple(cores), 0, 4)
        steps = ["ln_apply", *["token_shift_mix"] * mixes]
        return self._stored(cores, stat, mine, steps, layer)

    def _stored(
        self, cores: range, site: int, parts: Sequence[tuple[int, int]],
        kernels: str | Sequence[str], layer: int,
    ) -> list[int]:  # fmt: skip
        """On each core a stage that needs one stored site."""
        names = [kernels] if isinstance(kernels, str) else kernels
        made = []
        for core, (low, high) in zip(cores, parts, strict=True):
            steps = [(kernel, high - low) for kernel in names]
            made.append(self._stage(core, layer, [self._consumer(core, site, 0, "")], steps))
        return made

    def _weighted(
        self, cores: range, sites: list[int], parts: Sequence[tuple[int, int]], kernel: str,
        layer: int,
    ) -> list[int]:  # fmt: skip
        """On each core a stage that needs weighted sites."""
        made = []
        for core, (low, high) in zip(cores, parts, strict=True):
            needs = [self._consumer(core, site, high - low, EVENT_KERNEL) for site in sites]
            made.append(self._stage(core, layer, needs, [(kernel, high - low)]))
        return made

    def _send(
        self, name: str, layer: int, stages: list[int], cores: range,
        parts: Sequence[tuple[int, int]],
    ) -> int:  # fmt: skip
        site = self._site(name, "events", layer, parts[-1][1])
        for stage, (low, high) in zip(stages, parts, strict=True):
            self._route(site, stage, tuple(cores), low, high)
        return site

    def _credits(self, layer: int, entries: list[int], last: list[int]) -> None:
        site = self._site("x.credit", "credit", layer, 0)
        for route, stage in zip(entries, last, strict=True):
            target = (self.routes[route].source,)
            self._route(site, stage, target, 0, 0, acknowledges=route)

    def _site(self, name: str, kind: SiteKind, layer: int, width: int | None = None) -> int:
        self.sites.append(Site(name, layer, self.shape.width if width is None else width, kind))
        return len(self.sites) - 1

    def _consumer(self, core: int, site: int, neurons: int, kernel: str) -> int:
        self.consumers.append(Consumer(core, site, kernel, self._rows(kernel, neurons), neurons))
        return len(self.consumers) - 1

    def _rows(self, kernel: str, neurons: int) -> int:
        return load_kernel(kernel, self.chip.core.npes).rows_for(neurons) if neurons else 0

    def _stage(
        self, core: int, layer: int, needs: list[int], kernels: list[tuple[str, int]]
    ) -> int:
        steps = tuple(Step(name, self._rows(name, neurons)) for name, neurons in kernels)
        name = f"{layer}.{kernels[0][0]}"
        self.stages.append(Stage(core, layer, name, tuple(needs), steps, ()))
        self.emits.append([])
        return len(self.stages) - 1

    def _route(
        self, site: int, stage: int, targets: tuple[int, ...], low: int, high: int, *,
        window: bool = False, acknowledges: int = NO_ROUTE,
    ) -> int:  # fmt: skip
        source = self.chip.cores if stage == HOST_STAGE else self.stages[stage].core
        cores = self.sets.setdefault(targets, len(self.sets))
        self.routes.append(
            Route(site, source, cores, low, high, stage, window=window, acknowledges=acknowledges)
        )
        if stage != HOST_STAGE:
            self.emits[stage].append(len(self.routes) - 1)
        return len(self.routes) - 1
