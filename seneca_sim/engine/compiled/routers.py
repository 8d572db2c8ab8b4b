"""Links and routers, compiled into the loop (S5-S7, S19)."""

from __future__ import annotations

from seneca_sim.engine.activity import LINK_SLICE
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.parts import (
    BITS,
    ask,
    give_node,
    log_slice,
    room_is_back,
    schedule,
    take_node,
    touch,
    touch_port,
)
from seneca_sim.engine.compiled.pointers import lowest, prefetch


@inlined
def buffer_of(port: int, index: int) -> int:
    """An input of the router to which an output belongs."""
    node = port // (at.DIRECTIONS * at.PORT_SIZE)
    return (node * at.DIRECTIONS + index) * at.BUFFER


@inlined
def choose(m: Machine, port: int) -> int:
    """S6, S19: the input that may send now, or NONE if there is no room for the one in turn."""
    pointer, requests = m.ports[port + at.P_POINTER], m.ports[port + at.P_REQUESTS]
    room, slot = m.ports[port + at.P_ROOM], m.ports[port + at.P_SLOT]
    turned = ((requests >> pointer) | (requests << (6 - pointer))) & 63
    found = at.NONE
    while turned:
        index = pointer + lowest(turned)
        if index >= 6:
            index -= 6
        if slot == 0:
            if m.buffers[buffer_of(port, index) + at.B_FLITS] <= room:
                found = index
            break
        if slot * (1 if index == m.ports[port + at.P_RING] else 2) <= room:
            found = index
            break
        turned &= turned - 1
    return found


@inlined
def grant(m: Machine, port: int, index: int) -> None:
    """S5: reserve the room behind the link and send the head of an input."""
    now = m.z[at.Z_NOW]
    ports, nodes = m.ports, m.nodes
    if ports[port + at.P_BLOCKED]:
        ports[port + at.P_BLOCKED] = 0
        m.traffic[port // at.PORT_PER_TRAFFIC + at.T_BLOCKED] += now - m.since[port // at.PORT_SIZE]
    buffer = buffer_of(port, index)
    head = m.buffers[buffer + at.B_HEAD]
    packet, position = nodes[head + at.PACKET], nodes[head + at.POSITION]
    flits = m.buffers[buffer + at.B_FLITS]
    prefetch(nodes, nodes[head + at.NEXT])
    between, side = ports[port + at.P_BETWEEN], ports[port + at.P_SIDE]
    serial = m.serials[m.x[at.X_SERIALS + between] + flits]
    ports[port + at.P_REQUESTS] &= ~(1 << index)
    ports[port + at.P_FROM] = buffer
    ports[port + at.P_BUSY] = 1
    if m.x[at.X_ROTATE]:
        ports[port + at.P_POINTER] = index + 1 if index < 5 else 0
    slot = ports[port + at.P_SLOT]
    room = ports[port + at.P_ROOM] - (slot if slot else flits)
    ports[port + at.P_ROOM] = room
    if room < ports[port + at.P_LEAST]:
        ports[port + at.P_LEAST] = room
    ports[port + at.P_FLITS] += flits
    ports[port + at.P_PACKETS] += 1
    ports[port + at.P_BUSY_CYCLES] += serial
    if ports[port + at.P_FLITS] > at.CARRY or ports[port + at.P_BUSY_CYCLES] > at.CARRY:
        carry(m, port)
    if m.x[at.X_SLICES]:
        log_link(m, port, packet, serial)
    m.packets[packet + at.K_HOPS] += flits
    m.windows[m.x[at.X_WINDOW] + at.FLIT_HOPS] += flits
    if between:
        m.packets[packet + at.K_BETWEEN] += flits
        m.windows[m.x[at.X_WINDOW] + at.BOUNDARY_BITS] += flits * m.x[at.X_FLIT_BITS]
    node = take_node(m)
    nodes[node + at.PACKET] = packet
    after = m.x[at.X_HOP + between]
    kind = at.ROUTERS
    if side < at.TO_CORE:
        place = m.places[position]
        position = (place >> 6) + BITS[place & ((1 << side) - 1)]
        after += (serial - 1) * between
    else:
        after += serial - 1
        kind = at.OTHERS
    nodes[node + at.POSITION] = position
    nodes[node + at.PORT] = port + at.LEAVING * (after == serial)
    if after != serial:
        schedule(m, now + serial, port // at.PORT_PER_NODE, at.LINKS)
    schedule(m, now + after, node, kind)


@inlined
def log_link(m: Machine, port: int, packet: int, serial: int) -> None:
    """S17: a packet is on a link; the port's number, whether or not it leads somewhere."""
    now, route = m.z[at.Z_NOW], m.packets[packet + at.K_ROUTE] // at.ROUTE
    token, flits = m.packets[packet + at.K_TOKEN], m.packets[packet + at.K_FLITS]
    place = port // at.PORT_SIZE
    log_slice(m, LINK_SLICE, place, now, now, now + serial, token, route, flits)


@inlined
def carry(m: Machine, port: int) -> None:
    """Empty the narrow counters of a port into the wide ones."""
    traffic = port // at.PORT_PER_TRAFFIC
    m.traffic[traffic + at.T_FLITS] += m.ports[port + at.P_FLITS]
    m.traffic[traffic + at.T_PACKETS] += m.ports[port + at.P_PACKETS]
    m.traffic[traffic + at.T_BUSY] += m.ports[port + at.P_BUSY_CYCLES]
    m.ports[port + at.P_FLITS] = 0
    m.ports[port + at.P_PACKETS] = 0
    m.ports[port + at.P_BUSY_CYCLES] = 0


@inlined
def copy_left(m: Machine, port: int) -> None:
    """S5, S7: a link is free; with the last copy the place in the buffer is free."""
    m.ports[port + at.P_BUSY] = 0
    buffer = m.ports[port + at.P_FROM]
    copies = m.buffers[buffer + at.B_COPIES] - 1
    m.buffers[buffer + at.B_COPIES] = copies
    if copies == 0:
        node = m.buffers[buffer + at.B_HEAD]
        m.buffers[buffer + at.B_HEAD] = m.nodes[node + at.NEXT]
        leave_buffer(m, buffer, m.buffers[buffer + at.B_FLITS])
        give_node(m, node)
        if m.buffers[buffer + at.B_HEAD] != at.NONE:
            ask(m, buffer)
    if m.ports[port + at.P_REQUESTS]:
        touch_port(m, port)


@inlined
def leave_buffer(m: Machine, buffer: int, flits: int) -> None:
    """S5: room goes back to whoever sends into this buffer."""
    upstream = m.buffers[buffer + at.B_UPSTREAM]
    if upstream >= 0:
        slot = m.buffers[buffer + at.B_SLOT]
        room_is_back(m, upstream, slot if slot else flits)
    elif upstream == at.FROM_CORE:
        core = buffer // (at.DIRECTIONS * at.BUFFER) * at.CORE
        m.cores[core + at.C_OUT_USED] -= flits
        if m.cores[core + at.C_STATE] == at.IDLE and m.cores[core + at.C_OUT_HEAD] != at.NONE:
            touch(m, core, at.CONTROLLER)
    else:
        m.z[at.Z_HOST_USED] -= flits
        m.z[at.Z_HOST_DIRTY] = 1
