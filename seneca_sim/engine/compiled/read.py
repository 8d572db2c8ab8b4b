"""From the arrays of a finished run to its Activity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import LOCAL
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.build import Prepared
from seneca_sim.engine.compiled.logs import Logs
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.network import channel_count
from seneca_sim.engine.compiled.tasks import Tasks
from seneca_sim.program import EventStream

Ints = NDArray[np.int64]


def activity_of(prepared: Prepared, stream: EventStream, machine: Machine, logs: Logs) -> Activity:
    """Read everything off."""
    chip, program, tasks = prepared.chip, prepared.program, prepared.tasks
    x, z = machine.x, machine.z
    _book_under_way(machine)
    items = machine.items.reshape(-1, at.ITEM_SIZE)
    cores = machine.cores.reshape(-1, at.CORE).T.astype(np.int64)
    clocks = machine.clocks.reshape(-1, at.CLOCKS).T.copy()
    traffic = _traffic(machine)[prepared.network.links].T.copy()
    least = machine.ports.reshape(chip.cores, at.DIRECTIONS, -1)[:, LOCAL, at.P_LEAST]
    channels = machine.channels.reshape(-1, at.CHANNEL)[: channel_count(chip)].T.copy()
    answers = machine.answers.reshape(-1, at.ANSWER).T.copy()
    cycles, window_cycles = int(z[at.Z_NOW]), int(x[at.X_WINDOW_CYCLES])
    return Activity(
        engine="compiled",
        cycles=cycles,
        wakeups=int(z[at.Z_WAKEUPS]),
        packet_hops=int(traffic[at.T_PACKETS].sum()),
        deliveries=int(z[at.Z_DELIVERIES]),
        window_cycles=window_cycles,
        token_start=answers[at.W_START],
        token_done=answers[at.W_DONE],
        stage_done=machine.stage_done[: len(program.stages) * stream.tokens].reshape(
            len(program.stages), stream.tokens
        ),
        item_ops=_item_ops(chip, tasks, items),
        token_ops=_row_ops(chip, tasks, machine.tokens.reshape(stream.tokens, -1)),
        window_ops=_row_ops(chip, tasks, _windows(machine, cycles, window_cycles)),
        item_events_in=items[:, at.I_IN].copy(),
        item_events_out=items[:, at.I_OUT].copy(),
        item_npe_cycles=items[:, at.I_CYCLES].copy(),
        controller_busy=clocks[at.L_CONTROLLER],
        controller_blocked=clocks[at.L_BLOCKED],
        npe_busy=clocks[at.L_NPES],
        generator_busy=clocks[at.L_GENERATOR],
        npe_starved=clocks[at.L_STARVED],
        core_active=clocks[at.L_ACTIVE],
        channel_busy=channels[at.H_BUSY_CYCLES],
        channel_bits=channels[at.H_BITS],
        output_blocked=clocks[at.L_OUT_BLOCKED],
        input_peak=chip.core.input_queue_flits - least.astype(np.int64),
        output_peak=cores[at.C_OUT_PEAK],
        fifo_peak=cores[at.N_PEAK],
        link_flits=traffic[at.T_FLITS],
        link_packets=traffic[at.T_PACKETS],
        link_busy=traffic[at.T_BUSY],
        link_blocked=traffic[at.T_BLOCKED],
        packets=logs.packet_table(chip, program),
        slices=logs.slice_table(prepared.network.links),
    )


def _book_under_way(machine: Machine) -> None:
    """Flit-hops of packets that are stuck when the last answer is out (S21)."""
    packets = machine.packets.reshape(-1, at.PACKET_SIZE).astype(np.int64)
    packets = packets[packets[:, at.K_HOPS] > 0]  # zero in records that are free
    between = packets[:, at.K_BETWEEN] * machine.x[at.X_FLIT_BITS]
    items = packets[:, at.K_ITEM] + at.I_SIMPLE
    tokens = packets[:, at.K_TOKEN] * machine.x[at.X_ROW]
    for field, amounts in ((at.FLIT_HOPS, packets[:, at.K_HOPS]), (at.BOUNDARY_BITS, between)):
        np.add.at(machine.items, items + field, amounts)
        np.add.at(machine.tokens, tokens + field, amounts)


def _traffic(machine: Machine) -> Ints:
    """Wide counters of links and what has not yet been carried into them."""
    traffic = machine.traffic.reshape(-1, at.TRAFFIC).copy()
    narrow = machine.ports.reshape(-1, at.PORT_SIZE)
    traffic[:, at.T_FLITS] += narrow[:, at.P_FLITS]
    traffic[:, at.T_PACKETS] += narrow[:, at.P_PACKETS]
    traffic[:, at.T_BUSY] += narrow[:, at.P_BUSY_CYCLES]
    return traffic


def _windows(machine: Machine, cycles: int, window_cycles: int) -> Ints:
    """As many windows as the run lasts, and one more if something starts at its very end."""
    table = machine.windows.reshape(-1, int(machine.x[at.X_ROW]))
    used = np.flatnonzero(table.any(axis=1))
    count = max(1, -(-cycles // window_cycles), int(used[-1]) + 1 if used.size else 0)
    whole = np.zeros((count, table.shape[1]), np.int64)
    whole[: len(table)] = table[:count]
    return whole


def _simple(chip: Chip, table: Ints) -> Ints:
    """Counts that are booked one by one, over OPS."""
    ops = np.zeros((len(table), len(OPS)), np.int64)
    memory = chip.memory.kind.replace("-", "_")
    for field, op in (
        (at.INSTRUCTIONS, "ctrl.instruction"),
        (at.MEMORY, "ctrl.memory"),
        (at.EVENTS, "evg.event"),
        (at.WRITES, "dm.write_word"),
        (at.READS, "dm.read_word"),
        (at.FLIT_HOPS, "noc.flit_hop"),
        (at.BOUNDARY_BITS, "noc.boundary_bit"),
        (at.FETCHED_BITS, f"mem.{memory}_bit"),
    ):
        if op in OP_INDEX:  # there is none for `memory.kind: none`
            ops[:, OP_INDEX[op]] += table[:, field]
    return ops


def _item_ops(chip: Chip, tasks: Tasks, items: Ints) -> Ints:
    ops = _simple(chip, items[:, at.I_SIMPLE :])
    fixed, per_event = tasks.consumer_counts()
    ops[:-1] += items[:-1, at.I_TASKS, None] * fixed
    ops[:-1] += items[:-1, at.I_GROUPED, None] * per_event
    return ops


def _row_ops(chip: Chip, tasks: Tasks, table: Ints) -> Ints:
    ops = _simple(chip, table)
    if tasks.kinds:
        kinds = np.array(tasks.kinds, np.int64)
        ops += table[:, at.SIMPLE :: 2] @ kinds[:, 0] + table[:, at.SIMPLE + 1 :: 2] @ kinds[:, 1]
    return ops
