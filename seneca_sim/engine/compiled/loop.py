"""The event loop: the rules of docs/semantics.md on arrays, cycle by cycle.

A cycle has its three phases. Only ARRIVE events lie in the future: they ring from the wheel, or
from the heap when they are far. In START the cores that something has happened to look at their
queues; in ARBITRATE the outputs and memory channels that were asked choose. The loop returns when
the run is over, or when its caller must do something that compiled code cannot: make room, or
call back; then it is called again.
"""

from __future__ import annotations

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined, kernel
from seneca_sim.engine.compiled.controller import advance, start_controller
from seneca_sim.engine.compiled.host import answer, offer
from seneca_sim.engine.compiled.machine import Machine, bare
from seneca_sim.engine.compiled.parts import (
    BITS,
    append,
    enter,
    give_node,
    next_cycle,
    pop_far,
    ring,
    room_is_back,
    touch,
)
from seneca_sim.engine.compiled.pointers import prefetch
from seneca_sim.engine.compiled.routers import choose, copy_left, grant
from seneca_sim.engine.compiled.units import (
    call_channel,
    end_of_capture,
    end_of_task,
    fetch,
    start_generator,
    start_npes,
    start_smpu,
)


@kernel
def run(arrays: Machine) -> int:
    """Run until the end, or until the caller is needed; returns why."""
    m = bare(arrays)
    while True:
        if m.z[at.Z_RESUME] == 0:
            why = wanted(m, arrays.windows.size, arrays.log.size, arrays.slices.size)
            if why != at.FINISHED:
                return why
            arrivals(m)
            if not starts(m):
                return at.WINDOW_BROKEN
        if m.z[at.Z_HOST_DIRTY]:
            m.z[at.Z_TURNS] += 1
            if not offer(m):
                m.z[at.Z_RESUME] = 1
                return at.MORE_NODES if m.z[at.Z_NODES] < at.SPARE else at.MORE_PACKETS
            m.z[at.Z_HOST_DIRTY] = 0
        m.z[at.Z_RESUME] = 0
        arbitrate(m)
        time = next_cycle(m)
        if time < 0:
            return at.FINISHED
        m.z[at.Z_NOW] = time
        if m.x[at.X_PROGRESS] and m.z[at.Z_DONE] > m.z[at.Z_TOLD]:
            return at.TOKEN_DONE


@inlined
def wanted(m: Machine, windows: int, log: int, slices: int) -> int:
    """What the caller must make longer before this cycle; FINISHED if nothing."""
    now = m.z[at.Z_NOW]
    if m.z[at.Z_NODES] < m.x[at.X_NODE_MARGIN]:
        return at.MORE_NODES
    if m.z[at.Z_PACKETS] < m.x[at.X_PACKET_MARGIN]:
        return at.MORE_PACKETS
    if m.z[at.Z_TASKS] < m.x[at.X_TASK_MARGIN]:
        return at.MORE_TASKS
    if m.x[at.X_LOG] and m.z[at.Z_LOG] + m.x[at.X_LOG_MARGIN] > log // at.LOG_FIELDS:
        return at.LOG_FULL
    if m.x[at.X_SLICES] and m.z[at.Z_SLICES] + m.x[at.X_SLICE_MARGIN] > slices // at.SLICE:
        return at.LOG_FULL
    if now >= m.x[at.X_WINDOW_END]:
        window = now // m.x[at.X_WINDOW_CYCLES]
        m.x[at.X_WINDOW] = window * m.x[at.X_ROW]
        m.x[at.X_WINDOW_END] = (window + 1) * m.x[at.X_WINDOW_CYCLES]
    return at.MORE_WINDOWS if m.x[at.X_WINDOW] + m.x[at.X_ROW] > windows else at.FINISHED


