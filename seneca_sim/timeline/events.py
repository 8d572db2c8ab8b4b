"""From the logs of a run to slices with their arrows: what stands on which track, from when on.

A slice that takes no time (the host needs none) becomes an instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.activity import (
    BLOCKED_SLICE,
    CAPTURE_SLICE,
    FETCH_SLICE,
    LINK_SLICE,
    LOAD_SLICE,
    SLICE_FIELDS,
    STARVED_SLICE,
    TASK_SLICE,
    WHOLE_RUN,
    Activity,
    Ints,
)
from seneca_sim.errors import CapacityError, InternalError
from seneca_sim.results.packets import EVERYTHING, Selection, packet_columns
from seneca_sim.results.run import RunResult
from seneca_sim.timeline import loads
from seneca_sim.timeline import tracks as on
from seneca_sim.timeline.tracks import Tracks, chosen_cores

DEFAULT_LIMIT = 2_000_000
"""Slices that a timeline may have: about 150 MB, which the Perfetto UI still opens."""


@dataclass(frozen=True)
class View:
    """What a timeline shows.

    Attributes:
        selection: tokens and cores; of the host, what it exchanges with them.
        cycles: first, and one past the last; what touches them was logged, power is cut to them.
        network: slices of router outputs, most of the slices of a run.
        arrows: from where a packet is sent to where it is taken.
        counters: depths of queues, and power.
        limit: most slices; more are refused.
    """

    selection: Selection = EVERYTHING
    cycles: tuple[int, int] = (WHOLE_RUN.first, WHOLE_RUN.end)
    network: bool = True
    arrows: bool = True
    counters: bool = True
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class Slices:
    """Slices of one kind, as columns; times in cycles, `end` = `start` for instants.

    Attributes:
        track: ids of tracks.
        start: cycle.
        end: cycle.
        name: ids of names.
        notes: name of an annotation -> its number for each slice.
        inner: these lie within slices of another kind on the same track.
        arrow_in: ids of arrows that end here; one for each slice.
        arrows_out: ids of arrows that begin here, [slices, k]; 0 columns for none.
    """

    track: Ints
    start: Ints
    end: Ints
    name: Ints
    notes: Mapping[str, Ints] = field(default_factory=dict)
    inner: bool = False
    arrow_in: Ints | None = None
    arrows_out: Ints | None = None

    def __len__(self) -> int:
        return len(self.track)

    def where(self, chosen: object) -> Slices:
        """Some of the rows."""
        index = np.asarray(chosen)
        return replace(
            self,
            track=self.track[index],
            start=self.start[index],
            end=self.end[index],
            name=self.name[index],
            notes={key: values[index] for key, values in self.notes.items()},
            arrow_in=None if self.arrow_in is None else self.arrow_in[index],
            arrows_out=None if self.arrows_out is None else self.arrows_out[index],
        )


class Names:
    """Names and their ids, from 1 on."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The id of a name, a new one if it has none."""
        return self.ids.setdefault(name, len(self.ids) + 1)

    def table(self, names: list[str]) -> Ints:
        """Ids of a list of names."""
        return np.array([self.of(name) for name in names], np.int64)


def logs_of(activity: Activity) -> tuple[Ints, Ints]:
    """Both logs of a run.

    Raises:
        InternalError: it was run without.
    """
    if activity.packets is None or activity.slices is None:
        raise InternalError("a timeline needs both logs: log_packets and log_slices")
    return activity.packets, activity.slices


def slices_of(result: RunResult, view: View, names: Names) -> list[Slices]:
    """All slices of a run, kind by kind.

    Raises:
        CapacityError: more than the view allows.
    """
    log, _ = logs_of(result.activity)
    columns = packet_columns(result.chip, result.program, log, view.selection)
    units = _unit_rows(result, view)
    shown = chosen_cores(result.chip, view.selection.cores)
    taken = int(np.count_nonzero(shown[columns["destination"]]))
    sent = len(np.unique(columns["packet"][shown[columns["source"]]]))
    _check_limit(taken + sent + len(units), view)
    return [
        *_controllers(result, view, columns, names),
        *_units(result, units, names),
    ]


def _check_limit(count: int, view: View) -> None:
    if count > view.limit:
        network = "" if not view.network else ", --no-network"
        raise CapacityError(
            f"timeline: {count:,} slices, more than the limit of {view.limit:,}; show less with "
            f"--from-cycle, --to-cycle, --tokens, --cores{network}, or raise --limit"
        )


# -- packets: what controllers and the host do -------------------------------------------------


def _controllers(
    result: RunResult, view: View, columns: Mapping[str, Ints], names: Names
) -> list[Slices]:
    chip = result.chip
    shown = chosen_cores(chip, view.selection.cores)
    arrow = np.arange(1, len(columns["packet"]) + 1)
    both = shown[columns["source"]] & shown[columns["destination"]] & view.arrows
    arrow = np.where(both, arrow, 0)
    taken = _taken(result, columns, arrow, names).where(shown[columns["destination"]])
    return [*_by_arrow(taken), *_sent(result, columns, arrow, names, shown)]


