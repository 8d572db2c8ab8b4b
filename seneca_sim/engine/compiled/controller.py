"""What a core's controller does when it is its turn, compiled into the loop (S8-S10, S13, S14)."""

from __future__ import annotations

from numba.extending import register_jitable

from seneca_sim.cost import timing
from seneca_sim.engine.activity import BLOCKED_SLICE
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.packets import (
    credit,
    finish,
    new_packet,
    one_copy,
    stamp_packet,
    window_open,
)
from seneca_sim.engine.compiled.parts import (
    append,
    begin,
    book,
    end,
    enter,
    give_node,
    log_slice,
    new_task,
    room_is_back,
    schedule,
    take_node,
    touch,
)
from seneca_sim.engine.compiled.pointers import prefetch
from seneca_sim.engine.compiled.units import append_fetch

closing_group = register_jitable(timing.closing_group)


@inlined
def work(m: Machine, core: int, item: int, token: int, instructions: int, booked: int) -> bool:
    """Run instructions, `booked` of them already; none take no time. Tell if there is a wait."""
    if instructions + booked == 0:
        return False
    spent = (instructions + booked) * m.x[at.X_CYCLES_PER]
    m.clocks[core // at.CORE_PER_CLOCKS + at.L_CONTROLLER] += spent
    m.cores[core + at.C_STATE] = at.WORKING
    book(m, item, token * m.x[at.X_ROW], at.INSTRUCTIONS, instructions)
    begin(m, core)
    schedule(m, m.z[at.Z_NOW] + spent, m.cores[core + at.C_NODE], at.CONTROLLERS)
    return True


@inlined
def start_controller(m: Machine, core: int) -> bool:
    """S8: look for work, input first, and begin it; False if the program breaks S14."""
    node, head = m.cores[core + at.C_IN_HEAD], m.cores[core + at.C_OUT_HEAD]
    can_send = stuck = False
    if head != at.NONE:
        packet = m.nodes[head + at.PACKET]
        opened = window_open(m, m.packets[packet + at.K_ROUTE], m.packets[packet + at.K_TOKEN])
        flits = m.packets[packet + at.K_FLITS]
        room = m.cores[core + at.C_OUT_USED] + flits <= m.x[at.X_OUTPUT_ROOM]
        can_send = opened and room
        stuck = m.x[at.X_UNSAFE] != 0 and opened and not room
        if not can_send and m.cores[core + at.C_BARRED] == 0:
            m.cores[core + at.C_BARRED] = 1
            m.clocks[core // at.CORE_PER_CLOCKS + at.L_OUT_SINCE] = m.z[at.Z_NOW]
    if node != at.NONE and not stuck:
        return receive(m, core, node)
    if can_send:
        send(m, core, head)
    return True


@inlined
def receive(m: Machine, core: int, node: int) -> bool:
    """S9: begin with the packet at the head of the input queue; False if S14 is broken."""
    packet = m.nodes[node + at.PACKET]
    token = m.packets[packet + at.K_TOKEN]
    if m.x[at.X_LOG]:
        clock = core // at.CORE_PER_CLOCKS
        m.clocks[clock + at.L_STARTED] = m.z[at.Z_NOW]
        m.clocks[clock + at.L_STALLED] = m.clocks[clock + at.L_BLOCKED]
    m.cores[core + at.C_TOKEN] = token
    prefetch(m.nodes, m.nodes[node + at.NEXT])
    leaves = m.packets[packet + at.K_LEAVES]
    if leaves == at.NONE:
        pays = m.routes[m.packets[packet + at.K_ROUTE] + at.R_PAYS]
        m.cores[core + at.C_NEXT_STEP] = at.CREDITED
        work(m, core, pays, token, m.x[at.X_PACKET_IN], 0)
        return True
    item = m.leaves[leaves + m.cores[core + at.C_NUMBER]]
    events = m.packets[packet + at.K_EVENTS]
    row = item * at.ITEM_SIZE
    m.items[row + at.I_IN] += events
    book(m, row, token * m.x[at.X_ROW], at.MEMORY, events * m.x[at.X_ACCESSES])
    vector = (item * m.x[at.X_SLOTS] + token % m.x[at.X_SLOTS]) * at.VECTOR
    if m.vectors[vector + at.V_TOKEN] != token:
        stage = m.consumers[item * at.CONSUMER + at.U_STAGE] * at.STAGE_SIZE
        if token - m.stages[stage + at.S_FINISHED] >= m.x[at.X_DEPTH]:
            m.z[at.Z_ITEM], m.z[at.Z_SEEN] = item, token
            return False
        m.vectors[vector + at.V_TOKEN] = token
        m.vectors[vector + at.V_OPEN] = 0
        m.vectors[vector + at.V_ENDS] = 0
        m.vectors[vector + at.V_DUE] = 0
    m.cores[core + at.C_ITEM] = item
    m.cores[core + at.C_VECTOR] = vector
    m.cores[core + at.C_LEFT] = events
    if not take(m, core, m.x[at.X_PACKET_IN]):
        join(m, core)
    return True


@inlined
def take(m: Machine, core: int, instructions: int) -> bool:
    """S9, S10: the next stretch, up to a full group or the packet's end. Tell if it takes time."""
    item, vector = m.cores[core + at.C_ITEM], m.cores[core + at.C_VECTOR]
    left = m.cores[core + at.C_LEFT]
    consumer = item * at.CONSUMER
    grouped = m.consumers[consumer + at.U_GROUPED]
    opened = m.vectors[vector + at.V_OPEN]
    closing = closing_group(opened, left, m.x[at.X_GROUP]) if grouped else 0
    step = at.TAKEN
    if closing:
        m.cores[core + at.C_LEFT] = left - closing
        m.vectors[vector + at.V_OPEN] = 0
        instructions += closing * m.x[at.X_EVENT_IN] + m.x[at.X_TASK]
        step = at.PUSH_GROUP
    else:
        instructions += left * m.x[at.X_EVENT_IN]
        opened += left if grouped else 0
        m.vectors[vector + at.V_OPEN] = opened
        if is_complete(m, core, consumer, vector):
            m.vectors[vector + at.V_TOKEN] = at.NONE
            step = at.JOIN
            if opened:
                instructions += m.x[at.X_TASK]
                step = at.PUSH_REST
    m.cores[core + at.C_NEXT_STEP] = step
    if step == at.JOIN:
        m.cores[core + at.C_CARRIED] = instructions
        return False
    token = m.cores[core + at.C_TOKEN]
    return work(m, core, item * at.ITEM_SIZE, token, instructions, 0)


@inlined
def is_complete(m: Machine, core: int, consumer: int, vector: int) -> bool:
    """S10: book the end of a packet in its vector; tell if it was the last one."""
    packet = m.nodes[m.cores[core + at.C_IN_HEAD] + at.PACKET]
    ends: int = m.vectors[vector + at.V_ENDS] + m.packets[packet + at.K_LAST]
    m.vectors[vector + at.V_ENDS] = ends
    if m.x[at.X_ANNOUNCE]:
        m.vectors[vector + at.V_DUE] += m.packets[packet + at.K_ANNOUNCED]
        m.vectors[vector + at.V_DUE] -= m.packets[packet + at.K_EVENTS]
    wanted: int = m.consumers[consumer + at.U_SOURCES]
    due: int = m.vectors[vector + at.V_DUE]
    return ends == wanted and due == 0


@inlined
def join(m: Machine, core: int) -> bool:
    """S10: a vector is complete; after the last one that a stage needs comes the stage."""
    item, token = m.cores[core + at.C_ITEM], m.cores[core + at.C_TOKEN]
    stage = m.consumers[item * at.CONSUMER + at.U_STAGE]
    wait = stage * m.x[at.X_SLOTS] + token % m.x[at.X_SLOTS]
    instructions = m.cores[core + at.C_CARRIED]
    m.cores[core + at.C_CARRIED] = 0
    m.waits[wait] += 1
    booked = 0
    m.cores[core + at.C_NEXT_STEP] = at.TAKEN
    if m.waits[wait] == m.stages[stage * at.STAGE_SIZE + at.S_NEEDS]:
        m.waits[wait] = 0
        booked = m.x[at.X_TASK]
        row = (m.x[at.X_CONSUMERS] + stage) * at.ITEM_SIZE
        book(m, row, token * m.x[at.X_ROW], at.INSTRUCTIONS, booked)
        m.cores[core + at.C_NEXT_STEP] = at.PUSH_STAGE
    return work(m, core, item * at.ITEM_SIZE, token, instructions, booked)


@inlined
def send(m: Machine, core: int, head: int) -> None:
    """S13: begin to send the packet at the head of the output buffer, or its next copy (S7)."""
    if m.cores[core + at.C_BARRED]:
        m.cores[core + at.C_BARRED] = 0
        clock = core // at.CORE_PER_CLOCKS
        m.clocks[clock + at.L_OUT_BLOCKED] += m.z[at.Z_NOW] - m.clocks[clock + at.L_OUT_SINCE]
    packet, node = m.nodes[head + at.PACKET], head
    if m.x[at.X_UNICAST]:
        copy = m.cores[core + at.C_OUT_COPY]
        if copy + 1 < m.routes[m.packets[packet + at.K_ROUTE] + at.R_TARGETS]:
            m.cores[core + at.C_OUT_COPY] = copy + 1
            node, packet = take_node(m), twin(m, packet)
        else:
            m.cores[core + at.C_OUT_COPY] = 0
            m.cores[core + at.C_OUT_HEAD] = m.nodes[head + at.NEXT]
        one_copy(m, packet, copy)
    else:
        m.cores[core + at.C_OUT_HEAD] = m.nodes[head + at.NEXT]
    flits = m.packets[packet + at.K_FLITS]
    m.nodes[node + at.PACKET] = packet
    m.nodes[node + at.POSITION] = m.packets[packet + at.K_ROOT]
    used = m.cores[core + at.C_OUT_USED] + flits
    m.cores[core + at.C_OUT_USED] = used
    if used > m.cores[core + at.C_OUT_PEAK]:
        m.cores[core + at.C_OUT_PEAK] = used
    m.cores[core + at.C_SENDING] = node
    m.cores[core + at.C_NEXT_STEP] = at.SENT
    item, token = m.packets[packet + at.K_ITEM], m.packets[packet + at.K_TOKEN]
    events = m.packets[packet + at.K_EVENTS]
    book(m, item, token * m.x[at.X_ROW], at.READS, at.WORDS_PER_EVENT * events)
    work(m, core, item, token, m.x[at.X_PACKET_OUT] + events * m.x[at.X_EVENT_OUT], 0)


@inlined
def twin(m: Machine, original: int) -> int:
    """A copy of a packet's record."""
    packet = new_packet(m)
    for field in range(at.PACKET_SIZE):
        m.packets[packet + field] = m.packets[original + field]
    if m.x[at.X_LOG]:
        mine, other = packet // at.PACKET_PER_STAMPS, original // at.PACKET_PER_STAMPS
        m.stamps[mine + at.S_CREATED] = m.stamps[other + at.S_CREATED]
    return packet


@inlined
def advance(m: Machine, core: int) -> None:
    """Go on with a controller in ARRIVE, until it must wait or is idle."""
    if m.cores[core + at.C_STATE] == at.CALLED:
        clock = core // at.CORE_PER_CLOCKS
        m.clocks[clock + at.L_BLOCKED] += m.z[at.Z_NOW] - m.clocks[clock + at.L_BLOCKED_SINCE]
        if m.x[at.X_SLICES]:
            log_blocked(m, core)
    else:
        end(m, core)
    while True:
        step = m.cores[core + at.C_NEXT_STEP]
        if step == at.TAKE:
            if take(m, core, 0):
                return
        elif step == at.JOIN:
            if join(m, core):
                return
        elif step >= at.PUSH_GROUP and step <= at.PUSH_STAGE:
            if m.cores[core + at.N_WAITING] >= m.x[at.X_FIFO]:
                m.cores[core + at.C_STATE] = at.BLOCKED
                clock = core // at.CORE_PER_CLOCKS
                m.clocks[clock + at.L_BLOCKED_SINCE] = m.z[at.Z_NOW]
                return
            push_next(m, core, step)
        elif step == at.CREDITED:
            credit(m, m.nodes[m.cores[core + at.C_IN_HEAD] + at.PACKET])
            m.cores[core + at.C_NEXT_STEP] = at.TAKEN
        else:
            if step == at.TAKEN:
                release(m, core)
            else:
                node = m.cores[core + at.C_SENDING]
                stamp_packet(m, m.nodes[node + at.PACKET], at.S_INJECTED)
                enter(m, m.cores[core + at.C_LOCAL_BUFFER], node)
            m.cores[core + at.C_STATE] = at.IDLE
            if m.cores[core + at.C_IN_HEAD] != at.NONE or m.cores[core + at.C_OUT_HEAD] != at.NONE:
                touch(m, core, at.CONTROLLER)
            return


@inlined
def log_blocked(m: Machine, core: int) -> None:
    """S17: the controller has waited until now for room in the task FIFO."""
    item, place = m.cores[core + at.C_ITEM], m.cores[core + at.C_NUMBER]
    if m.cores[core + at.C_NEXT_STEP] == at.PUSH_STAGE:
        item = m.x[at.X_CONSUMERS] + m.consumers[item * at.CONSUMER + at.U_STAGE]
    since, now = m.clocks[core // at.CORE_PER_CLOCKS + at.L_BLOCKED_SINCE], m.z[at.Z_NOW]
    token = m.cores[core + at.C_TOKEN]
    log_slice(m, BLOCKED_SLICE, place, since, since, now, token, item, 0)


@inlined
def push_next(m: Machine, core: int, step: int) -> None:
    """S9, S10: push the group or stage whose turn it is, and say what follows."""
    item, vector = m.cores[core + at.C_ITEM], m.cores[core + at.C_VECTOR]
    consumer = item * at.CONSUMER
    stage, group, after = at.NONE, m.x[at.X_GROUP], at.TAKE
    if step == at.PUSH_REST:
        group, after = m.vectors[vector + at.V_OPEN], at.JOIN
        m.vectors[vector + at.V_OPEN] = 0
        m.cores[core + at.C_CARRIED] = 0
    elif step == at.PUSH_STAGE:
        stage, group, after = m.consumers[consumer + at.U_STAGE], 0, at.TAKEN
        item = m.x[at.X_CONSUMERS] + stage
        stage *= at.STAGE_SIZE
    fetch = 0 if step == at.PUSH_STAGE else group * m.consumers[consumer + at.U_FETCH]
    push_task(m, core, item, group, stage, fetch)
    m.cores[core + at.C_NEXT_STEP] = after


@inlined
def push_task(m: Machine, core: int, item: int, group: int, stage: int, fetch: int) -> None:
    """S9: a task into the FIFO, its fetch to the SMPU."""
    task, tasks = new_task(m), m.tasks
    tasks[task + at.Q_ITEM], tasks[task + at.Q_TOKEN] = item, m.cores[core + at.C_TOKEN]
    tasks[task + at.Q_GROUP], tasks[task + at.Q_STAGE] = group, stage
    tasks[task + at.Q_FETCH], tasks[task + at.Q_READY] = fetch, fetch == 0
    if m.x[at.X_SLICES]:
        m.pushed[task // at.TASK_SIZE] = m.z[at.Z_NOW]
    append(tasks, m.cores, core + at.N_HEAD, task)
    waiting = m.cores[core + at.N_WAITING] + 1
    m.cores[core + at.N_WAITING] = waiting
    if waiting > m.cores[core + at.N_PEAK]:
        m.cores[core + at.N_PEAK] = waiting
    units = at.NPES if m.cores[core + at.N_STATE] == at.IDLE else 0
    if fetch:
        append_fetch(m, core + at.M_HEAD, task)
        units |= at.SMPU
    if units:
        touch(m, core, units)


@inlined
def release(m: Machine, core: int) -> None:
    """S8: the controller is done with a packet, and its room in the input queue is given back."""
    node = m.cores[core + at.C_IN_HEAD]
    m.cores[core + at.C_IN_HEAD] = m.nodes[node + at.NEXT]
    packet = m.nodes[node + at.PACKET]
    room_is_back(m, m.cores[core + at.C_LOCAL_PORT], m.packets[packet + at.K_FLITS])
    arrived = started = stalled = 0
    if m.x[at.X_LOG]:
        clock = core // at.CORE_PER_CLOCKS
        arrived = m.arrivals[node // at.NODE]
        started = m.clocks[clock + at.L_STARTED]
        stalled = m.clocks[clock + at.L_BLOCKED] - m.clocks[clock + at.L_STALLED]
    finish(m, packet, m.cores[core + at.C_NUMBER], arrived, started, stalled)
    give_node(m, node)
