"""Small pieces of the loop, compiled into it: lists, the wheel, asking, booking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined

Ints = NDArray[np.int64]

LOWEST = np.array([0] + [(i & -i).bit_length() - 1 for i in range(1, 64)], np.int64)
"""Index of the lowest bit of a mask of ports."""
BITS = np.array([i.bit_count() for i in range(64)], np.int64)
"""Number of bits of a mask of ports."""


@inlined
def take_node(nodes: Ints, z: Ints) -> int:
    """A node off the free list; there is one, since the loop looks ahead once a cycle."""
    node: int = z[at.Z_NODE]
    z[at.Z_NODE] = nodes[node + at.NEXT]
    z[at.Z_NODES] -= 1
    return node


@inlined
def give_node(nodes: Ints, z: Ints, node: int) -> None:
    """A node back to the free list."""
    nodes[node + at.NEXT] = z[at.Z_NODE]
    z[at.Z_NODE] = node
    z[at.Z_NODES] += 1


@inlined
def give_packet(packets: Ints, z: Ints, packet: int) -> None:
    """A packet's record back to the free list."""
    packets[packet] = z[at.Z_PACKET]
    z[at.Z_PACKET] = packet
    z[at.Z_PACKETS] += 1


@inlined
def schedule(nodes: Ints, wheel: Ints, heap: Ints, z: Ints, time: int, node: int) -> None:
    """Let a node ring in ARRIVE of a later cycle: near ones in the wheel, far ones in the heap."""
    if time - z[at.Z_NOW] < at.WHEEL:
        slot = time & (at.WHEEL - 1)
        nodes[node + at.NEXT] = wheel[slot]
        wheel[slot] = node
    else:
        push_far(heap, z, time, node)


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
def append(nodes: Ints, owner: Ints, head: int, node: int) -> bool:
    """Put a node at the end of a list, whose head and tail are fields; tell if it was empty."""
    nodes[node + at.NEXT] = at.NONE
    empty: bool = owner[head] == at.NONE
    if empty:
        owner[head] = node
    else:
        nodes[owner[head + 1] + at.NEXT] = node
    owner[head + 1] = node
    return empty


@inlined
def touch(cores: Ints, dirty: Ints, z: Ints, core: int, units: int) -> None:
    """Let units of a core look at their queues in this cycle's START."""
    if cores[core + at.C_DIRTY] == 0:
        dirty[z[at.Z_DIRTY]] = core
        z[at.Z_DIRTY] += 1
    cores[core + at.C_DIRTY] |= units


@inlined
def touch_port(ports: Ints, asking: Ints, z: Ints, port: int) -> None:
    """Let a port choose in this cycle's ARBITRATE."""
    if ports[port + at.P_FLAG] == 0:
        ports[port + at.P_FLAG] = 1
        asking[z[at.Z_ASKING]] = port
        z[at.Z_ASKING] += 1


@inlined
def ask(
    nodes: Ints, ports: Ints, buffers: Ints, places: Ints, port_at: Ints, asking: Ints, z: Ints,
    buffer: int,
) -> None:  # fmt: skip
    """S6: the head of a buffer asks at every output that it needs."""
    mask = places[nodes[buffers[buffer + at.B_HEAD] + at.POSITION]] & 63
    base, bit = buffers[buffer + at.B_PORTS], buffers[buffer + at.B_BIT]
    buffers[buffer + at.B_COPIES] = BITS[mask]
    while mask:
        port = port_at[base + LOWEST[mask]]
        mask &= mask - 1
        ports[port + at.P_REQUESTS] |= bit
        if ports[port + at.P_BUSY] == 0:
            touch_port(ports, asking, z, port)


@inlined
def enter(
    nodes: Ints, ports: Ints, buffers: Ints, places: Ints, port_at: Ints, asking: Ints, z: Ints,
    buffer: int, node: int,
) -> None:  # fmt: skip
    """S5: a packet is in a buffer; if it is alone it asks at once."""
    if append(nodes, buffers, buffer + at.B_HEAD, node):
        ask(nodes, ports, buffers, places, port_at, asking, z, buffer)


@inlined
def begin(cores: Ints, core: int, now: int) -> None:
    """S20: a unit of a core starts."""
    if cores[core + at.A_UNITS] == 0:
        cores[core + at.A_SINCE] = now
    cores[core + at.A_UNITS] += 1


@inlined
def end(cores: Ints, core: int, now: int) -> None:
    """S20: a unit of a core stops."""
    cores[core + at.A_UNITS] -= 1
    if cores[core + at.A_UNITS] == 0:
        cores[core + at.A_CYCLES] += now - cores[core + at.A_SINCE]


@inlined
def book(
    items: Ints, tokens: Ints, windows: Ints, item: int, token: int, window: int, field: int,
    amount: int,
) -> None:  # fmt: skip
    """S16: count actions under item, token and window, all three given by their rows."""
    items[item + field] += amount
    tokens[token + field] += amount
    windows[window + field] += amount


@inlined
def book_task(tokens: Ints, windows: Ints, token: int, window: int, kind: int, events: int) -> None:
    """S16: count a task of a kind under token and window."""
    here = at.SIMPLE + 2 * kind
    tokens[token + here] += 1
    tokens[token + here + 1] += events
    windows[window + here] += 1
    windows[window + here + 1] += events
