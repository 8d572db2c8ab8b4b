"""Random chips and layered programs that keep every rule of a program.

A layer is a set of cores. Its entry is multicast to all of them; random levels follow, with random
senders and receivers; at last every core's final stage waits for all of its own stages and
acknowledges the entry. So a token that enters finds all of the layer's cores done with the token
`window` before it (S14), and no output buffer can wait for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
from builders import Builder, make_chip

from seneca_sim.chip import Chip
from seneca_sim.program import HOST_STAGE, EventStream, Program

KERNELS = ("send_dense", "send_acc", "residual_add", "relu2_fire", "gate_residual")


class Case(NamedTuple):
    """What `simulate` takes."""

    chip: Chip
    program: Program
    stream: EventStream
    mode: str


def random_chip(rnd: Random) -> Chip:
    """1 x 1 to 4 x 4 cores; queues that hold one packet or little more, or plenty."""
    columns, rows = rnd.randint(1, 4), rnd.randint(1, 4)
    header, event, events = rnd.randint(1, 2), rnd.randint(1, 2), rnd.choice((1, 3, 16))
    packet = header + event * events

    def room() -> int:
        return packet + rnd.choice((0, 0, 1, packet, 60))

    return make_chip(
        columns, rows, x=rnd.randrange(columns), y=rnd.randrange(rows),
        hop_cycles=rnd.randint(1, 3), link_bits=rnd.choice((16, 32, 48, 128)),
        header_flits=header, event_flits=event, packet_events=events, buffer_flits=room(),
        input_queue_flits=room(), output_queue_flits=room(), queue_flits=room(),
        npes=rnd.choice((4, 8)), group_size=rnd.choice((1, 2, 5, 16)), task_fifo=rnd.randint(1, 4),
        task_setup_cycles=rnd.choice((0, 4)), events_per_cycle=rnd.choice((1, 3)),
        window=rnd.randint(1, 3), packet_in_instructions=rnd.choice((1, 20)),
        event_in_instructions=rnd.choice((0, 1, 10)), task_instructions=rnd.choice((0, 6)),
        packet_out_instructions=rnd.choice((1, 20)), event_out_instructions=rnd.choice((0, 2)),
        cycles_per_instruction=rnd.choice((1, 1, 2)),
    )  # fmt: skip


def random_case(rnd: Random, chip: Chip | None = None) -> Case:
    """A chip, a program on it, and events for one to four tokens."""
    chip = chip or random_chip(rnd)
    program = random_program(rnd, chip)
    tokens = rnd.randint(1, 4)
    rows = [_events(rnd, program, route, tokens) for route in range(len(program.routes))]
    mode = rnd.choice(("generation", "pipelined"))
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
                else self.b.weighted(core, site, self.rnd.choice((1, 8, 30)))
                for site in sites
            ]
            steps = [
                (self.rnd.choice(KERNELS), self.rnd.choice((0, 1, 5)))
                for _ in range(self.rnd.randint(1, 2))
            ]
            made[core] = self.b.stage(core, needs, *steps)
        return made

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
