"""Small pieces of the loop, compiled into it: lists, the wheel, asking, booking."""

from __future__ import annotations

import numpy as np

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Ints, Machine, Narrow
from seneca_sim.engine.compiled.pointers import lowest

BITS = np.array([i.bit_count() for i in range(64)], np.int64)
"""Number of bits of a mask of ports."""


@inlined
def take_node(m: Machine) -> int:
    """A node off the free list; there is one, since the loop looks ahead once a cycle."""
    node: int = m.z[at.Z_NODE]
    m.z[at.Z_NODE] = m.nodes[node + at.NEXT]
    m.z[at.Z_NODES] -= 1
    return node


@inlined
def give_node(m: Machine, node: int) -> None:
    """A node back to the free list."""
    m.nodes[node + at.NEXT] = m.z[at.Z_NODE]
    m.z[at.Z_NODE] = node
    m.z[at.Z_NODES] += 1


@inlined
def new_task(m: Machine) -> int:
    """A record off the free list."""
    task: int = m.z[at.Z_TASK]
    m.z[at.Z_TASK] = m.tasks[task]
    m.z[at.Z_TASKS] -= 1
    return task


@inlined
def give_task(m: Machine, task: int) -> None:
    """A record back to the free list."""
    m.tasks[task] = m.z[at.Z_TASK]
    m.z[at.Z_TASK] = task
    m.z[at.Z_TASKS] += 1


