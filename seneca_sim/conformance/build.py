"""Small chips and programs by hand: what scenarios, and the engine's own tests, are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import load_kernel
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
from seneca_sim.program.ir import SiteKind
from seneca_sim.program.verify import verify

_KERNELS = files("seneca_sim.conformance").joinpath("kernels")
APPLY, FIRE = (str(_KERNELS.joinpath(f"{name}.npe")) for name in ("apply", "fire"))
"""Kernels with costs that nobody will change: g cycles a row for a group of g, 2 cycles a row."""
SHARED_BASE = 2**30
"""Where the addresses of shared memory begin."""


def make_chip(columns: int = 1, rows: int = 1, **values: Any) -> Chip:
    """The default chip, of another size.

    `values` are fields of controller, core, noc, host (``hop_cycles=1``) or of the chip itself
    (``memory=MemorySpec(…)``).
    """
    chip = Chip("test", columns, rows)
    parts: dict[str, Any] = {"core": chip.core, "noc": chip.noc, "host": chip.host, "chip": chip}
    parts["controller"] = chip.core.controller
    names = ("controller", "core", "noc", "host", "chip")
    changes: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in values.items():
        changes[next(n for n in names if hasattr(parts[n], key))][key] = value
    controller = replace(chip.core.controller, **changes["controller"])
    return replace(
        chip,
        core=replace(chip.core, controller=controller, **changes["core"]),
        noc=replace(chip.noc, **changes["noc"]),
        host=replace(chip.host, **changes["host"]),
        **changes["chip"],
    )


class Builder:
    """Collects the tables of a program; methods return indices.

    `group` and `fire` are the micro-kernels that consumers with weights and stages run.
    """

    def __init__(self, chip: Chip, group: str = APPLY, fire: str = FIRE) -> None:
        self.chip, self.group, self.fire = chip, group, fire
        self.sites: list[Site] = []
        self.routes: list[Route] = []
        self.consumers: list[Consumer] = []
        self.stages: list[Stage] = []
        self.regions: list[Region] = []
        self.core_sets: dict[tuple[int, ...], int] = {}
        self.used, self.used_shared = [0] * chip.cores, [0] * chip.cores

    @property
    def host(self) -> int:
        """The host's endpoint id."""
        return self.chip.cores

    def site(self, name: str, width: int = 8, kind: SiteKind = "events", layer: int = 0) -> int:
        """A vector that travels."""
        self.sites.append(Site(name, layer, width, kind))
        return len(self.sites) - 1

    def region(
        self, core: int, name: str, rows: int, columns: int = 1, *, shared: bool = False
    ) -> int:
        """`columns` lines of `rows` 16-bit words in a core's memory, or for it in shared memory."""
        line = self.chip.core.line_bits
        stride = -(-max(1, rows) * 16 // line) * line
        used = self.used_shared if shared else self.used
        address = used[core] + (SHARED_BASE if shared else 0)
        self.regions.append(
            Region(core, name, address, rows, columns, 16, stride, low=0, high=rows, shared=shared)
        )
        used[core] += columns * stride
        return len(self.regions) - 1

    def stored(self, core: int, site: int) -> int:
        """A consumer without a micro-kernel: a stored vector, or the host's answer."""
        target = NO_REGION
        if core != self.host:
            target = self.region(core, f"in:{self.sites[site].name}", self.sites[site].width)
        self.consumers.append(Consumer(core, site, "", 0, 0, NO_REGION, target))
        return len(self.consumers) - 1

    def weighted(self, core: int, site: int, neurons: int = 8, *, shared: bool = False) -> int:
        """A consumer that applies groups of events to `neurons` rows of 16-bit weights."""
        name, width = self.sites[site].name, self.sites[site].width
        weights = self.region(core, f"weight:{name}", neurons, width, shared=shared)
        target = self.region(core, f"acc:{name}", neurons)
        rows = load_kernel(self.group, self.chip.core.npes).rows_for(neurons)
        self.consumers.append(Consumer(core, site, self.group, rows, neurons, weights, target))
        return len(self.consumers) - 1

    def stage(
        self,
        core: int,
        needs: Iterable[int],
        *steps: tuple[str, int],
        name: str = "",
        layer: int = 0,
    ) -> int:
        """A stage; `steps` are (kernel, rows), by default one row of the firing kernel."""
        made = tuple(Step(kernel, rows) for kernel, rows in steps or ((self.fire, 1),))
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
