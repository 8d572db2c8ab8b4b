"""Which unit bounds a run, and why, in one sentence.

In generation of a single sequence one layer works at a time. Its *active* cycles run, token by
token, from the last stage of the layer before it to its own last stage; the last layer's run to the
token's answer. Within them, the layer's busiest core says how busy NPEs and controllers are, and
the busiest link into the layer how busy the NoC is. Layers are averaged by their active cycles.
Where tokens overlap (pipelined, or several sequences) the whole run is one such stretch of the
whole chip.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from seneca_sim.chip import Chip
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import Activity, one_by_one
from seneca_sim.program import EventStream, Program
from seneca_sim.results.pieces import Piece
from seneca_sim.results.spans import active_cycles
from seneca_sim.results.together import share_together
from seneca_sim.results.traffic import link_loads

_INSTRUCTION = OP_INDEX["ctrl.instruction"]
WELL_USED = 0.5
"""A unit that is busy for less than this share of the time bounds nothing."""


@dataclass(frozen=True)
class Stretch:
    """A layer at work (or the whole chip): active cycles, and busy ones of its busiest parts."""

    layer: int
    cores: int
    active: int
    npe: int
    controller: int
    blocked: int
    starved: int
    link: int


@dataclass(frozen=True)
class Bottleneck:
    """Busy shares of the time, averaged over the stretches, and what bounds the run.

    Attributes:
        unit: "npe", "controller", "link", "memory", "loading", or "hand-over" where no unit is
            well used.
        npe: share in which the busiest core's NPEs work.
        controller: the same of the busiest controller.
        blocked: share in which the most hindered controller waits for the task FIFO.
        starved: share in which the most starved NPEs wait for weights from off-core memory.
        link: share in which the busiest link carries flits.
        waiting_cores: share of the chip's cores that are not in the layer at work.
        stretches: what was averaged.
        loading: share in which the chip waits for the weights of a pass.
        together: share of the tokens' time in which another one is in the same layer; 0 where that
            cannot be, or where a layer has room for one token only.
    """

    unit: str
    npe: float
    controller: float
    blocked: float
    starved: float
    link: float
    waiting_cores: float
    stretches: tuple[Stretch, ...]
    loading: float = 0.0
    together: float = 0.0

    @property
    def hint(self) -> str:
        """What would help where tokens hold each other up and no unit is well used; else empty."""
        if self.unit != "hand-over" or self.together < WELL_USED:
            return ""
        return (
            f"Tokens travel together: they share a layer {_percent(self.together)} of their time; "
            "try core.window=1."
        )

    @property
    def sentence(self) -> str:
        """Which unit bounds the run and why, in one sentence."""
        used = (
            f"NPEs busy {_percent(self.npe)}, controllers {_percent(self.controller)}, "
            f"busiest link {_percent(self.link)}"
        )
        if self.starved:
            used += f", NPEs waiting for weights {_percent(self.starved)}"
        if self.loading:
            used += f", all waiting for the next pass's weights {_percent(self.loading)}"
        one = len(self.stretches) > 1
        where = "of the time in the layer at work" if one else "of the time"
        return f"{_VERDICT[self.unit]} ({used} {where}){self._parallel()}."

    def _parallel(self) -> str:
        layers = len(self.stretches)
        cores = f"{_percent(self.waiting_cores)} of the cores"
        if layers > 1:
            return f"; 1 layer of {layers} works at a time, so {cores} wait"
        return f"; {cores} hold no part of the program" if self.waiting_cores >= 0.005 else ""


_VERDICT = {
    "npe": "The NPEs bound the run",
    "controller": "The controllers bound the run",
    "link": "A link of the NoC bounds the run",
    "memory": "The off-core memory bounds the run",
    "loading": "Loading the weights of passes bounds the run",
    "hand-over": "No unit bounds the run, hand-overs from stage to stage do",
}


def bottleneck_of(
    chip: Chip,
    program: Program,
    stream: EventStream,
    activity: Activity,
    pieces: tuple[Piece, ...],
    mode: str,
) -> Bottleneck:
    """Find what bounds a run."""
    if one_by_one(mode, program) and not program.passes:
        stretches = _by_layer(chip, program, stream, activity, pieces)
    else:
        stretches = (_whole(program, activity),)
    active = max(1, sum(s.active for s in stretches))
    shares = {
        "npe": sum(s.npe for s in stretches) / active,
        "controller": sum(s.controller for s in stretches) / active,
        "link": sum(s.link for s in stretches) / active,
        "memory": sum(s.starved for s in stretches) / active,
        "loading": activity.loading / active if program.passes else 0.0,
    }
    unit = max(shares, key=lambda name: shares[name])
    return Bottleneck(
        unit if shares[unit] >= WELL_USED else "hand-over",
        shares["npe"],
        shares["controller"],
        sum(s.blocked for s in stretches) / active,
        shares["memory"],
        shares["link"],
        1 - sum(s.cores * s.active for s in stretches) / (active * chip.cores),
        stretches,
        shares["loading"],
        _together(chip, program, activity, mode),
    )


def _together(chip: Chip, program: Program, activity: Activity, mode: str) -> float:
    if one_by_one(mode, program) or program.passes or chip.core.window == 1:
        return 0.0
    return share_together(program, activity)


def _whole(program: Program, activity: Activity) -> Stretch:
    cores = {c.core for c in program.consumers if c.core != program.host}
    return Stretch(
        layer=0,
        cores=len(cores),
        active=activity.cycles,
        npe=int(activity.npe_busy.max()),
        controller=int(activity.controller_busy.max()),
        blocked=int(activity.controller_blocked.max()),
        starved=int(activity.npe_starved.max()),
        link=int(activity.link_busy.max()),
    )


def _by_layer(
    chip: Chip,
    program: Program,
    stream: EventStream,
    activity: Activity,
    pieces: tuple[Piece, ...],
) -> tuple[Stretch, ...]:
    npe, controller = _busy(chip, program, pieces)
    active = active_cycles(program, activity)
    into = link_loads(chip, program, stream)[1]
    in_all: dict[int, int] = defaultdict(int)
    for (_, core), cycles in controller.items():
        in_all[core] += cycles
    stretches = []
    for layer, cycles in active.items():
        here = {core for place, core in npe if place == layer}
        blocked = [
            int(activity.controller_blocked[core]) * controller[layer, core] // in_all[core]
            for core in sorted(here)
            if in_all[core]
        ]
        stretches.append(
            Stretch(
                layer=layer,
                cores=len(here),
                active=cycles,
                npe=max((npe[layer, core] for core in here), default=0),
                controller=max((controller[layer, core] for core in here), default=0),
                blocked=max(blocked, default=0),
                starved=max((int(activity.npe_starved[core]) for core in here), default=0),
                link=int(into[layer].max(initial=0)),
            )
        )
    return tuple(stretches)


def _busy(
    chip: Chip, program: Program, pieces: tuple[Piece, ...]
) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Busy cycles of NPEs and controller by (layer, core)."""
    npe: dict[tuple[int, int], int] = defaultdict(int)
    controller: dict[tuple[int, int], int] = defaultdict(int)
    per_instruction = chip.core.controller.cycles_per_instruction
    for piece in pieces:
        if piece.core != program.host:
            place = piece.layer, piece.core
            npe[place] += piece.npe_cycles
            controller[place] += int(piece.counts[_INSTRUCTION]) * per_instruction
    return npe, controller


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
