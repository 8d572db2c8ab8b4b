"""The arrays of a run: chip and program as records, made once, then filled for each stream."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import HOST, LOCAL
from seneca_sim.engine.activity import WHOLE_RUN, LogWindow
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import Ints, Machine, Narrow, narrow, wide
from seneca_sim.engine.compiled.network import Network, channel_count, network_of
from seneca_sim.engine.compiled.tasks import Tasks
from seneca_sim.engine.compiled.ways import Ways
from seneca_sim.errors import CapacityError
from seneca_sim.program import EventStream, Program


@dataclass(frozen=True, eq=False)
class Prepared:
    """What all runs of a program on a chip have in common."""

    chip: Chip
    program: Program
    network: Network
    ways: Ways
    tasks: Tasks
    consumers: Narrow
    stages: Narrow
    emits: Narrow
    constants: Ints


_recent: list[tuple[weakref.ref[Program], Prepared]] = []
KEPT = 4


def prepare(chip: Chip, program: Program) -> Prepared:
    """Lay out chip and program; the last few are kept, so that runs in a row share them."""
    for known, prepared in _recent:
        if known() is program and prepared.chip == chip:
            return prepared
    network, ways, tasks = network_of(chip), Ways(chip, program), Tasks(chip, program)
    prepared = Prepared(
        chip,
        program,
        network,
        ways,
        tasks,
        _consumers(chip, program, ways, tasks),
        _stages(program, tasks),
        np.array([e for s in program.stages for e in s.emits] or [0], np.int32),
        _constants(chip, program, network, ways, tasks),
    )
    _recent.insert(0, (weakref.ref(program), prepared))
    del _recent[KEPT:]
    return prepared


def build(
    prepared: Prepared,
    stream: EventStream,
    *,
    generation: bool,
    window_cycles: int,
    log_packets: bool,
    log_slices: bool = False,
    log_window: LogWindow = WHOLE_RUN,
    progress: bool,
    first_cycle: int = 0,
) -> Machine:
    """Lay out a run."""
    program, network, ways = prepared.program, prepared.network, prepared.ways
    _check_totals(program, stream)
    cores, tokens, stages = prepared.chip.cores, stream.tokens, len(program.stages)
    x = wide(at.CONSTANTS)
    x[:] = prepared.constants
    x[at.X_TOKENS], x[at.X_SLOTS] = tokens, min(prepared.chip.core.window, tokens)
    # Sequences whose next token waits for their last answer; 0 where none waits.
    x[at.X_GENERATION] = program.sequences if generation else 0
    x[at.X_WINDOW_CYCLES] = window_cycles
    x[at.X_LOG], x[at.X_SLICES], x[at.X_PROGRESS] = log_packets, log_slices, progress
    x[at.X_LOG_FIRST], x[at.X_LOG_END] = log_window.first, log_window.end
    slots, row, channels = int(x[at.X_SLOTS]), int(x[at.X_ROW]), int(x[at.X_CHANNELS])
    fixed = int(x[at.X_PORTS]) + 3 * cores + channels
    log_rows = max(4096, 2 * int(x[at.X_LOG_MARGIN])) if log_packets else 0
    slice_rows = max(4096, 2 * int(x[at.X_SLICE_MARGIN])) if log_slices else 0
    z = wide(at.STATE)
    z[at.Z_HOST_DIRTY] = 1
    z[at.Z_NOW] = first_cycle
    z[at.Z_NODE] = z[at.Z_PACKET] = z[at.Z_TASK] = at.NONE
    machine = Machine(
        nodes=narrow(fixed * at.NODE),
        tasks=narrow(0),
        pushed=wide(0),
        arrivals=wide(0),
        ports=_copy(network.ports),
        traffic=wide(len(network.ports) * at.TRAFFIC),
        since=wide(len(network.ports)),
        buffers=_copy(network.buffers),
        cores=_cores(prepared.chip),
        clocks=wide(cores * at.CLOCKS),
        channels=_channels(prepared.chip),
        packets=narrow(0),
        stamps=wide(0),
        places=ways.places,
        leaves=ways.leaves,
        ways=ways.ways,
        routes=_copy(ways.routes),
        counts=np.ascontiguousarray(stream.counts).reshape(-1),
        emits=prepared.emits,
        host_routes=np.array(program.host_routes or (0,), np.int32),
        consumers=_copy(prepared.consumers),
        stages=_copy(prepared.stages),
        vectors=_vectors(len(program.consumers) * slots),
        waits=narrow(stages * slots),
        cycles=prepared.tasks.cycles,
        serials=network.serials,
        items=wide((len(program.consumers) + stages + 1) * at.ITEM_SIZE),
        tokens=wide(tokens * row),
        windows=wide(16 * row),
        wheel=narrow(at.WHEEL * at.LISTS, at.NONE),
        occupied=wide(at.WHEEL // at.CHUNK),
        heap=wide(0),
        credits_in=narrow(ways.windowed * tokens),
        answers=np.tile(np.array([0, 0, -1, -1], np.int64), tokens),
        stage_done=wide(stages * tokens, -1),
        dirty=narrow(cores),
        asking=narrow(len(network.ports)),
        calling=narrow(channels),
        log=wide(log_rows * at.LOG_FIELDS),
        slices=wide(slice_rows * at.SLICE),
        x=x,
        z=z,
    )
    machine = more_tasks(machine, 4 * int(x[at.X_TASK_MARGIN]))
    machine = more_nodes(machine, 4 * int(x[at.X_NODE_MARGIN]))
    return more_packets(machine, 4 * int(x[at.X_PACKET_MARGIN]))


def more_nodes(machine: Machine, count: int) -> Machine:
    """Add so many free nodes, and room for them in the heap."""
    nodes = _longer(machine.nodes, count, at.NODE, machine.z, at.Z_NODE)
    machine.z[at.Z_NODES] += count
    total = nodes.size // at.NODE
    logged = total if machine.x[at.X_LOG] else 0
    return machine._replace(
        nodes=nodes,
        heap=_extended(machine.heap, 2 * (total + 1)),
        arrivals=_extended(machine.arrivals, logged),
    )


def more_tasks(machine: Machine, count: int) -> Machine:
    """Add so many free tasks."""
    tasks = _longer(machine.tasks, count, at.TASK_SIZE, machine.z, at.Z_TASK)
    machine.z[at.Z_TASKS] += count
    logged = tasks.size // at.TASK_SIZE if machine.x[at.X_SLICES] else 0
    return machine._replace(tasks=tasks, pushed=_extended(machine.pushed, logged))


def more_packets(machine: Machine, count: int) -> Machine:
    """Add so many free packets."""
    packets = _longer(machine.packets, count, at.PACKET_SIZE, machine.z, at.Z_PACKET)
    machine.z[at.Z_PACKETS] += count
    stamps = packets.size // at.PACKET_PER_STAMPS if machine.x[at.X_LOG] else 0
    return machine._replace(packets=packets, stamps=_extended(machine.stamps, stamps))


def more_windows(machine: Machine) -> Machine:
    """Make room for the present power window and as many again."""
    needed = int(machine.x[at.X_WINDOW] + machine.x[at.X_ROW])
    return machine._replace(windows=_extended(machine.windows, 2 * needed))


def _longer(records: Narrow, count: int, size: int, z: Ints, head: int) -> Narrow:
    """A longer pool whose new records are chained before the free list."""
    first = -(-records.size // size) * size
    total = first + count * size
    if total > at.LARGEST:
        raise CapacityError(
            f"compiled engine: {total // size} packets and tasks at once are more than it can "
            f"number; use fewer tokens in flight or the reference engine"
        )
    longer = narrow(total)
    longer[: records.size] = records
    new = longer[first:].reshape(count, size)
    new[:-1, 0] = first + size * np.arange(1, count)
    new[-1, 0] = z[head]
    z[head] = first
    return longer


def _extended(array: Ints, size: int) -> Ints:
    longer = wide(size)
    count = min(array.size, longer.size)
    longer[:count] = array[:count]
    return longer


def _copy(table: Narrow) -> Narrow:
    copied = narrow(table.size)
    copied[: table.size] = table.reshape(-1)
    return copied


def _table(rows: Sequence[tuple[int, ...]], width: int, what: str) -> Narrow:
    """Records of `width` fields from rows that may be shorter."""
    made = np.zeros((max(1, len(rows)), width), np.int64)
    if rows:
        made[: len(rows), : len(rows[0])] = rows
    if made.max() > at.LARGEST:
        raise CapacityError(
            f"compiled engine: {made.max()} in {what} is more than it can hold; "
            f"use the reference engine"
        )
    return made.astype(np.int32)


def _vectors(count: int) -> Narrow:
    made = narrow(count * at.VECTOR)
    made[at.V_TOKEN :: at.VECTOR] = at.NONE
    return made


def _channels(chip: Chip) -> Ints:
    size, count = chip.memory.cores_per_channel, channel_count(chip)
    made = wide(max(1, count) * at.CHANNEL)
    rows = made[: count * at.CHANNEL].reshape(-1, at.CHANNEL)
    rows[:, at.H_FIRST] = size * np.arange(count)
    rows[:, at.H_END] = np.minimum(chip.cores, rows[:, at.H_FIRST] + size)
    return made


def _cores(chip: Chip) -> Narrow:
    made = narrow(chip.cores * at.CORE)
    cores, number = made.reshape(chip.cores, at.CORE), np.arange(chip.cores)
    for field in (
        at.C_IN_HEAD, at.C_OUT_HEAD, at.N_HEAD, at.N_STAGE, at.G_HEAD, at.G_STAGE, at.M_HEAD,
        at.M_WAIT_HEAD,
    ):  # fmt: skip
        cores[:, field] = at.NONE
    cores[:, at.C_NUMBER] = number
    cores[:, at.C_LOCAL_PORT] = (number * at.DIRECTIONS + LOCAL) * at.PORT_SIZE
    cores[:, at.C_LOCAL_BUFFER] = (number * at.DIRECTIONS + LOCAL) * at.BUFFER
    cores[:, at.C_NODE] = (chip.cores * at.DIRECTIONS + number) * at.NODE
    cores[:, at.M_CHANNEL] = number // chip.memory.cores_per_channel * at.CHANNEL
    return made


def _consumers(chip: Chip, program: Program, ways: Ways, tasks: Tasks) -> Narrow:
    burst, group = chip.memory.burst_bits, chip.core.group_size
    rows = [
        (bool(c.kernel), ends, stage, first, program.fetch_bits(i, burst), kind)
        for i, (c, ends, stage, first, kind) in enumerate(
            zip(
                program.consumers,
                ways.sources.tolist(),
                program.stage_of,
                tasks.first_of,
                tasks.kind_of,
                strict=True,
            )
        )
    ]
    largest = max((row[at.U_FETCH] for row in rows), default=0) * group
    if largest > at.LARGEST:
        raise CapacityError(
            f"program {program.name}: {largest} bits for a group of events from off-core memory "
            f"are more than the compiled engine can hold; use the reference engine"
        )
    return _table(rows, at.CONSUMER, "the consumers")


def _stages(program: Program, tasks: Tasks) -> Narrow:
    ends = list(accumulate(len(s.emits) for s in program.stages))
    rows = [
        (len(s.needs), end - len(s.emits), end, place, kind, s.core)
        for s, end, place, kind in zip(
            program.stages, ends, tasks.stage_at, tasks.stage_kinds, strict=True
        )
    ]
    return _table(rows, at.STAGE_SIZE, "the stages")


def _check_totals(program: Program, stream: EventStream) -> None:
    """Events that are due for a vector are counted in 32 bits."""
    most = int(stream.counts.sum(axis=0).max(initial=0))
    if most > at.LARGEST:
        raise CapacityError(
            f"program {program.name}: {most} events in a token are more than the compiled engine "
            f"can count; use the reference engine"
        )


def _constants(chip: Chip, program: Program, network: Network, ways: Ways, tasks: Tasks) -> Ints:
    core, noc, controller = chip.core, chip.noc, chip.core.controller
    x = np.zeros(at.CONSTANTS, np.int64)
    answers = sum(int(ways.sources[item]) for item in ways.hosts.values())
    values = {
        at.X_PORTS: len(network.ports), at.X_CORES: chip.cores,
        at.X_CHANNELS: channel_count(chip),
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
        at.X_HOST_BUFFER: (chip.host_node * at.DIRECTIONS + HOST) * at.BUFFER,
        at.X_DEPTH: core.window, at.X_FLIT_BITS: noc.flit_bits,
        at.X_HOP: noc.hop_cycles, at.X_HOP_BETWEEN: chip.boundary.hop_cycles,
        at.X_SERIALS: 0, at.X_SERIALS_BETWEEN: noc.packet_flits + 1,
        # What a cycle may need at most: a copy for each link, tasks, jobs and packets of each
        # core, a fetch for each channel.
        at.X_NODE_MARGIN: len(network.links) + channel_count(chip) + at.SPARE + 6 * chip.cores,
        at.X_TASK_MARGIN: at.SPARE + chip.cores * (2 + min(core.task_fifo, noc.packet_events)),
        at.X_PACKET_MARGIN: 2 * chip.cores + at.SPARE, at.X_LOG_MARGIN: chip.cores + at.SPARE,
        at.X_SLICE_MARGIN: len(network.links) + channel_count(chip) + at.SPARE + 4 * chip.cores,
    }  # fmt: skip
    for index, value in values.items():
        x[index] = value
    return x
