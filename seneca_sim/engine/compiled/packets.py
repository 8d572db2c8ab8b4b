"""Packets and credits, compiled into the loop (S4, S14, S16)."""

from __future__ import annotations

from numba.extending import register_jitable

from seneca_sim.cost import timing
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Machine

packet_flits = register_jitable(timing.packet_flits)


@inlined
def new_packet(m: Machine) -> int:
    """A record off the free list."""
    packet: int = m.z[at.Z_PACKET]
    m.z[at.Z_PACKET] = m.packets[packet]
    m.z[at.Z_PACKETS] -= 1
    m.z[at.Z_MADE] += 1
    return packet


@inlined
def events_of(m: Machine, route: int, token: int, sequence: int) -> int:
    """S4: how many events this packet of a route and token carries."""
    before = (sequence - m.x[at.X_ANNOUNCE]) * m.x[at.X_SIZE]
    left = m.counts[route * m.x[at.X_TOKENS] + token] - before
    return max(0, min(m.x[at.X_SIZE], left)) if before >= 0 else 0


@inlined
def make_packet(m: Machine, route: int, token: int, sequence: int, first_copy: bool) -> int:
    """S4: the packet of this number of a route and token."""
    packet = new_packet(m)
    total = m.counts[route * m.x[at.X_TOKENS] + token]
    r = route * at.ROUTE
    item = m.routes[r + at.R_ITEM]
    if first_copy and sequence == 0:
        m.items[item + at.I_OUT] += total
    announce = m.x[at.X_ANNOUNCE]
    events = events_of(m, route, token, sequence)
    last = sequence == 0 if announce else (sequence + 1) * m.x[at.X_SIZE] >= total
    p = m.packets
    p[packet + at.K_ROUTE], p[packet + at.K_TOKEN] = r, token
    p[packet + at.K_SEQUENCE], p[packet + at.K_EVENTS] = sequence, events
    p[packet + at.K_FLITS] = packet_flits(events, m.x[at.X_HEADER], m.x[at.X_EVENT])
    p[packet + at.K_LAST] = last
    p[packet + at.K_ANNOUNCED] = total if announce and sequence == 0 else 0
    p[packet + at.K_ITEM] = item
    p[packet + at.K_LEFT] = m.routes[r + at.R_TARGETS]
    p[packet + at.K_ROOT] = m.routes[r + at.R_ROOT]
    p[packet + at.K_LEAVES] = m.routes[r + at.R_LEAVES]
    return packet


@inlined
def one_copy(m: Machine, packet: int, copy: int) -> None:
    """S7: with unicast, a packet goes to one destination."""
    ways = m.routes[m.packets[packet + at.K_ROUTE] + at.R_WAYS]
    m.packets[packet + at.K_ROOT] = m.ways[ways + copy]
    m.packets[packet + at.K_LEFT] = 1


@inlined
def more_packets(m: Machine, packet: int) -> bool:
    """Whether another packet of the same route and token follows."""
    route = m.packets[packet + at.K_ROUTE] // at.ROUTE
    total: int = m.counts[route * m.x[at.X_TOKENS] + m.packets[packet + at.K_TOKEN]]
    sent: int = (m.packets[packet + at.K_SEQUENCE] + 1 - m.x[at.X_ANNOUNCE]) * m.x[at.X_SIZE]
    return sent < total


@inlined
def window_open(m: Machine, route: int, token: int) -> bool:
    """S14: whether every destination has acknowledged token - W of a windowed route."""
    window = m.routes[route + at.R_WINDOW]
    if window < 0 or token < m.x[at.X_DEPTH]:
        return True
    there: int = m.credits_in[window * m.x[at.X_TOKENS] + token - m.x[at.X_DEPTH]]
    wanted: int = m.routes[route + at.R_TARGETS]
    return there == wanted


@inlined
def credit(m: Machine, packet: int) -> None:
    """S14: an acknowledgement has been taken."""
    window = m.routes[m.routes[m.packets[packet + at.K_ROUTE] + at.R_ACKNOWLEDGES] + at.R_WINDOW]
    if window >= 0:
        m.credits_in[window * m.x[at.X_TOKENS] + m.packets[packet + at.K_TOKEN]] += 1


@inlined
def finish(m: Machine, packet: int, target: int, arrived: int, started: int, stalled: int) -> None:
    """A destination is done with a packet; with the last one it is booked and its record free."""
    m.z[at.Z_DELIVERIES] += 1
    if m.x[at.X_LOG]:
        write_log(m, packet, target, arrived, started, stalled)
    m.packets[packet + at.K_LEFT] -= 1
    if m.packets[packet + at.K_LEFT] == 0:
        item = m.packets[packet + at.K_ITEM]
        row = m.packets[packet + at.K_TOKEN] * m.x[at.X_ROW]
        m.items[item + at.I_SIMPLE + at.FLIT_HOPS] += m.packets[packet + at.K_HOPS]
        m.tokens[row + at.FLIT_HOPS] += m.packets[packet + at.K_HOPS]
        if m.packets[packet + at.K_BETWEEN]:
            bits = m.packets[packet + at.K_BETWEEN] * m.x[at.X_FLIT_BITS]
            m.items[item + at.I_SIMPLE + at.BOUNDARY_BITS] += bits
            m.tokens[row + at.BOUNDARY_BITS] += bits
            m.packets[packet + at.K_BETWEEN] = 0
        m.packets[packet + at.K_HOPS] = 0
        m.packets[packet] = m.z[at.Z_PACKET]
        m.z[at.Z_PACKET] = packet
        m.z[at.Z_PACKETS] += 1


@inlined
def write_log(
    m: Machine, packet: int, target: int, arrived: int, started: int, stalled: int
) -> None:
    """S17: a row of the log, if it touches the window."""
    p, stamp = m.packets, packet // at.PACKET_PER_STAMPS
    if m.stamps[stamp + at.S_CREATED] >= m.x[at.X_LOG_END] or m.z[at.Z_NOW] < m.x[at.X_LOG_FIRST]:
        return
    row = m.z[at.Z_LOG] * at.LOG_FIELDS
    m.z[at.Z_LOG] += 1
    m.log[row], m.log[row + 1] = p[packet + at.K_ROUTE] // at.ROUTE, p[packet + at.K_TOKEN]
    m.log[row + 2], m.log[row + 3] = p[packet + at.K_SEQUENCE], target
    m.log[row + 4], m.log[row + 5] = p[packet + at.K_EVENTS], p[packet + at.K_FLITS]
    m.log[row + 6], m.log[row + 7] = (
        m.stamps[stamp + at.S_CREATED],
        m.stamps[stamp + at.S_INJECTED],
    )
    m.log[row + 8], m.log[row + 9], m.log[row + 10] = arrived, started, m.z[at.Z_NOW]
    m.log[row + 11] = stalled


@inlined
def stamp_packet(m: Machine, packet: int, field: int) -> None:
    """S17: remember when a packet was created or injected, if there is a log."""
    if m.x[at.X_LOG]:
        m.stamps[packet // at.PACKET_PER_STAMPS + field] = m.z[at.Z_NOW]
