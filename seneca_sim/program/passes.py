"""Programs in passes: parts that a small chip runs one after another, their weights loaded before.

The tables of a program in passes are those of its parts, one behind the other; `Pass` says how many
rows belong to each. Cores, and addresses in their memories, are used again by every part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from seneca_sim.program.ir import (
    HOST_STAGE,
    NO_REGION,
    NO_ROUTE,
    Consumer,
    Pass,
    Program,
    Region,
    Route,
    Stage,
    Step,
)

if TYPE_CHECKING:
    from seneca_sim.chip import Chip

TABLES = ("sites", "core_sets", "routes", "consumers", "stages", "regions")
FIXED = ("padding", "inverse", "inverse_root", "lowest", "shares", "threshold")
"""Contents of regions that the controller writes itself."""


@dataclass(frozen=True)
class Load:
    """What loading a part takes.

    Attributes:
        items: bits by item that uses them, consumers first, then stages.
        channels: bits by channel of off-core memory.
        cycles: of the channel that has most to bring, its latency included.
    """

    items: dict[int, int]
    channels: dict[int, int]
    cycles: int

    @property
    def bits(self) -> int:
        """All bits."""
        return sum(self.channels.values())


def joined(parts: Sequence[Program], *, ahead: bool = False) -> Program:
    """One program of several parts; each part's layers are numbered behind those before it.

    Args:
        parts: for the same cores and sequences.
        ahead: a part's weights are loaded while the one before it runs.
    """
    first, layer, made = parts[0], 0, []
    at = dict.fromkeys(TABLES, 0)
    for part in parts:
        made.append(_moved(part, at, layer))
        at = {name: at[name] + len(getattr(part, name)) for name in TABLES}
        layer += 1 + max(stage.layer for stage in part.stages)
    tables: dict[str, Any] = {
        name: tuple(row for part in made for row in getattr(part, name)) for name in TABLES
    }
    passes = tuple(Pass(*(len(getattr(part, name)) for name in TABLES)) for part in parts)
    tables |= {"passes": passes, "ahead": ahead}
    return replace(first, **tables)


def parts_of(program: Program) -> tuple[Program, ...]:
    """The parts of a program in passes, each a program of its own; layers keep their numbers."""
    ends = [
        dict(zip(TABLES, sizes, strict=True))
        for sizes in zip(*(accumulate(c) for c in _counts(program)), strict=True)
    ]
    found, start = [], dict.fromkeys(TABLES, 0)
    for end in ends:
        rows: dict[str, Any] = {
            name: getattr(program, name)[start[name] : end[name]] for name in TABLES
        }
        part = replace(program, **(rows | {"passes": (), "ahead": False}))
        found.append(_moved(part, {name: -start[name] for name in TABLES}, 0))
        start = end
    return tuple(found)


def _counts(program: Program) -> list[list[int]]:
    return [[getattr(part, name) for part in program.passes] for name in TABLES]


def load_of(part: Program, chip: Chip) -> Load:
    """Everything of a part that comes from the checkpoint, once."""
    user = _users(part)
    items: dict[int, int] = {}
    channels: dict[int, int] = {}
    for number, region in enumerate(part.regions):
        if is_loaded(region):
            channel = chip.channel(region.core)
            channels[channel] = channels.get(channel, 0) + region.bits
            items[user[number]] = items.get(user[number], 0) + region.bits
    most = max(channels.values(), default=0)
    cycles = -(-most // chip.memory.channel_bits) + chip.memory_latency_cycles
    return Load(items, channels, cycles)


def is_loaded(region: Region) -> bool:
    """Whether a region's content comes from the checkpoint."""
    return bool(region.tensor) and region.tensor.partition(":")[0] not in FIXED


def _users(part: Program) -> dict[int, int]:
    """Region -> the first item that uses it: a consumer with these weights, or a stage."""
    users: dict[int, int] = {}
    for item, consumer in enumerate(part.consumers):
        users.setdefault(consumer.weights, item)
    for item, stage in enumerate(part.stages, len(part.consumers)):
        for step in stage.steps:
            for _, region in step.regions:
                users.setdefault(region, item)
    return users


def _moved(part: Program, by: dict[str, int], layers: int) -> Program:
    """A part whose indices, and layers, are that much higher."""

    def place(region: int) -> int:
        return region if region == NO_REGION else region + by["regions"]

    def route(r: Route) -> Route:
        return replace(
            r, site=r.site + by["sites"], destinations=r.destinations + by["core_sets"],
            stage=r.stage if r.stage == HOST_STAGE else r.stage + by["stages"],
            buffer=place(r.buffer),
            acknowledges=NO_ROUTE if r.acknowledges == NO_ROUTE else r.acknowledges + by["routes"],
        )  # fmt: skip

    def consumer(c: Consumer) -> Consumer:
        site = c.site + by["sites"]
        return replace(c, site=site, weights=place(c.weights), target=place(c.target))

    def step(s: Step) -> Step:
        return replace(s, regions=tuple((name, place(region)) for name, region in s.regions))

    def stage(s: Stage) -> Stage:
        return replace(
            s, layer=s.layer + layers, needs=tuple(n + by["consumers"] for n in s.needs),
            steps=tuple(map(step, s.steps)), emits=tuple(e + by["routes"] for e in s.emits),
        )  # fmt: skip

    return replace(
        part,
        sites=tuple(replace(s, layer=s.layer + layers) for s in part.sites),
        routes=tuple(map(route, part.routes)),
        consumers=tuple(map(consumer, part.consumers)),
        stages=tuple(map(stage, part.stages)),
    )
