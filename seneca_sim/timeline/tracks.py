"""The tracks of a timeline: which there can be, their ids, their names and their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import HOST, LOCAL, PORT_NAMES, links
from seneca_sim.engine.activity import Ints

SPACING = 32
"""Ids between a process and the next: room for its tracks."""

(
    CONTROLLER, NPES, GENERATOR, NOC_IN, NOC_OUT, INPUT_QUEUE, TASK_FIFO, OUTPUT_BUFFER,
    OUTPUT_QUEUE,
) = range(1, 10)  # fmt: skip
FIRST_PORT = 16  # NOC_OUT's own tracks, by port
_NAMES = {
    CONTROLLER: "controller",
    NPES: "NPEs",
    GENERATOR: "event generator",
    NOC_IN: "NoC in",
    NOC_OUT: "NoC out",
    INPUT_QUEUE: "input queue",
    TASK_FIFO: "task FIFO",
    OUTPUT_BUFFER: "output buffer",
    OUTPUT_QUEUE: "output queue",
}
_UNITS = {INPUT_QUEUE: "flits", TASK_FIFO: "tasks", OUTPUT_BUFFER: "packets", OUTPUT_QUEUE: "flits"}
HOST_OUT, HOST_IN = 1, 2


@dataclass(frozen=True)
class Track:
    """A track as Perfetto knows it.

    Attributes:
        uuid: its id.
        parent: the id of the track that it belongs to; 0 for a process.
        name: what the UI calls it.
        rank: place among those of the same parent.
        unit: of a counter; empty for a track of slices.
    """

    uuid: int
    parent: int
    name: str
    rank: int
    unit: str = ""


class Tracks:
    """Ids of tracks: cores first, then the host, the chip, and off-core memory."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.host = self.process(chip.cores)
        self.whole = self.process(chip.cores + 1)
        self.memory = self.process(chip.cores + 2)
        edges = np.array(links(chip), np.int64)
        self.link_node = edges[:, 0]
        inside = edges[:, 1] == LOCAL
        offset = np.where(inside, NOC_IN, FIRST_PORT + edges[:, 1])
        self.of_link: Ints = self.of(edges[:, 0], 0) + offset

    @staticmethod
    def process(number: int) -> int:
        """Id of the process of a core, or of one behind the last core."""
        return (number + 1) * SPACING

    @staticmethod
    def of(cores: Ints, which: int) -> Ints:
        """Ids of one track of several cores."""
        return (cores + 1) * SPACING + which

    def used(self, uuids: Iterable[int], power: Iterable[str]) -> list[Track]:
        """The tracks with these ids and those that they belong to, parents first.

        Args:
            uuids: ids of tracks with events.
            power: names of the power counters, in the order of their ids.
        """
        found: dict[int, Track] = {}
        for uuid in sorted(set(uuids)):
            for track in self._line(uuid, tuple(power)):
                found.setdefault(track.uuid, track)
        return list(found.values())

    def _line(self, uuid: int, power: tuple[str, ...]) -> list[Track]:
        """A track and all above it."""
        number, which = divmod(uuid, SPACING)
        number, process = number - 1, uuid - which
        if process >= self.memory:
            channel = uuid - self.memory
            return [
                Track(self.memory, 0, "off-core memory", self.chip.cores + 2),
                Track(uuid, self.memory, f"channel {channel - 1}", channel),
            ]
        if process == self.whole:
            return [
                Track(process, 0, self.chip.name, self.chip.cores + 1),
                Track(uuid, process, power[which - 1], which, "mW"),
            ]
        if process == self.host:
            name = {HOST_OUT: "sends", HOST_IN: "receives"}[which]
            return [Track(process, 0, "host", 0), Track(uuid, process, name, which)]
        return [self._core(number), *self._of_core(process, which)]

    def _core(self, core: int) -> Track:
        x, y = self.chip.position(core)
        return Track(self.process(core), 0, f"core {core} (x {x}, y {y})", core + 1)

    def _of_core(self, process: int, which: int) -> list[Track]:
        if which < FIRST_PORT:
            return [Track(process + which, process, _NAMES[which], which, _UNITS.get(which, ""))]
        port = which - FIRST_PORT
        group = Track(process + NOC_OUT, process, _NAMES[NOC_OUT], NOC_OUT)
        name = f"NoC out {PORT_NAMES[port] if port != HOST else 'to the host'}"
        return [group, Track(process + which, group.uuid, name, port)]


def chosen_cores(chip: Chip, cores: frozenset[int] | None) -> NDArray[np.bool_]:
    """Which cores are shown; one more at the end stands for the host, which always is."""
    if cores is None:
        return np.ones(chip.cores + 1, np.bool_)
    shown = np.zeros(chip.cores + 1, np.bool_)
    shown[[*sorted(cores), chip.cores]] = True
    return shown
