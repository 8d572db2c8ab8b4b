"""Hand-made programs: a small builder, and the chips and programs that several tests use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import PACKET_FIELDS, Activity
from seneca_sim.program import (
    HOST_STAGE,
    NO_REGION,
    Consumer,
    EventStream,
    Program,
    Region,
    Route,
    Site,
    Stage,
    Step,
)
from seneca_sim.program.verify import verify


def make_chip(columns: int = 1, rows: int = 1, **values: Any) -> Chip:
    """The default chip, of another size; keys are fields of any part (`hop_cycles=1`)."""
    chip = Chip("test", columns, rows)
    parts: dict[str, Any] = {"core": chip.core, "noc": chip.noc, "host": chip.host}
    parts["controller"] = chip.core.controller
    for key, value in values.items():
        part = next(p for p in ("controller", "core", "noc", "host") if hasattr(parts[p], key))
        parts[part] = replace(parts[part], **{key: value})
    core = replace(parts["core"], controller=parts["controller"])
    return replace(chip, core=core, noc=parts["noc"], host=parts["host"])


class Builder:
    """Collects the tables of a program; methods return indices."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.sites: list[Site] = []
        self.routes: list[Route] = []
        self.consumers: list[Consumer] = []
        self.stages: list[Stage] = []
        self.regions: list[Region] = []
        self.core_sets: dict[tuple[int, ...], int] = {}
        self.used = [0] * chip.cores

    @property
    def host(self) -> int:
        return self.chip.cores

    def site(self, name: str, width: int = 8, kind: str = "events", layer: int = 0) -> int:
        self.sites.append(Site(name, layer, width, kind))  # type: ignore[arg-type]
        return len(self.sites) - 1

    def region(self, core: int, name: str, rows: int, columns: int = 1) -> int:
        line = self.chip.core.line_bits
        stride = -(-max(1, rows) * 16 // line) * line
        self.regions.append(
            Region(core, name, self.used[core], rows, columns, 16, stride, low=0, high=rows)
        )
        self.used[core] += columns * stride
        return len(self.regions) - 1

    def stored(self, core: int, site: int) -> int:
        """A consumer without a micro-kernel: a stored vector, or the host's answer."""
        target = NO_REGION
        if core != self.host:
            target = self.region(core, f"in:{self.sites[site].name}", self.sites[site].width)
        self.consumers.append(Consumer(core, site, "", 0, 0, NO_REGION, target))
        return len(self.consumers) - 1

    def weighted(self, core: int, site: int, neurons: int = 8) -> int:
        """A consumer that applies groups of events to `neurons` rows of BF16 weights."""
        name, width = self.sites[site].name, self.sites[site].width
        weights = self.region(core, f"weight:{name}", neurons, width)
        target = self.region(core, f"acc:{name}", neurons)
        rows = load_kernel("event_bf16", self.chip.core.npes).rows_for(neurons)
        self.consumers.append(Consumer(core, site, "event_bf16", rows, neurons, weights, target))
        return len(self.consumers) - 1

    def stage(
        self,
        core: int,
        needs: Iterable[int],
        *steps: tuple[str, int],
        name: str = "",
        layer: int = 0,
    ) -> int:
        """A stage; `steps` are (kernel, rows), by default send_acc over one row."""
        made = tuple(Step(kernel, rows) for kernel, rows in steps or (("send_acc", 1),))
        number = len(self.stages)
        self.stages.append(Stage(core, layer, name or f"s{number}", tuple(needs), made, ()))
        return number

    def route(
        self,
        site: int,
        stage: int,
        destinations: Sequence[int],
        low: int = 0,
        high: int | None = None,
        *,
        window: bool = False,
    ) -> int:
        """A route of a stage, or of the host (HOST_STAGE)."""
        source = self.host if stage == HOST_STAGE else self.stages[stage].core
        target = self.core_sets.setdefault(tuple(destinations), len(self.core_sets))
        high = self.sites[site].width if high is None else high
        return self._add(Route(site, source, target, low, high, stage, window=window))

    def credits(self, route: int, stages: Iterable[int]) -> list[int]:
        """One credit for a windowed route from each of `stages`."""
        windowed = self.routes[route]
        name = f"{self.sites[windowed.site].name}.credit"
        known = [i for i, s in enumerate(self.sites) if s.name == name]
        site = known[0] if known else self.site(name, 0, "credit")
        target = self.core_sets.setdefault((windowed.source,), len(self.core_sets))
        return [
            self._add(Route(site, self.stages[s].core, target, 0, 0, s, acknowledges=route))
            for s in stages
        ]

    def _add(self, route: Route) -> int:
        number = len(self.routes)
        self.routes.append(route)
        if route.stage != HOST_STAGE:
            stage = self.stages[route.stage]
            self.stages[route.stage] = replace(stage, emits=(*stage.emits, number))
        return number

    def build(self) -> Program:
        """The program, verified."""
        program = Program(
            name="hand",
            cores=self.chip.cores,
            sites=tuple(self.sites),
            core_sets=tuple(self.core_sets),
            routes=tuple(self.routes),
            consumers=tuple(self.consumers),
            stages=tuple(self.stages),
            regions=tuple(self.regions),
        )
        verify(program, self.chip)
        return program


def stream_of(*routes: Sequence[int] | int) -> EventStream:
    """Events of each route, one number for each token."""
    rows = [[r] if isinstance(r, int) else list(r) for r in routes]
    return EventStream(np.array(rows, np.int64))


def single(chip: Chip, neurons: int = 8, width: int = 32, kernel: str = "send_acc") -> Program:
    """Route 0: host -> weights of core 0; route 1: its answer -> host; route 2: credit -> host."""
    b = Builder(chip)
    x, y = b.site("x", width), b.site("y", width)
    stage_rows = -(-neurons // chip.core.npes)
    stage = b.stage(0, [b.weighted(0, x, neurons)], (kernel, stage_rows))
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    b.route(y, stage, [b.host])
    b.credits(entry, [stage])
    return b.build()


def chain(chip: Chip) -> Program:
    """Host -> vector stored on core 0 -> weights of core 1 -> host; routes 0, 1 and 2."""
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)], ("send_dense", 1))
    second = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(mid, first, [1])
    b.route(y, second, [b.host])
    return b.build()