@inlined
def arrivals(m: Machine) -> None:
    """ARRIVE: everything that rings in this cycle, one kind after another."""
    controllers = m.x[at.X_PORTS] * at.NODE
    node = ring(m, at.LINKS)
    while node != at.NONE:
        after = m.nodes[node + at.NEXT]
        prefetch(m.ports, after * at.PORT_PER_NODE)
        m.z[at.Z_WAKEUPS] += 1
        copy_left(m, node * at.PORT_PER_NODE)
        node = after
    node = ring(m, at.ROUTERS)
    while node != at.NONE:
        after = m.nodes[node + at.NEXT]
        prefetch(m.nodes, after)
        m.z[at.Z_WAKEUPS] += 1
        arrive(m, node)
        node = after
    node = ring(m, at.CONTROLLERS)
    while node != at.NONE:
        after = m.nodes[node + at.NEXT]
        prefetch(m.cores, (after - controllers) * (at.CORE // at.NODE))
        m.z[at.Z_WAKEUPS] += 1
        advance(m, (node - controllers) * (at.CORE // at.NODE))
        node = after
    node = ring(m, at.OTHERS)
    while node != at.NONE:
        after = m.nodes[node + at.NEXT]
        wake(m, node)
        node = after
    while m.z[at.Z_HEAP] and m.heap[0] == m.z[at.Z_NOW]:
        wake(m, pop_far(m.heap, m.z))


@inlined
def wake(m: Machine, node: int) -> None:
    """An event of any kind; which node rings says what it is."""
    m.z[at.Z_WAKEUPS] += 1
    per_core = at.CORE // at.NODE
    controllers = m.x[at.X_PORTS] * at.NODE
    npes = controllers + m.x[at.X_CORES] * at.NODE
    generators = npes + m.x[at.X_CORES] * at.NODE
    memories = generators + m.x[at.X_CORES] * at.NODE
    records = memories + m.x[at.X_CHANNELS] * at.NODE
    if node >= records:
        if m.nodes[node + at.PORT] < 0:
            weights_there(m, node)
        else:
            arrive(m, node)
    elif node < controllers:
        copy_left(m, node * at.PORT_PER_NODE)
    elif node < npes:
        advance(m, (node - controllers) * per_core)
    elif node < generators:
        end_of_task(m, (node - npes) * per_core)
    elif node < memories:
        end_of_capture(m, (node - generators) * per_core)
    else:
        channel = (node - memories) // at.NODE * at.CHANNEL
        m.channels[channel + at.H_BUSY] = 0
        call_channel(m, channel)


@inlined
def weights_there(m: Machine, node: int) -> None:
    """S18: the weights of a task are in the core."""
    core = at.FETCHED - m.nodes[node + at.PORT]
    m.tasks[m.nodes[node + at.PACKET] + at.Q_READY] = 1
    give_node(m, node)
    if m.cores[core + at.N_STATE] == at.IDLE:
        touch(m, core, at.NPES)


@inlined
def arrive(m: Machine, node: int) -> None:
    """A packet is at the far end of a link: a router, a core, the host."""
    port = m.nodes[node + at.PORT]
    if port & at.LEAVING:
        port -= at.LEAVING
        copy_left(m, port)
    side = m.ports[port + at.P_SIDE]
    if side < at.TO_CORE:
        enter(m, m.ports[port + at.P_SINK], node)
    elif side == at.TO_CORE:
        core = m.ports[port + at.P_SINK]
        if m.x[at.X_LOG]:
            m.arrivals[node // at.NODE] = m.z[at.Z_NOW]
        append(m.nodes, m.cores, core + at.C_IN_HEAD, node)
        if m.cores[core + at.C_STATE] == at.IDLE:
            touch(m, core, at.CONTROLLER)
    else:
        packet = m.nodes[node + at.PACKET]
        room_is_back(m, port, m.packets[packet + at.K_FLITS])
        answer(m, packet)
        give_node(m, node)


@inlined
def starts(m: Machine) -> bool:
    """START: whatever was touched looks at its queues; False if the program breaks S14."""
    for i in range(m.z[at.Z_DIRTY]):
        core = m.dirty[i]
        units = m.cores[core + at.C_DIRTY]
        m.cores[core + at.C_DIRTY] = 0
        m.z[at.Z_TURNS] += BITS[units]
        if units & at.SMPU:
            start_smpu(m, core)
        if units & at.NPES:
            start_npes(m, core)
        if units & at.GENERATOR:
            start_generator(m, core)
        if units & at.CONTROLLER and not start_controller(m, core):
            return False
    m.z[at.Z_DIRTY] = 0
    return True


@inlined
def arbitrate(m: Machine) -> None:
    """ARBITRATE: ports, then memory channels, that were asked choose."""
    for i in range(m.z[at.Z_ASKING]):
        port = m.asking[i]
        m.ports[port + at.P_FLAG] = 0
        index = choose(m, port)
        if index >= 0:
            grant(m, port, index)
        elif m.ports[port + at.P_BLOCKED] == 0:
            m.ports[port + at.P_BLOCKED] = 1
            m.since[port // at.PORT_SIZE] = m.z[at.Z_NOW]
    m.z[at.Z_TURNS] += m.z[at.Z_ASKING]
    m.z[at.Z_ASKING] = 0
    memories = (m.x[at.X_PORTS] + 3 * m.x[at.X_CORES]) * at.NODE
    for i in range(m.z[at.Z_CALLING]):
        channel = m.calling[i]
        m.channels[channel + at.H_FLAG] = 0
        fetch(m, channel, memories + channel // at.CHANNEL * at.NODE)
    m.z[at.Z_TURNS] += m.z[at.Z_CALLING]
    m.z[at.Z_CALLING] = 0