def _taken(result: RunResult, columns: Mapping[str, Ints], arrow: Ints, names: Names) -> Slices:
    """Where a packet is taken: a slice of the controller, an instant of the host."""
    host = result.chip.cores
    sites = names.table([f"take {site}" for site in _route_sites(result)])
    at = columns["destination"]
    return Slices(
        np.where(at == host, Tracks.of(at, on.HOST_IN), Tracks.of(at, on.CONTROLLER)),
        columns["started"],
        columns["done"],
        sites[columns["route"]],
        {
            "token": columns["token"],
            "events": columns["events"],
            "from": columns["source"],
            "waited_cycles": columns["destination_queue_cycles"],
            "blocked_cycles": columns["blocked_cycles"],
        },
        arrow_in=arrow,
    )


def _by_arrow(slices: Slices) -> list[Slices]:
    """Those with an arrow, and those without."""
    assert slices.arrow_in is not None
    have = slices.arrow_in > 0
    return [slices.where(have), replace(slices.where(~have), arrow_in=None)]


def _sent(
    result: RunResult,
    columns: Mapping[str, Ints],
    arrow: Ints,
    names: Names,
    shown: NDArray[np.bool_],
) -> list[Slices]:
    """Where a packet is sent, once for all of its destinations; grouped by how many arrows."""
    order = np.lexsort((arrow == 0, columns["packet"]))  # those with an arrow come first
    packet = columns["packet"][order]
    first = np.flatnonzero(np.diff(packet, prepend=-1))
    arrows = np.add.reduceat(arrow[order] > 0, first) if len(first) else first
    row = order[first]
    at = columns["source"][row]
    sites = names.table([f"send {site}" for site in _route_sites(result)])
    slices = Slices(
        np.where(at == result.chip.cores, Tracks.of(at, on.HOST_OUT), Tracks.of(at, on.CONTROLLER)),
        columns["injected"][row] - columns["sending_cycles"][row],
        columns["injected"][row],
        sites[columns["route"][row]],
        {
            "token": columns["token"][row],
            "events": columns["events"][row],
            "waited_cycles": columns["source_queue_cycles"][row],
        },
    )
    found = []
    for many in np.unique(arrows).tolist():
        mine = np.flatnonzero((arrows == many) & shown[at])
        out = arrow[order[first[mine][:, None] + np.arange(many)]]
        found.append(replace(slices.where(mine), arrows_out=out))
    return found


def _route_sites(result: RunResult) -> list[str]:
    return [result.program.sites[route.site].name for route in result.program.routes]


# -- units: NPEs, event generators, links, memory channels -------------------------------------


def _unit_rows(result: RunResult, view: View) -> Ints:
    """The rows of the log of slices that are shown."""
    _, rows = logs_of(result.activity)
    cores = chosen_cores(result.chip, view.selection.cores)
    unit, place = rows[:, 0], rows[:, 1]
    link, channel = unit == LINK_SLICE, (unit == FETCH_SLICE) | (unit == LOAD_SLICE)
    kept = view.selection.tokens(rows[:, SLICE_FIELDS.index("token")])
    kept |= (unit == LOAD_SLICE) & loads.chosen(result, view.selection, rows)
    kept &= ~link if not view.network else True
    core = np.where(link, Tracks(result.chip).link_node[np.where(link, place, 0)], place)
    kept &= channel | cores[np.where(channel, 0, core)]
    found: Ints = rows[kept]
    return found


def _units(result: RunResult, rows: Ints, names: Names) -> list[Slices]:
    routes = names.table(_route_sites(result))
    items = names.table(_item_names(result))
    tracks = Tracks(result.chip)
    blocked, starved = names.of("task FIFO full"), names.of("waits for weights")
    found = []
    for unit, track, name, amount, inner in (
        (BLOCKED_SLICE, on.CONTROLLER, blocked, "", True),
        (TASK_SLICE, on.NPES, items, "events", False),
        (STARVED_SLICE, on.NPES, starved, "", False),
        (CAPTURE_SLICE, on.GENERATOR, routes, "events", False),
        (LINK_SLICE, tracks.of_link, routes, "flits", False),
        (FETCH_SLICE, tracks.memory + 1, items, "bits", False),
        (LOAD_SLICE, tracks.memory + 1, names.table(loads.names(result.program)), "bits", False),
    ):
        mine = dict(zip(SLICE_FIELDS, rows[rows[:, 0] == unit].T, strict=True))
        place = mine["place"]
        notes = {"token": mine["token"]} | ({amount: mine["amount"]} if amount else {})
        if unit == TASK_SLICE:
            notes["waited_cycles"] = mine["start"] - mine["since"]
        if isinstance(track, np.ndarray):
            where = track[place]
        else:
            where = place + track if track > tracks.memory else Tracks.of(place, track)
        label = name[mine["item"]] if isinstance(name, np.ndarray) else np.full(len(place), name)
        found.append(Slices(where, mine["start"], mine["end"], label, notes, inner))
    return found


def _item_names(result: RunResult) -> list[str]:
    """Consumers by their site, stages by their own name."""
    program = result.program
    return [
        *(program.sites[consumer.site].name for consumer in program.consumers),
        *(f"layer {stage.layer} {stage.name}" for stage in program.stages),
    ]
