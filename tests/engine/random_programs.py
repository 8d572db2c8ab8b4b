"""Random chips and layered programs that keep every rule of a program.

A layer is a set of cores. Its entry is multicast to all of them; random levels follow, with random
senders and receivers; at last every core's final stage waits for all of its own stages and
acknowledges the entry. So a token that enters finds all of the layer's cores done with the token
`window` before it (S14), and no output buffer can wait for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
from builders import Builder, make_chip

from seneca_sim.chip import Chip
from seneca_sim.chip.spec import BoundarySpec, MemorySpec
from seneca_sim.program import HOST_STAGE, EventStream, Program

KERNELS = ("send_dense", "send_acc", "residual_add", "relu2_fire", "gate_residual")


class Case(NamedTuple):
    """What `simulate` takes."""

    chip: Chip
    program: Program
    stream: EventStream
    mode: str


def random_chip(rnd: Random) -> Chip:
    """1 x 1 to 4 x 4 cores; queues that hold one packet or little more, or plenty; all options."""
    columns, rows = rnd.randint(1, 4), rnd.randint(1, 4)
    header, event, events = rnd.randint(1, 2), rnd.randint(1, 2), rnd.choice((1, 3, 16))
    packet = header + event * events
    torus = rnd.random() < 0.35

    def room() -> int:
        return packet + rnd.choice((0, 0, 1, packet, 60))

    return make_chip(
        columns, rows, x=rnd.randrange(columns), y=rnd.randrange(rows),
        hop_cycles=rnd.randint(1, 3), link_bits=rnd.choice((16, 32, 48, 128)),
        header_flits=header, event_flits=event, packet_events=events,
        buffer_flits=room() + torus * packet, topology="torus" if torus else "mesh",
        multicast=rnd.choice(("tree", "tree", "unicast")),
        arbitration=rnd.choice(("round-robin", "round-robin", "fixed-priority")),
        completion=rnd.choice(("end-flag", "announce")), boundary=random_boundary(rnd),
        memory=random_memory(rnd), gating=rnd.choice(("clock", "none", "power")),
        input_queue_flits=room(), output_queue_flits=room(), queue_flits=room(),
        npes=rnd.choice((4, 8)), group_size=rnd.choice((1, 2, 5, 16)), task_fifo=rnd.randint(1, 4),
        task_setup_cycles=rnd.choice((0, 4)), events_per_cycle=rnd.choice((1, 3)),
        window=rnd.randint(1, 3), packet_in_instructions=rnd.choice((1, 20)),
        event_in_instructions=rnd.choice((0, 1, 10)), task_instructions=rnd.choice((0, 6)),
        packet_out_instructions=rnd.choice((1, 20)), event_out_instructions=rnd.choice((0, 2)),
        cycles_per_instruction=rnd.choice((1, 1, 2)),
    )  # fmt: skip


def random_boundary(rnd: Random) -> BoundarySpec:
    """Every column or two, every row or two, or nowhere."""
    if rnd.random() < 0.6:
        return BoundarySpec()
    return BoundarySpec(
        tile_columns=rnd.randint(0, 2), tile_rows=rnd.randint(0, 2),
        link_bits=rnd.choice((8, 16)), hop_cycles=rnd.choice((1, 5, 20)),
    )  # fmt: skip


def random_memory(rnd: Random) -> MemorySpec:
    """None, or one with a latency of 0 to 100 cycles, for 1 to 4 cores a channel."""
    if rnd.random() < 0.5:
        return MemorySpec()
    return MemorySpec(
        kind=rnd.choice(("hbm", "stt-mram", "lpddr")), channel_bits=rnd.choice((16, 64, 250)),
        latency_ps=rnd.choice((0, rnd.randint(1, 20_000), rnd.randint(1, 200_000))),
        burst_bits=rnd.choice((40, 128, 256)), cores_per_channel=rnd.randint(1, 4),
        prefetch=rnd.randint(1, 3),
    )  # fmt: skip


def random_case(rnd: Random, chip: Chip | None = None) -> Case:
    """A chip, a program on it, and events for one to four tokens."""
    chip = chip or random_chip(rnd)
    program = random_program(rnd, chip)
    tokens = rnd.randint(1, 4)
    rows = [_events(rnd, program, route, tokens) for route in range(len(program.routes))]
    mode = rnd.choice(("generation", "pipelined"))
    program = replace(program, sequences=rnd.choice((1, 1, 2, 3)))
    return Case(chip, program, EventStream(np.array(rows, np.int64)), mode)


def _events(rnd: Random, program: Program, route: int, tokens: int) -> list[int]:
    width = program.routes[route].high - program.routes[route].low
    if program.sites[program.routes[route].site].kind == "dense":
        return [width] * tokens
    return [rnd.choice((0, width, rnd.randint(0, width))) for _ in range(tokens)]


def random_program(rnd: Random, chip: Chip) -> Program:
    """One or two layers on cores of their own."""
    b = _Layers(rnd, Builder(chip))
    cores = rnd.sample(range(chip.cores), min(chip.cores, rnd.randint(1, 8)))
    cut = rnd.randint(1, len(cores) - 1) if len(cores) > 1 and rnd.random() < 0.6 else len(cores)
    senders = [HOST_STAGE] * rnd.randint(1, 2)
    for index, part in enumerate((cores[:cut], cores[cut:])):
        if part:
            senders = b.layer(index, sorted(part), senders)
    b.answer(senders)
    return b.b.build()


@dataclass
class _Layers:
    rnd: Random
    b: Builder

    def layer(self, index: int, cores: list[int], senders: list[int]) -> list[int]:
        """Build one; returns its final stages."""
        entry = self.site(f"{index}.entry")
        stages = self.stages(cores, [entry])
        routes = self.send(entry, senders, cores, window=True)
        own = {core: [stage] for core, stage in stages.items()}
        for level in range(self.rnd.randint(0, 2)):
            stages = self.level(f"{index}.{level}", cores, stages)
            for core, stage in stages.items():
                own[core].append(stage)
        final = self.join(index, own)
        for route in routes:
            self.b.credits(route, [final[core] for core in cores])
        return list(final.values())

    def level(self, name: str, cores: list[int], before: dict[int, int]) -> dict[int, int]:
        """Random sites from random stages of the level before to random cores."""
        plans = []
        needed: dict[int, list[int]] = {}
        for number in range(self.rnd.randint(1, 2)):
            site, targets = self.site(f"{name}.{number}"), self.some(cores)
            plans.append((site, self.some(list(before.values())), targets))
            for core in targets:
                needed.setdefault(core, []).append(site)
        stages = {core: self.stages([core], sites)[core] for core, sites in needed.items()}
        for site, senders, targets in plans:
            self.send(site, senders, targets)
        return stages

    def join(self, index: int, own: dict[int, list[int]]) -> dict[int, int]:
        """Every core's stages report to its own final stage."""
        final = {}
        for core, stages in own.items():
            sites = [self.site(f"{index}.done.{core}.{s}") for s in stages]
            final[core] = self.stages([core], sites)[core]
            for site, stage in zip(sites, stages, strict=True):
                self.send(site, [stage], [core])
        return final

    def answer(self, senders: list[int]) -> None:
        """Some final stages answer to the host."""
        site = self.site("answer")
        self.b.stored(self.b.host, site)
        self.send(site, self.some(senders), [self.b.host])

    def site(self, name: str) -> int:
        kind = self.rnd.choice(("events", "events", "dense"))
        return self.b.site(name, self.rnd.choice((1, 2, 7, 16, 40)), kind)

    def some(self, what: Sequence[int]) -> list[int]:
        return self.rnd.sample(list(what), self.rnd.randint(1, len(what)))

    def stages(self, cores: list[int], sites: list[int]) -> dict[int, int]:
        """A stage on each core that needs all of `sites`, stored or weighted."""
        made = {}
        for core in cores:
            needs = [
                self.b.stored(core, site)
                if self.rnd.random() < 0.4
                else self.b.weighted(core, site, self.rnd.choice((1, 8, 30)), shared=self.shared())
                for site in sites
            ]
            steps = [
                (self.rnd.choice(KERNELS), self.rnd.choice((0, 1, 5)))
                for _ in range(self.rnd.randint(1, 2))
            ]
            made[core] = self.b.stage(core, needs, *steps)
        return made

    def shared(self) -> bool:
        return self.b.chip.memory.kind != "none" and self.rnd.random() < 0.6

    def send(
        self, site: int, senders: list[int], targets: list[int], *, window: bool = False
    ) -> list[int]:
        """Share a site's channels out over its senders; a share may be empty."""
        width = self.b.sites[site].width
        cuts = sorted(self.rnd.randint(0, width) for _ in senders[1:])
        shares = pairwise((0, *cuts, width))
        return [
            self.b.route(site, stage, targets, low, high, window=window)
            for stage, (low, high) in zip(senders, shares, strict=True)
        ]


