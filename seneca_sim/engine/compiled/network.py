"""Ports and buffers of a chip as records, and who leads where (S5, S6, S19)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import EAST, HOST, LOCAL, NORTH, OPPOSITE, SOUTH, WEST
from seneca_sim.cost.timing import serialisation_cycles
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import Ints, Narrow

Flags = NDArray[np.bool_]
STEPS = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, -1), SOUTH: (0, 1)}


class Network:
    """What a run begins with; it copies what changes.

    Attributes:
        ports: [nodes x 6, PORT_SIZE], also for outputs that lead nowhere.
        buffers: [nodes x 6, BUFFER].
        links: rows of `ports` that exist, in the order of `chip.mesh.links`.
        serials: cycles on a link for a packet of 0, 1 … flits; then on one between reticles (S5).
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        node = np.arange(chip.cores, dtype=np.int64)
        self.x, self.y = node % chip.columns, node // chip.columns
        ports = np.zeros((chip.cores, at.DIRECTIONS, at.PORT_SIZE), np.int64)
        buffers = np.zeros((chip.cores, at.DIRECTIONS, at.BUFFER), np.int64)
        exists = np.zeros((chip.cores, at.DIRECTIONS), np.bool_)
        self._fill(ports, buffers, node)
        for port in OPPOSITE:
            self._to_routers(ports, buffers, exists, port)
        self._to_ends(ports, exists, node)
        ports[:, :, at.P_LEAST] = ports[:, :, at.P_ROOM]
        self.ports: Narrow = ports.reshape(-1, at.PORT_SIZE).astype(np.int32)
        self.buffers: Narrow = buffers.reshape(-1, at.BUFFER).astype(np.int32)
        self.links: Ints = np.flatnonzero(exists)
        noc = chip.noc
        self.serials = np.array(
            [
                serialisation_cycles(flits, noc.flit_bits, bits)
                for bits in (noc.link_bits, chip.boundary.link_bits)
                for flits in range(noc.packet_flits + 1)
            ],
            np.int64,
        )

    def _fill(self, ports: Ints, buffers: Ints, node: Ints) -> None:
        ports[:, :, at.P_SIDE] = np.arange(at.DIRECTIONS)
        ports[:, :, at.P_RING] = at.NONE
        buffers[:, :, at.B_HEAD] = buffers[:, :, at.B_TAIL] = at.NONE
        buffers[:, :, at.B_PORTS] = (node * at.DIRECTIONS * at.PORT_SIZE)[:, None]
        buffers[:, :, at.B_BIT] = 1 << np.arange(at.DIRECTIONS)
        buffers[:, :, at.B_UPSTREAM] = at.FROM_CORE
        buffers[self.chip.host_node, HOST, at.B_UPSTREAM] = at.FROM_HOST

    def _to_routers(self, ports: Ints, buffers: Ints, exists: Flags, port: int) -> None:
        chip, noc = self.chip, self.chip.noc
        dx, dy = STEPS[port]
        x, y = self.x + dx, self.y + dy
        if noc.topology == "torus":
            there = np.full(chip.cores, chip.columns > 1 if dx else chip.rows > 1)
            x, y = x % chip.columns, y % chip.rows
        else:
            there = (x >= 0) & (x < chip.columns) & (y >= 0) & (y < chip.rows)
        node = np.flatnonzero(there)
        x, y = x[node], y[node]
        target, side = y * chip.columns + x, OPPOSITE[port]
        exists[node, port] = True
        between = self._tiles(self.x[node], self.y[node]) != self._tiles(x, y)
        ports[node, port, at.P_SINK] = (target * at.DIRECTIONS + side) * at.BUFFER
        ports[node, port, at.P_ROOM] = noc.buffer_flits
        ports[node, port, at.P_BETWEEN] = between
        buffers[target, side, at.B_UPSTREAM] = (node * at.DIRECTIONS + port) * at.PORT_SIZE
        if noc.topology == "torus":
            ports[node, port, at.P_SLOT], ports[node, port, at.P_RING] = noc.packet_flits, side
            buffers[target, side, at.B_SLOT] = noc.packet_flits

    def _tiles(self, x: Ints, y: Ints) -> Ints:
        wide, high = self.chip.boundary.tile_columns, self.chip.boundary.tile_rows
        tiles: Ints = (x // wide if wide else 0 * x) + self.chip.cores * (
            y // high if high else 0 * y
        )
        return tiles

    def _to_ends(self, ports: Ints, exists: Flags, node: Ints) -> None:
        chip = self.chip
        exists[:, LOCAL] = exists[chip.host_node, HOST] = True
        ports[:, LOCAL, at.P_SINK] = node * at.CORE
        ports[:, LOCAL, at.P_ROOM] = chip.core.input_queue_flits
        ports[:, HOST, at.P_ROOM] = chip.host.queue_flits


@lru_cache(maxsize=8)
def network_of(chip: Chip) -> Network:
    """Laid out once for a chip."""
    return Network(chip)


def channel_count(chip: Chip) -> int:
    """Channels of off-core memory."""
    return chip.channel(chip.cores - 1) + 1 if chip.memory.kind != "none" else 0
