"""Event generator, NPEs, SMPU and memory channels, compiled into the loop (S11, S12, S18)."""

from __future__ import annotations

from numba.extending import register_jitable

from seneca_sim.cost import timing
from seneca_sim.engine.activity import (
    CAPTURE_SLICE,
    FETCH_SLICE,
    STARVED_SLICE,
    TASK_SLICE,
)
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.packets import make_packet, more_packets, stamp_packet
from seneca_sim.engine.compiled.parts import (
    append,
    begin,
    book,
    book_task,
    end,
    give_node,
    give_task,
    log_slice,
    schedule,
    take_node,
    touch,
)

capture_cycles = register_jitable(timing.capture_cycles)


@inlined
def start_npes(m: Machine, core: int) -> None:
    """S11: begin with the task at the head of the FIFO, if its weights are there (S18)."""
    task, now = m.cores[core + at.N_HEAD], m.z[at.Z_NOW]
    clock = core // at.CORE_PER_CLOCKS
    if task == at.NONE:
        return
    if m.tasks[task + at.Q_READY] == 0:
        if m.cores[core + at.N_STARVING] == 0:
            m.cores[core + at.N_STARVING] = 1
            m.clocks[clock + at.L_STARVED_SINCE] = now
        return
    if m.cores[core + at.N_STARVING]:
        m.cores[core + at.N_STARVING] = 0
        m.clocks[clock + at.L_STARVED] += now - m.clocks[clock + at.L_STARVED_SINCE]
        if m.x[at.X_SLICES]:
            log_task(m, core, task, STARVED_SLICE, m.clocks[clock + at.L_STARVED_SINCE], 0)
    m.cores[core + at.N_HEAD] = m.tasks[task + at.NEXT]
    m.cores[core + at.N_WAITING] -= 1
    if m.cores[core + at.C_STATE] == at.BLOCKED:
        schedule(m, now + 1, m.cores[core + at.C_NODE], at.CONTROLLERS)
        m.cores[core + at.C_STATE] = at.CALLED
    spent = book_start(m, task)
    if m.x[at.X_SLICES]:
        log_task(m, core, task, TASK_SLICE, m.pushed[task // at.TASK_SIZE], spent)
    m.cores[core + at.N_STAGE] = m.tasks[task + at.Q_STAGE]
    m.cores[core + at.N_TOKEN] = m.tasks[task + at.Q_TOKEN]
    m.cores[core + at.N_FETCH] = m.tasks[task + at.Q_FETCH] != 0
    m.cores[core + at.N_STATE] = at.WORKING
    m.clocks[clock + at.L_NPES] += spent
    give_task(m, task)
    begin(m, core)
    node = m.cores[core + at.C_NODE] + m.x[at.X_CORES] * at.NODE
    schedule(m, now + spent, node, at.OTHERS)


@inlined
def log_task(m: Machine, core: int, task: int, unit: int, since: int, spent: int) -> None:
    """S17: NPEs begin a task (`spent` cycles), or have waited for its weights until now."""
    now, item, token = m.z[at.Z_NOW], m.tasks[task + at.Q_ITEM], m.tasks[task + at.Q_TOKEN]
    start, amount = (now, m.tasks[task + at.Q_GROUP]) if spent else (since, 0)
    place = m.cores[core + at.C_NUMBER]
    log_slice(m, unit, place, since, start, now + spent, token, item, amount)


@inlined
def book_start(m: Machine, task: int) -> int:
    """S11, S16: count a task that starts; returns its cycles."""
    item, group = m.tasks[task + at.Q_ITEM], m.tasks[task + at.Q_GROUP]
    stage = m.tasks[task + at.Q_STAGE]
    if stage >= 0:
        spent: int = m.cycles[m.stages[stage + at.S_CYCLES]]
        kind = m.stages[stage + at.S_KIND]
    else:
        consumer = item * at.CONSUMER
        spent = m.cycles[m.consumers[consumer + at.U_CYCLES] + group]
        kind = m.consumers[consumer + at.U_KIND]
    row = item * at.ITEM_SIZE
    m.items[row + at.I_CYCLES] += spent
    m.items[row + at.I_TASKS] += 1
    m.items[row + at.I_GROUPED] += group
    book_task(m, m.tasks[task + at.Q_TOKEN] * m.x[at.X_ROW], kind, group)
    return spent


@inlined
def end_of_task(m: Machine, core: int) -> None:
    """S11: the NPEs are done; a stage goes to the event generator."""
    end(m, core)
    m.cores[core + at.N_STATE] = at.IDLE
    units = at.NPES if m.cores[core + at.N_HEAD] != at.NONE else 0
    if m.cores[core + at.N_FETCH]:
        m.cores[core + at.M_HELD] -= 1
        units |= at.SMPU if m.cores[core + at.M_HEAD] != at.NONE else 0
    stage = m.cores[core + at.N_STAGE]
    if stage >= 0:
        token = m.cores[core + at.N_TOKEN]
        m.stage_done[stage // at.STAGE_SIZE * m.x[at.X_TOKENS] + token] = m.z[at.Z_NOW]
        m.stages[stage + at.S_FINISHED] = token + 1
        job = take_node(m)
        m.nodes[job + at.STAGE] = stage
        m.nodes[job + at.TOKEN] = token
        append(m.nodes, m.cores, core + at.G_HEAD, job)
        units |= at.GENERATOR if m.cores[core + at.G_STATE] == at.IDLE else 0
    if units:
        touch(m, core, units)


@inlined
def start_generator(m: Machine, core: int) -> None:
    """S12: begin with the next packet of the present stage, or of the next one that sends."""
    while True:
        stage = m.cores[core + at.G_STAGE]
        if stage == at.NONE:
            job = m.cores[core + at.G_HEAD]
            if job == at.NONE:
                return
            m.cores[core + at.G_HEAD] = m.nodes[job + at.NEXT]
            stage = m.nodes[job + at.STAGE]
            m.cores[core + at.G_STAGE] = stage
            m.cores[core + at.G_TOKEN] = m.nodes[job + at.TOKEN]
            m.cores[core + at.G_EMIT] = m.stages[stage + at.S_EMITS]
            m.cores[core + at.G_SEQUENCE] = 0
            give_node(m, job)
        if m.cores[core + at.G_EMIT] < m.stages[stage + at.S_END]:
            break
        m.cores[core + at.G_STAGE] = at.NONE
    capture(m, core)


@inlined
def capture(m: Machine, core: int) -> None:
    """S12: begin to write the next packet of the route whose turn it is."""
    token, sequence = m.cores[core + at.G_TOKEN], m.cores[core + at.G_SEQUENCE]
    packet = make_packet(m, m.emits[m.cores[core + at.G_EMIT]], token, sequence, True)
    if more_packets(m, packet):
        m.cores[core + at.G_SEQUENCE] = sequence + 1
    else:
        m.cores[core + at.G_EMIT] += 1
        m.cores[core + at.G_SEQUENCE] = 0
    events = m.packets[packet + at.K_EVENTS]
    spent = capture_cycles(events, m.x[at.X_PER_CYCLE])
    item, row = m.packets[packet + at.K_ITEM], token * m.x[at.X_ROW]
    book(m, item, row, at.EVENTS, events)
    book(m, item, row, at.WRITES, at.WORDS_PER_EVENT * events)
    m.cores[core + at.G_PACKET] = packet
    m.cores[core + at.G_STATE] = at.WORKING
    m.clocks[core // at.CORE_PER_CLOCKS + at.L_GENERATOR] += spent
    if m.x[at.X_SLICES]:
        now, route = m.z[at.Z_NOW], m.packets[packet + at.K_ROUTE] // at.ROUTE
        place = m.cores[core + at.C_NUMBER]
        log_slice(m, CAPTURE_SLICE, place, now, now, now + spent, token, route, events)
    begin(m, core)
    node = m.cores[core + at.C_NODE] + 2 * m.x[at.X_CORES] * at.NODE
    schedule(m, m.z[at.Z_NOW] + spent, node, at.OTHERS)


@inlined
def end_of_capture(m: Machine, core: int) -> None:
    """S12: a packet is in the output buffer."""
    end(m, core)
    m.cores[core + at.G_STATE] = at.IDLE
    packet = m.cores[core + at.G_PACKET]
    stamp_packet(m, packet, at.S_CREATED)
    node = take_node(m)
    m.nodes[node + at.PACKET] = packet
    append(m.nodes, m.cores, core + at.C_OUT_HEAD, node)
    units = at.GENERATOR
    if m.cores[core + at.C_STATE] == at.IDLE:
        units |= at.CONTROLLER
    touch(m, core, units)


@inlined
def append_fetch(m: Machine, head: int, task: int) -> None:
    """Put a task at the end of a list of fetches, which has a link of its own."""
    m.tasks[task + at.NEXT_FETCH] = at.NONE
    if m.cores[head] == at.NONE:
        m.cores[head] = task
    else:
        m.tasks[m.cores[head + 1] + at.NEXT_FETCH] = task
    m.cores[head + 1] = task


@inlined
def start_smpu(m: Machine, core: int) -> None:
    """S18: ask the channel for the next fetches while few enough tasks hold weights."""
    while m.cores[core + at.M_HEAD] != at.NONE and m.cores[core + at.M_HELD] < m.x[at.X_PREFETCH]:
        task = m.cores[core + at.M_HEAD]
        m.cores[core + at.M_HEAD] = m.tasks[task + at.NEXT_FETCH]
        m.cores[core + at.M_HELD] += 1
        append_fetch(m, core + at.M_WAIT_HEAD, task)
        channel = m.cores[core + at.M_CHANNEL]
        if m.channels[channel + at.H_BUSY] == 0:
            call_channel(m, channel)


@inlined
def call_channel(m: Machine, channel: int) -> None:
    """Let a memory channel choose in this cycle's ARBITRATE."""
    if m.channels[channel + at.H_FLAG] == 0:
        m.channels[channel + at.H_FLAG] = 1
        m.calling[m.z[at.Z_CALLING]] = channel
        m.z[at.Z_CALLING] += 1


@inlined
def fetch(m: Machine, channel: int, node: int) -> None:
    """S18: a free channel takes the oldest fetch of the first waiting core in turn."""
    first = m.channels[channel + at.H_FIRST]
    size = m.channels[channel + at.H_END] - first
    start = max(0, m.channels[channel + at.H_POINTER] - first)
    for i in range(size):
        index = start + i
        if index >= size:
            index -= size
        core = (first + index) * at.CORE
        if m.cores[core + at.M_WAIT_HEAD] != at.NONE:
            m.channels[channel + at.H_POINTER] = first + index + 1
            transfer(m, channel, node, core)
            break


@inlined
def transfer(m: Machine, channel: int, node: int, core: int) -> None:
    """S18: the oldest fetch of a core is on the channel, then on its way."""
    task = m.cores[core + at.M_WAIT_HEAD]
    m.cores[core + at.M_WAIT_HEAD] = m.tasks[task + at.NEXT_FETCH]
    bits = m.tasks[task + at.Q_FETCH]
    spent = -(-bits // m.x[at.X_CHANNEL_BITS])
    m.channels[channel + at.H_BUSY] = 1
    m.channels[channel + at.H_BUSY_CYCLES] += spent
    m.channels[channel + at.H_BITS] += bits
    if m.x[at.X_SLICES]:
        now, place = m.z[at.Z_NOW], channel // at.CHANNEL
        item, token = m.tasks[task + at.Q_ITEM], m.tasks[task + at.Q_TOKEN]
        log_slice(m, FETCH_SLICE, place, now, now, now + spent, token, item, bits)
    item, row = m.tasks[task + at.Q_ITEM] * at.ITEM_SIZE, m.tasks[task + at.Q_TOKEN] * m.x[at.X_ROW]
    book(m, item, row, at.FETCHED_BITS, bits)
    book(m, item, row, at.WRITES, bits // at.WORD_BITS)
    there = take_node(m)
    m.nodes[there + at.PACKET] = task
    m.nodes[there + at.PORT] = at.FETCHED - core
    schedule(m, m.z[at.Z_NOW] + spent, node, at.OTHERS)
    schedule(m, m.z[at.Z_NOW] + spent + m.x[at.X_LATENCY], there, at.OTHERS)