@inlined
def schedule(m: Machine, time: int, node: int, kind: int) -> None:
    """Let a node ring in ARRIVE of a later cycle: near ones in the wheel, far ones in the heap."""
    if time - m.z[at.Z_NOW] < at.WHEEL:
        slot = time & (at.WHEEL - 1)
        first = m.wheel[slot * at.LISTS + kind]
        m.nodes[node + at.NEXT] = first
        m.wheel[slot * at.LISTS + kind] = node
        if first == at.NONE:
            m.occupied[slot // at.CHUNK] |= 1 << slot % at.CHUNK
    else:
        push_far(m.heap, m.z, time, node)


@inlined
def ring(m: Machine, kind: int) -> int:
    """Empty a list of this cycle's slot; the first of its nodes, or NONE."""
    place = (m.z[at.Z_NOW] & (at.WHEEL - 1)) * at.LISTS + kind
    node: int = m.wheel[place]
    m.wheel[place] = at.NONE
    return node


@inlined
def next_cycle(m: Machine) -> int:
    """The cycle of the next event, or NONE if there is none; this cycle is over."""
    now = m.z[at.Z_NOW]
    far = m.heap[0] if m.z[at.Z_HEAP] else at.NONE
    slot = now & (at.WHEEL - 1)
    chunk = slot // at.CHUNK
    m.occupied[chunk] &= ~(1 << slot % at.CHUNK)
    ahead = m.occupied[chunk] >> slot % at.CHUNK
    time = at.NONE
    if ahead:
        time = now + lowest(ahead)
    else:
        # Once round, and into the part of the first word that lies behind.
        start = now - slot % at.CHUNK
        for step in range(1, at.WHEEL // at.CHUNK + 1):
            word = m.occupied[(chunk + step) & (at.WHEEL // at.CHUNK - 1)]
            if word:
                time = start + step * at.CHUNK + lowest(word)
                break
    if far >= 0 and (time < 0 or far < time):
        return far
    return time


@inlined
def push_far(heap: Ints, z: Ints, time: int, node: int) -> None:
    """Add to the binary heap of pairs (time, node)."""
    here = z[at.Z_HEAP]
    z[at.Z_HEAP] = here + 1
    while here > 0:
        parent = (here - 1) >> 1
        if heap[2 * parent] <= time:
            break
        heap[2 * here] = heap[2 * parent]
        heap[2 * here + 1] = heap[2 * parent + 1]
        here = parent
    heap[2 * here] = time
    heap[2 * here + 1] = node


@inlined
def pop_far(heap: Ints, z: Ints) -> int:
    """Remove the earliest node from the heap."""
    found: int = heap[1]
    size = z[at.Z_HEAP] - 1
    z[at.Z_HEAP] = size
    time, node = heap[2 * size], heap[2 * size + 1]
    here = 0
    while True:
        child = 2 * here + 1
        if child >= size:
            break
        if child + 1 < size and heap[2 * child + 2] < heap[2 * child]:
            child += 1
        if heap[2 * child] >= time:
            break
        heap[2 * here] = heap[2 * child]
        heap[2 * here + 1] = heap[2 * child + 1]
        here = child
    heap[2 * here] = time
    heap[2 * here + 1] = node
    return found


@inlined
def append(records: Narrow, owner: Narrow, head: int, node: int) -> bool:
    """Put a node at the end of a list, whose head and tail are fields; tell if it was empty."""
    records[node + at.NEXT] = at.NONE
    empty: bool = owner[head] == at.NONE
    if empty:
        owner[head] = node
    else:
        records[owner[head + 1] + at.NEXT] = node
    owner[head + 1] = node
    return empty


@inlined
def touch(m: Machine, core: int, units: int) -> None:
    """Let units of a core look at their queues in this cycle's START."""
    if m.cores[core + at.C_DIRTY] == 0:
        m.dirty[m.z[at.Z_DIRTY]] = core
        m.z[at.Z_DIRTY] += 1
    m.cores[core + at.C_DIRTY] |= units


@inlined
def touch_port(m: Machine, port: int) -> None:
    """Let a port choose in this cycle's ARBITRATE."""
    if m.ports[port + at.P_FLAG] == 0:
        m.ports[port + at.P_FLAG] = 1
        m.asking[m.z[at.Z_ASKING]] = port
        m.z[at.Z_ASKING] += 1


@inlined
def ask(m: Machine, buffer: int) -> None:
    """S6: the head of a buffer asks at every output that it needs."""
    head = m.buffers[buffer + at.B_HEAD]
    mask = m.places[m.nodes[head + at.POSITION]] & 63
    m.buffers[buffer + at.B_FLITS] = m.packets[m.nodes[head + at.PACKET] + at.K_FLITS]
    base, bit = m.buffers[buffer + at.B_PORTS], m.buffers[buffer + at.B_BIT]
    m.buffers[buffer + at.B_COPIES] = BITS[mask]
    while mask:
        port = base + lowest(mask) * at.PORT_SIZE
        mask &= mask - 1
        m.ports[port + at.P_REQUESTS] |= bit
        if m.ports[port + at.P_BUSY] == 0:
            touch_port(m, port)


@inlined
def enter(m: Machine, buffer: int, node: int) -> None:
    """S5: a packet is in a buffer; if it is alone it asks at once."""
    if append(m.nodes, m.buffers, buffer + at.B_HEAD, node):
        ask(m, buffer)


@inlined
def room_is_back(m: Machine, port: int, flits: int) -> None:
    """S5, S6: room behind a port; one that has waited for it chooses again."""
    m.ports[port + at.P_ROOM] += flits
    if m.ports[port + at.P_BLOCKED]:
        touch_port(m, port)


@inlined
def begin(m: Machine, core: int) -> None:
    """S20: a unit of a core starts."""
    if m.cores[core + at.A_UNITS] == 0:
        m.clocks[core // at.CORE_PER_CLOCKS + at.L_ACTIVE_SINCE] = m.z[at.Z_NOW]
    m.cores[core + at.A_UNITS] += 1


@inlined
def end(m: Machine, core: int) -> None:
    """S20: a unit of a core stops."""
    m.cores[core + at.A_UNITS] -= 1
    if m.cores[core + at.A_UNITS] == 0:
        clock = core // at.CORE_PER_CLOCKS
        m.clocks[clock + at.L_ACTIVE] += m.z[at.Z_NOW] - m.clocks[clock + at.L_ACTIVE_SINCE]


@inlined
def book(m: Machine, item: int, token: int, field: int, amount: int) -> None:
    """S16: count actions under an item, a token (by its row) and the present window."""
    m.items[item + at.I_SIMPLE + field] += amount
    m.tokens[token + field] += amount
    m.windows[m.x[at.X_WINDOW] + field] += amount


@inlined
def log_slice(
    m: Machine, unit: int, place: int, since: int, start: int, end: int, token: int, item: int,
    amount: int,
) -> None:  # fmt: skip
    """Add a row to the log of slices, if it touches the window; the caller looks at X_SLICES."""
    if since < m.x[at.X_LOG_END] and end >= m.x[at.X_LOG_FIRST]:
        row = m.z[at.Z_SLICES] * at.SLICE
        m.z[at.Z_SLICES] += 1
        m.slices[row], m.slices[row + 1], m.slices[row + 2] = unit, place, since
        m.slices[row + 3], m.slices[row + 4], m.slices[row + 5] = start, end, token
        m.slices[row + 6], m.slices[row + 7] = item, amount


@inlined
def book_task(m: Machine, token: int, kind: int, events: int) -> None:
    """S16: count a task of a kind under token and window."""
    here = at.SIMPLE + 2 * kind
    m.tokens[token + here] += 1
    m.tokens[token + here + 1] += events
    window = m.x[at.X_WINDOW] + here
    m.windows[window] += 1
    m.windows[window + 1] += events