def two_senders(chip: Chip, width: int = 64) -> Program:
    """Host -> cores 0 and 2 (route 0), each with half a vector for core 1 (1, 2) -> host (3)."""
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid", width), b.site("y")
    senders = [b.stage(core, [b.stored(core, x)], ("send_dense", 1)) for core in (0, 2)]
    last = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 2])
    b.route(mid, senders[0], [1], 0, width // 2)
    b.route(mid, senders[1], [1], width // 2, width)
    b.route(y, last, [b.host])
    return b.build()


def log(activity: Activity, route: int, token: int = 0) -> list[dict[str, int]]:
    """Rows of the packet log of one route and token, by sequence and destination."""
    assert activity.packets is not None
    rows = [dict(zip(PACKET_FIELDS, map(int, row), strict=True)) for row in activity.packets]
    mine = [row for row in rows if row["route"] == route and row["token"] == token]
    return sorted(mine, key=lambda row: (row["sequence"], row["destination"]))


def times(row: dict[str, int]) -> tuple[int, ...]:
    """(created, injected, arrived, started, done) of a row of the packet log."""
    return tuple(row[name] for name in ("created", "injected", "arrived", "started", "done"))


def ops_of(row: Sequence[int] | np.ndarray) -> dict[str, int]:
    """A count vector as op -> count, zeros left out."""
    return {op: int(row[i]) for op, i in OP_INDEX.items() if row[i]}


def link_index(chip: Chip, node: int, port: int) -> int:
    """Position of a router output in an activity's link fields."""
    return links(chip).index((node, port))


def times_of(activity: Activity) -> dict[str, np.ndarray]:
    """Columns of the packet log by name."""
    assert activity.packets is not None
    return dict(zip(PACKET_FIELDS, activity.packets.T, strict=True))