RINGS = ((4, 1), (5, 1), (6, 1), (8, 1), (1, 6), (4, 4), (5, 3), (6, 2), (3, 7))


def random_flood(rnd: Random) -> Case:
    """A torus with the smallest buffers, in which everybody sends to many others at once (S19)."""
    columns, rows = rnd.choice(RINGS)
    events = rnd.choice((1, 2, 5))
    packet = 1 + events
    chip = make_chip(
        columns, rows, x=rnd.randrange(columns), y=rnd.randrange(rows), topology="torus",
        packet_events=events, buffer_flits=2 * packet + rnd.choice((0, 0, 1, packet)),
        input_queue_flits=packet, output_queue_flits=packet, queue_flits=packet,
        multicast=rnd.choice(("tree", "tree", "tree", "unicast")),
        arbitration=rnd.choice(("round-robin", "fixed-priority")),
        completion=rnd.choice(("end-flag", "announce")), boundary=random_boundary(rnd),
        hop_cycles=rnd.randint(1, 3), window=rnd.randint(1, 3), task_fifo=1,
        packet_in_instructions=rnd.choice((1, 1, 9)), event_in_instructions=rnd.choice((0, 1)),
        packet_out_instructions=1, task_instructions=0, task_setup_cycles=0,
    )  # fmt: skip
    program = _flood(rnd, chip)
    tokens = rnd.randint(2, 4)
    widths = [r.high - r.low for r in program.routes]
    return Case(
        chip, program, EventStream(np.array([[w] * tokens for w in widths], np.int64)), "pipelined"
    )


def _flood(rnd: Random, chip: Chip) -> Program:
    layers = _Layers(rnd, Builder(chip))
    b, cores = layers.b, list(range(chip.cores))
    entry, answer = b.site("entry", 4), b.site("answer", 1)
    first = {core: b.stage(core, [b.stored(core, entry)], ("send_dense", 1)) for core in cores}
    way_in = b.route(entry, HOST_STAGE, cores, window=True)
    needed: dict[int, list[int]] = {core: [] for core in cores}
    for core in cores:
        site = b.site(f"from{core}", rnd.choice((2, 6, 20)))
        targets = sorted({core, *layers.some(cores)}) if rnd.random() < 0.7 else cores
        b.route(site, first[core], targets)
        for target in targets:
            needed[target].append(b.stored(target, site))
    last = [b.stage(core, needed[core], ("send_dense", 1)) for core in cores]
    b.stored(b.host, answer)
    b.route(answer, last[0], [b.host])
    b.credits(way_in, last)
    return b.build()
