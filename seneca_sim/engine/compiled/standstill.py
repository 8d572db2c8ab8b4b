"""A deadlocked run in the terms of the reference, which names the waiting parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import HOST, LOCAL
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.network import network_of
from seneca_sim.engine.compiled.trees import PORT_BITS
from seneca_sim.program import Program

Ints = NDArray[np.int64]


def waiting_text(chip: Chip, program: Program, machine: Machine) -> str:
    """What the reference says of the same standstill."""
    from seneca_sim.engine.reference.waiting import waiting_parts  # loads SimPy, needed only here

    view: Any = _View(chip, program, machine)
    return waiting_parts(view)


class _View:
    """As much of the reference's `Machine` as `waiting_parts` looks at."""

    def __init__(self, chip: Chip, program: Program, machine: Machine) -> None:
        self.chip, self.program, self.machine = chip, program, machine
        self.links = set(network_of(chip).links.tolist())
        self.buffers = {}
        for node in range(chip.cores):
            for index in range(at.DIRECTIONS):
                buffer = self._buffer(node, index)
                if buffer.packets or index == LOCAL or (node, index) == (chip.host_node, HOST):
                    self.buffers[node, index] = buffer
        self.controllers = [self._controller(core) for core in range(chip.cores)]

    def _list(self, head: int) -> list[int]:
        found = []
        while head != at.NONE:
            found.append(head)
            head = int(self.machine.nodes[head + at.NEXT])
        return found

    def _buffer(self, node: int, index: int) -> SimpleNamespace:
        machine = self.machine
        record = (node * at.DIRECTIONS + index) * at.BUFFER
        packets = [
            SimpleNamespace(tree={node: self._ports(int(machine.nodes[n + at.POSITION]))})
            for n in self._list(int(machine.buffers[record + at.B_HEAD]))
        ]
        outputs = {}
        for port in range(at.DIRECTIONS):
            number = node * at.DIRECTIONS + port
            if number in self.links:
                record = number * at.PORT_SIZE
                requests = int(machine.ports[record + at.P_REQUESTS])
                asking = {i for i in range(at.DIRECTIONS) if requests >> i & 1}
                outputs[port] = SimpleNamespace(requests=asking)
        return SimpleNamespace(packets=packets, outputs=outputs)

    def _ports(self, position: int) -> tuple[int, ...]:
        mask = int(self.machine.places[position])
        return tuple(port for port in range(PORT_BITS) if mask >> port & 1)

    def _controller(self, core: int) -> SimpleNamespace:
        record = self.machine.cores[core * at.CORE : (core + 1) * at.CORE]
        output = [
            self._packet(int(self.machine.nodes[n + at.PACKET]))
            for n in self._list(int(record[at.C_OUT_HEAD]))
        ]
        return SimpleNamespace(
            core=core,
            inputs=SimpleNamespace(packets=self._list(int(record[at.C_IN_HEAD]))),
            generator=SimpleNamespace(output=output),
            vectors=self._vectors(core),
        )

    def _packet(self, record: int) -> SimpleNamespace:
        packets = self.machine.packets
        route = int(packets[record + at.K_ROUTE]) // at.ROUTE
        return SimpleNamespace(route=route, token=int(packets[record + at.K_TOKEN]))

    def _vectors(self, core: int) -> dict[tuple[int, int], SimpleNamespace]:
        count = max(1, len(self.program.consumers))
        table = self.machine.vectors.reshape(count, -1, at.VECTOR)
        found = {}
        for item, consumer in enumerate(self.program.consumers):
            for token, _, ends, _ in table[item].tolist() if consumer.core == core else ():
                if token != at.NONE:
                    found[item, token] = SimpleNamespace(ends=ends)
        return found
