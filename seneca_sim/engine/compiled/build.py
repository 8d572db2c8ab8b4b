"""The arrays of a run: chip, program and stream as records; what `run` takes, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import HOST, LOCAL, OPPOSITE, crosses_boundary, links, neighbour
from seneca_sim.cost.timing import serialisation_cycles
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.tasks import Tasks
from seneca_sim.engine.compiled.trees import trees_of
from seneca_sim.program import HOST_STAGE, NO_ROUTE, EventStream, Program

Ints = NDArray[np.int64]
DIRECTIONS = 6


@dataclass
class Arrays:
    """Arguments of `loop.run`, in its order."""

    nodes: Ints
    ports: Ints
    buffers: Ints
    cores: Ints
    channels: Ints
    packets: Ints
    places: Ints
    leaves: Ints
    port_at: Ints
    buffer_at: Ints
    ways: Ints
    routes: Ints
    counts: Ints
    emits: Ints
    host_routes: Ints
    consumers: Ints
    stages: Ints
    vectors: Ints
    waits: Ints
    cycles: Ints
    serials: Ints
    items: Ints
    tokens: Ints
    windows: Ints
    wheel: Ints
    heap: Ints
    credits_in: Ints
    answers: Ints
    stage_done: Ints
    dirty: Ints
    asking: Ints
    calling: Ints
    log: Ints
    x: Ints
    z: Ints

    def arguments(self) -> tuple[Ints, ...]:
        """All of them."""
        return tuple(getattr(self, field.name) for field in fields(self))


def zeros(*shape: int) -> Ints:
    """Flat zeros for a table of this shape; one at least, since Numba wants an address."""
    return np.zeros(max(1, int(np.prod(shape))), np.int64)


def table(rows: Sequence[Sequence[int]], width: int) -> Ints:
    """Records of `width` fields from rows that may be shorter."""
    made = np.zeros((max(1, len(rows)), width), np.int64)
    if rows:
        made[: len(rows), : len(rows[0])] = rows
    return made.reshape(-1)


def build(
    chip: Chip,
    program: Program,
    stream: EventStream,
    tasks: Tasks,
    *,
    generation: bool,
    window_cycles: int,
    log_packets: bool,
    progress: bool,
) -> Arrays:
    """Lay out a run."""
    network = _network(chip)
    ways = _Ways(chip, program)
    x = _constants(chip, program, stream, network, tasks)
    x[at.X_GENERATION], x[at.X_WINDOW_CYCLES] = generation, window_cycles
    x[at.X_LOG], x[at.X_PROGRESS] = log_packets, progress
    margin, fixed = int(x[at.X_NODE_MARGIN]), network.fixed_nodes
    z = zeros(32)
    z[at.Z_HOST_DIRTY] = 1
    windowed = max(1, int(ways.routes[:, at.R_WINDOW].max(initial=-1)) + 1)
    slots, row = int(x[at.X_SLOTS]), int(x[at.X_ROW])
    arrays = Arrays(
        nodes=zeros(fixed, at.NODE),
        ports=network.ports.reshape(-1).copy(),
        buffers=network.buffers.reshape(-1).copy(),
        cores=_cores(chip, network),
        channels=_channels(chip),
        packets=zeros(0),
        places=ways.places,
        leaves=ways.leaves,
        port_at=network.port_at,
        buffer_at=network.buffer_at,
        ways=ways.single,
        routes=ways.routes.reshape(-1),
        counts=np.ascontiguousarray(stream.counts).reshape(-1),
        emits=np.array([e for s in program.stages for e in s.emits] or [0], np.int64),
        host_routes=np.array(program.host_routes or (0,), np.int64),
        consumers=_consumers(chip, program, tasks),
        stages=_stages(program, tasks),
        vectors=np.tile(
            np.array([at.NONE, 0, 0, 0], np.int64), max(1, len(program.consumers)) * slots
        ),
        waits=zeros(len(program.stages), slots),
        cycles=tasks.cycles.reshape(-1),
        serials=_serials(chip),
        items=zeros(int(x[at.X_CONSUMERS]) + len(program.stages) + 1, at.ITEM_SIZE),
        tokens=zeros(stream.tokens, row),
        windows=zeros(16, row),
        wheel=np.full(at.WHEEL, at.NONE, np.int64),
        heap=zeros(0),
        credits_in=zeros(windowed, stream.tokens),
        answers=np.tile(np.array([0, 0, -1, -1], np.int64), stream.tokens),
        stage_done=np.full(max(1, len(program.stages) * stream.tokens), -1, np.int64),
        dirty=zeros(chip.cores),
        asking=zeros(len(network.links)),
        calling=zeros(int(x[at.X_CHANNELS])),
        log=zeros(max(4096, 2 * int(x[at.X_LOG_MARGIN])) if log_packets else 1, at.LOG_FIELDS),
        x=x,
        z=z,
    )
    z[at.Z_NODE] = z[at.Z_PACKET] = at.NONE
    more_nodes(arrays, 4 * margin)
    more_packets(arrays, 4 * int(x[at.X_PACKET_MARGIN]))
    return arrays


def more_nodes(arrays: Arrays, count: int) -> None:
    """Add so many free nodes, and room for them in the heap."""
    arrays.nodes = _longer(arrays.nodes, count, at.NODE, arrays.z, at.Z_NODE)
    arrays.z[at.Z_NODES] += count
    heap = zeros(arrays.nodes.size // at.NODE + 1, 2)
    heap[: arrays.heap.size] = arrays.heap
    arrays.heap = heap


def more_packets(arrays: Arrays, count: int) -> None:
    """Add so many free packets."""
    arrays.packets = _longer(arrays.packets, count, at.PACKET_SIZE, arrays.z, at.Z_PACKET)
    arrays.z[at.Z_PACKETS] += count


def _longer(records: Ints, count: int, size: int, z: Ints, head: int) -> Ints:
    """A longer pool whose new records are chained before the free list."""
    first = -(-records.size // size) * size
    longer = np.zeros(first + count * size, np.int64)
    longer[: records.size] = records
    new = longer[first:].reshape(count, size)
    new[:-1, 0] = first + size * np.arange(1, count)
    new[-1, 0] = z[head]
    z[head] = first
    return longer


def more_windows(arrays: Arrays) -> None:
    """Make room for the present power window and as many again."""
    row, needed = int(arrays.x[at.X_ROW]), int(arrays.x[at.X_WINDOW])
    longer = np.zeros(2 * (needed + row), np.int64)
    longer[: arrays.windows.size] = arrays.windows
    arrays.windows = longer


class _Network:
    """Ports, buffers, and who leads where (S5, S6, S19)."""

    def __init__(self, chip: Chip) -> None:
        self.chip, self.links = chip, links(chip)
        self.port_at = np.full(chip.cores * DIRECTIONS, at.NONE, np.int64)
        self.buffer_at = np.arange(chip.cores * DIRECTIONS, dtype=np.int64) * at.BUFFER
        self.ports = np.zeros((len(self.links), at.PORT_SIZE), np.int64)
        self.buffers = self._buffers()
        for number, (node, port) in enumerate(self.links):
            self.port_at[node * DIRECTIONS + port] = number * at.PORT_SIZE
            self._port(number, node, port)
        channels = channel_count(chip)
        self.fixed_nodes = len(self.links) + 3 * chip.cores + channels

    def _buffers(self) -> Ints:
        chip = self.chip
        buffers = np.zeros((chip.cores * DIRECTIONS, at.BUFFER), np.int64)
        number = np.arange(chip.cores * DIRECTIONS)
        buffers[:, at.B_HEAD] = buffers[:, at.B_TAIL] = at.NONE
        buffers[:, at.B_PORTS] = number - number % DIRECTIONS
        buffers[:, at.B_BIT] = 1 << number % DIRECTIONS
        buffers[:, at.B_OWNER] = number // DIRECTIONS * at.CORE
        buffers[:, at.B_UPSTREAM] = at.FROM_CORE
        buffers[chip.host_node * DIRECTIONS + HOST, at.B_UPSTREAM] = at.FROM_HOST
        return buffers

    def _port(self, number: int, node: int, port: int) -> None:
        chip, row = self.chip, self.ports[number]
        noc, between = chip.noc, crosses_boundary(chip, (node, port))
        row[at.P_SINCE] = at.NONE
        row[at.P_RING] = at.NONE
        row[at.P_NODE], row[at.P_OWN_BIT] = node * DIRECTIONS, 1 << port
        row[at.P_SERIALS] = (noc.packet_flits + 1) * between
        row[at.P_HOP] = chip.boundary.hop_cycles if between else noc.hop_cycles
        row[at.P_BITS] = noc.flit_bits * between
        row[at.P_WHOLE] = between or port not in OPPOSITE
        if port == LOCAL:
            row[at.P_KIND], row[at.P_SINK] = at.TO_CORE, node * at.CORE
            row[at.P_CAPACITY] = chip.core.input_queue_flits
        elif port == HOST:
            row[at.P_KIND], row[at.P_CAPACITY] = at.TO_HOST, chip.host.queue_flits
        else:
            self._to_router(number, node, port)

    def _to_router(self, number: int, node: int, port: int) -> None:
        noc, row = self.chip.noc, self.ports[number]
        target = neighbour(self.chip, node, port)
        assert target is not None
        sink = target * DIRECTIONS + OPPOSITE[port]
        row[at.P_KIND], row[at.P_SINK] = at.TO_ROUTER, sink * at.BUFFER
        row[at.P_CAPACITY] = noc.buffer_flits
        if noc.topology == "torus":
            row[at.P_SLOT], row[at.P_RING] = noc.packet_flits, OPPOSITE[port]
            self.buffers[sink, at.B_SLOT] = noc.packet_flits
        self.buffers[sink, at.B_UPSTREAM] = number * at.PORT_SIZE


@lru_cache(maxsize=8)
def _network(chip: Chip) -> _Network:
    """Laid out once for a chip; who runs on it copies what changes."""
    return _Network(chip)


class _Ways:
    """Trees of all routes, and for unicast the way to each destination (S7)."""

    def __init__(self, chip: Chip, program: Program) -> None:
        self.chip, self.program = chip, program
        unicast = chip.noc.multicast == "unicast"
        keys: dict[tuple[int, int, tuple[int, ...]], int] = {}
        self.tree_of: list[list[int]] = []
        for number, route in enumerate(program.routes):
            targets = program.destinations(number)
            sets = [(target,) for target in targets] if unicast else [targets]
            site = route.site if route.acknowledges == NO_ROUTE else at.NONE
            self.tree_of.append(
                [keys.setdefault((route.source, site, some), len(keys)) for some in sets]
            )
        self._plant(chip, list(keys))
        self._leaves(keys)
        self.routes = np.zeros((max(1, len(program.routes)), at.ROUTE), np.int64)
        windowed = 0
        for number, trees in enumerate(self.tree_of):
            windowed += self._route(number, trees, windowed)
        self.single = self.roots[np.array([t for trees in self.tree_of for t in trees], np.int64)]

    def _plant(self, chip: Chip, keys: list[tuple[int, int, tuple[int, ...]]]) -> None:
        sources = np.array([source for source, _, _ in keys], np.int64)
        starts = np.array([0, *accumulate(len(targets) for _, _, targets in keys)], np.int64)
        targets = np.array([t for _, _, targets in keys for t in targets], np.int64)
        self.roots, self.places, self.nodes = trees_of(chip, sources, starts, targets)

    def _leaves(self, keys: dict[tuple[int, int, tuple[int, ...]], int]) -> None:
        """The consumer at each place with a LOCAL port; NONE for a credit."""
        sizes = np.diff(np.append(self.roots, self.places.size))
        sites = np.repeat(np.array([site for _, site, _ in keys], np.int64), sizes)
        cores = self.chip.cores + 1
        takers = [c.site * cores + c.core for c in self.program.consumers]
        order = np.argsort(takers, kind="stable") if takers else np.zeros(1, np.int64)
        known = np.array(takers or [0], np.int64)[order]
        wanted = sites * cores + self.nodes
        found = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        good = (known[found] == wanted) & (sites >= 0)
        self.leaves = np.where(good, order[found], at.NONE).astype(np.int64)

    def _route(self, number: int, trees: list[int], windowed: int) -> bool:
        program, row = self.program, self.routes[number]
        route = program.routes[number]
        items = len(program.consumers)
        item = items + (route.stage if route.stage != HOST_STAGE else len(program.stages))
        row[at.R_ROOT] = self.roots[trees[0]]
        row[at.R_WAYS] = number and self.routes[number - 1, at.R_WAYS] + len(
            self.tree_of[number - 1]
        )
        row[at.R_TARGETS] = len(program.destinations(number))
        row[at.R_ITEM] = item * at.ITEM_SIZE
        row[at.R_WINDOW] = windowed if route.window else at.NONE
        row[at.R_ACKNOWLEDGES] = at.NONE
        if route.acknowledges != NO_ROUTE:
            row[at.R_ACKNOWLEDGES] = route.acknowledges * at.ROUTE
            row[at.R_PAYS] = (items + program.routes[route.acknowledges].stage) * at.ITEM_SIZE
        return route.window


def channel_count(chip: Chip) -> int:
    """Channels of off-core memory."""
    return chip.channel(chip.cores - 1) + 1 if chip.memory.kind != "none" else 0


def _channels(chip: Chip) -> Ints:
    size = chip.memory.cores_per_channel
    rows = [
        (0, 0, 0, 0, c * size, min(chip.cores, c * size + size)) for c in range(channel_count(chip))
    ]
    return table(rows, at.CHANNEL)


def _cores(chip: Chip, network: _Network) -> Ints:
    cores = np.zeros((chip.cores, at.CORE), np.int64)
    number = np.arange(chip.cores)
    for field in (
        at.C_IN_HEAD, at.C_OUT_HEAD, at.C_OUT_SINCE, at.N_HEAD, at.N_STAGE, at.N_SINCE, at.G_HEAD,
        at.G_STAGE, at.M_HEAD, at.M_WAIT_HEAD,
    ):  # fmt: skip
        cores[:, field] = at.NONE
    cores[:, at.C_NUMBER] = number
    cores[:, at.C_LOCAL_PORT] = network.port_at[number * DIRECTIONS + LOCAL]
    cores[:, at.C_LOCAL_BUFFER] = network.buffer_at[number * DIRECTIONS + LOCAL]
    cores[:, at.C_NODE] = (len(network.links) + number) * at.NODE
    cores[:, at.M_CHANNEL] = number // chip.memory.cores_per_channel * at.CHANNEL
    return cores.reshape(-1)


def _serials(chip: Chip) -> Ints:
    """S5: cycles on a link for a packet of 0, 1 … flits; then on one between reticles."""
    noc = chip.noc
    return np.array(
        [
            serialisation_cycles(flits, noc.flit_bits, bits)
            for bits in (noc.link_bits, chip.boundary.link_bits)
            for flits in range(noc.packet_flits + 1)
        ],
        np.int64,
    )


def _consumers(chip: Chip, program: Program, tasks: Tasks) -> Ints:
    width = chip.core.group_size + 1
    rows = [
        (
            bool(c.kernel), program.sources[i], program.stage_of[i], tasks.row_of[i] * width,
            program.fetch_bits(i, chip.memory.burst_bits), tasks.kind_of[i],
        )
        for i, c in enumerate(program.consumers)
    ]  # fmt: skip
    return table(rows, at.CONSUMER)


def _stages(program: Program, tasks: Tasks) -> Ints:
    ends = list(accumulate(len(s.emits) for s in program.stages))
    rows = [
        (len(s.needs), end - len(s.emits), end, cycles, kind, s.core)
        for s, end, cycles, kind in zip(
            program.stages, ends, tasks.stage_cycles, tasks.stage_kinds, strict=True
        )
    ]
    return table(rows, at.STAGE_SIZE)


def _constants(
    chip: Chip, program: Program, stream: EventStream, network: _Network, tasks: Tasks
) -> Ints:
    core, noc, controller = chip.core, chip.noc, chip.core.controller
    x = zeros(48)
    answers = sum(
        n for n, c in zip(program.sources, program.consumers, strict=True) if c.core == program.host
    )
    values = {
        at.X_PORTS: len(network.links), at.X_CORES: chip.cores,
        at.X_CHANNELS: channel_count(chip), at.X_TOKENS: stream.tokens,
        at.X_CONSUMERS: len(program.consumers), at.X_ROW: at.SIMPLE + 2 * len(tasks.kinds),
        at.X_GROUP: core.group_size, at.X_FIFO: core.task_fifo,
        at.X_PACKET_IN: controller.packet_in_instructions,
        at.X_EVENT_IN: controller.event_in_instructions,
        at.X_TASK: controller.task_instructions,
        at.X_PACKET_OUT: controller.packet_out_instructions,
        at.X_EVENT_OUT: controller.event_out_instructions,
        at.X_ACCESSES: controller.event_in_memory_accesses,
        at.X_CYCLES_PER: controller.cycles_per_instruction, at.X_PER_CYCLE: core.events_per_cycle,
        at.X_OUTPUT_ROOM: core.output_queue_flits, at.X_HOST_ROOM: chip.host.queue_flits,
        at.X_HEADER: noc.header_flits, at.X_EVENT: noc.event_flits, at.X_SIZE: noc.packet_events,
        at.X_ANNOUNCE: core.completion == "announce", at.X_UNICAST: noc.multicast == "unicast",
        at.X_ROTATE: noc.arbitration == "round-robin", at.X_UNSAFE: core.unsafe_blocking_send,
        at.X_ANSWERS: answers, at.X_PREFETCH: chip.memory.prefetch,
        at.X_CHANNEL_BITS: chip.memory.channel_bits, at.X_LATENCY: chip.memory_latency_cycles,
        at.X_HOST_ROUTES: len(program.host_routes),
        at.X_HOST_BUFFER: (chip.host_node * DIRECTIONS + HOST) * at.BUFFER,
        at.X_SLOTS: min(core.window, stream.tokens), at.X_DEPTH: core.window,
        # What a cycle may need at most: a copy for each link, tasks, jobs and packets of each
        # core, a fetch for each channel.
        at.X_NODE_MARGIN: len(network.links) + channel_count(chip) + at.SPARE
        + chip.cores * (6 + min(core.task_fifo, noc.packet_events)),
        at.X_PACKET_MARGIN: 2 * chip.cores + at.SPARE, at.X_LOG_MARGIN: chip.cores + at.SPARE,
    }  # fmt: skip
    for index, value in values.items():
        x[index] = value
    return x
