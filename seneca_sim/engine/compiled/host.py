"""The host, compiled into the loop (S15)."""

from __future__ import annotations

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.packets import (
    credit,
    events_of,
    finish,
    make_packet,
    more_packets,
    one_copy,
    packet_flits,
    stamp_packet,
    window_open,
)
from seneca_sim.engine.compiled.parts import enter, take_node


@inlined
def answer(m: Machine, packet: int) -> None:
    """S15: the host takes a packet the moment it arrives."""
    now = m.z[at.Z_NOW]
    if m.routes[m.packets[packet + at.K_ROUTE] + at.R_ACKNOWLEDGES] >= 0:
        credit(m, packet)
    else:
        row = m.packets[packet + at.K_TOKEN] * at.ANSWER
        m.answers[row + at.W_ENDS] += m.packets[packet + at.K_LAST]
        if m.x[at.X_ANNOUNCE]:
            m.answers[row + at.W_DUE] += (
                m.packets[packet + at.K_ANNOUNCED] - m.packets[packet + at.K_EVENTS]
            )
        if m.answers[row + at.W_ENDS] == m.x[at.X_ANSWERS] and m.answers[row + at.W_DUE] == 0:
            m.answers[row + at.W_DONE] = now
            m.z[at.Z_DONE] += 1
    finish(m, packet, m.x[at.X_CORES], now, now, 0)
    m.z[at.Z_HOST_DIRTY] = 1


@inlined
def offer(m: Machine) -> bool:
    """S15: put packets into the host's queue while they may; False if records run out."""
    while m.z[at.Z_TOKEN] < m.x[at.X_TOKENS]:
        token = m.z[at.Z_TOKEN]
        before = token - m.x[at.X_GENERATION]
        if before < token and before >= 0 and m.answers[before * at.ANSWER + at.W_DONE] < 0:
            break
        if m.z[at.Z_ROUTE] == m.x[at.X_HOST_ROUTES]:
            m.z[at.Z_TOKEN] = token + 1
            m.z[at.Z_ROUTE] = 0
            continue
        if m.z[at.Z_NODES] < at.SPARE or m.z[at.Z_PACKETS] < at.SPARE:
            return False
        sequence, copy = m.z[at.Z_SEQUENCE], m.z[at.Z_COPY]
        number = m.host_routes[m.z[at.Z_ROUTE]]
        events = events_of(m, number, token, sequence)
        flits = packet_flits(events, m.x[at.X_HEADER], m.x[at.X_EVENT])
        if m.z[at.Z_HOST_USED] + flits > m.x[at.X_HOST_ROOM]:
            break
        if not window_open(m, number * at.ROUTE, token):
            break
        if m.z[at.Z_ROUTE] == 0 and sequence == 0 and copy == 0:
            m.answers[token * at.ANSWER + at.W_START] = m.z[at.Z_NOW]
        put(m, number, token, sequence, copy, flits)
    return True


@inlined
def put(m: Machine, number: int, token: int, sequence: int, copy: int, flits: int) -> None:
    """S15: one packet, or one of its copies, into the host's queue; and on to the next."""
    packet = make_packet(m, number, token, sequence, copy == 0)
    if m.x[at.X_UNICAST]:
        one_copy(m, packet, copy)
        m.z[at.Z_COPY] = copy + 1 if copy + 1 < m.routes[number * at.ROUTE + at.R_TARGETS] else 0
    if m.z[at.Z_COPY] == 0:
        more = more_packets(m, packet)
        m.z[at.Z_SEQUENCE] = sequence + 1 if more else 0
        m.z[at.Z_ROUTE] += 0 if more else 1
    stamp_packet(m, packet, at.S_CREATED)
    stamp_packet(m, packet, at.S_INJECTED)
    m.z[at.Z_HOST_USED] += flits
    node = take_node(m)
    m.nodes[node + at.PACKET] = packet
    m.nodes[node + at.POSITION] = m.packets[packet + at.K_ROOT]
    enter(m, m.x[at.X_HOST_BUFFER], node)
