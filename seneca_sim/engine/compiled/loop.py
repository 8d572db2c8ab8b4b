"""The event loop: the rules of docs/semantics.md on arrays, cycle by cycle.

A cycle has its three phases. Only ARRIVE events lie in the future: they ring from the wheel, or
from the heap when they are far. In START the cores that something has happened to look at their
queues; in ARBITRATE the outputs and memory channels that were asked choose. The loop returns when
the run is over, or when its caller must do something that compiled code cannot: make room, or
call back; then it is called again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined, kernel
from seneca_sim.engine.compiled.core import (
    advance,
    call_channel,
    credit,
    events_of,
    finish,
    make_packet,
    more_packets,
    packet_flits,
    start_controller,
    start_generator,
    start_npes,
    start_smpu,
    window_open,
)
from seneca_sim.engine.compiled.parts import (
    BITS,
    LOWEST,
    append,
    ask,
    book,
    end,
    enter,
    give_node,
    pop_far,
    schedule,
    take_node,
    touch,
    touch_port,
)
from seneca_sim.engine.compiled.pointers import pointer

Ints = NDArray[np.int64]


@inlined
def choose(nodes: Ints, ports: Ints, buffers: Ints, buffer_at: Ints, port: int) -> int:
    """S6, S19: the input that may send now, or -1 if there is no room for the one in turn."""
    pointer, requests = ports[port + at.P_POINTER], ports[port + at.P_REQUESTS]
    free = ports[port + at.P_CAPACITY] - ports[port + at.P_USED]
    slot = ports[port + at.P_SLOT]
    turned = ((requests >> pointer) | (requests << (6 - pointer))) & 63
    found = at.NONE
    while turned:
        index = pointer + LOWEST[turned]
        if index >= 6:
            index -= 6
        if slot == 0:
            head = buffers[buffer_at[ports[port + at.P_NODE] + index] + at.B_HEAD]
            if nodes[head + at.FLITS] <= free:
                found = index
            break
        if slot * (1 if index == ports[port + at.P_RING] else 2) <= free:
            found = index
            break
        turned &= turned - 1
    return found


@inlined
def grant(
    nodes: Ints, ports: Ints, buffers: Ints, packets: Ints, places: Ints, serials: Ints,
    buffer_at: Ints, items: Ints, tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, x: Ints,
    z: Ints, port: int, index: int,
) -> None:  # fmt: skip
    """S5: reserve the room behind the link and send the head of an input."""
    now = z[at.Z_NOW]
    if ports[port + at.P_SINCE] >= 0:
        ports[port + at.P_BLOCKED] += now - ports[port + at.P_SINCE]
        ports[port + at.P_SINCE] = at.NONE
    buffer = buffer_at[ports[port + at.P_NODE] + index]
    head = buffers[buffer + at.B_HEAD]
    flits = nodes[head + at.FLITS]
    serial = serials[ports[port + at.P_SERIALS] + flits]
    ports[port + at.P_REQUESTS] &= ~(1 << index)
    ports[port + at.P_FROM] = buffer
    ports[port + at.P_BUSY] = 1
    if x[at.X_ROTATE]:
        ports[port + at.P_POINTER] = index + 1 if index < 5 else 0
    slot = ports[port + at.P_SLOT]
    used = ports[port + at.P_USED] + (slot if slot else flits)
    ports[port + at.P_USED] = used
    if used > ports[port + at.P_PEAK]:
        ports[port + at.P_PEAK] = used
    ports[port + at.P_FLITS] += flits
    ports[port + at.P_PACKETS] += 1
    ports[port + at.P_BUSY_CYCLES] += serial
    packet = nodes[head + at.PACKET]
    item, row = packets[packet + at.K_ITEM], packets[packet + at.K_TOKEN] * x[at.X_ROW]
    book(items, tokens, windows, item, row, x[at.X_WINDOW], at.FLIT_HOPS, flits)
    if ports[port + at.P_BITS]:
        bits = flits * ports[port + at.P_BITS]
        book(items, tokens, windows, item, row, x[at.X_WINDOW], at.BOUNDARY_BITS, bits)
    node = take_node(nodes, z)
    nodes[node + at.PACKET] = packet
    nodes[node + at.FLITS] = flits
    nodes[node + at.PORT] = port
    position = nodes[head + at.POSITION]
    if ports[port + at.P_KIND] == at.TO_ROUTER:
        place = places[position]
        position = (place >> 6) + BITS[place & (ports[port + at.P_OWN_BIT] - 1)]
    nodes[node + at.POSITION] = position
    schedule(nodes, wheel, heap, z, now + serial, port // 3)
    after = ports[port + at.P_HOP] + (serial - 1) * ports[port + at.P_WHOLE]
    schedule(nodes, wheel, heap, z, now + after, node)


@inlined
def copy_left(
    nodes: Ints, ports: Ints, buffers: Ints, cores: Ints, places: Ints, port_at: Ints,
    dirty: Ints, asking: Ints, z: Ints, port: int,
) -> None:  # fmt: skip
    """S5, S7: a link is free; with the last copy the place in the buffer is free."""
    ports[port + at.P_BUSY] = 0
    buffer = ports[port + at.P_FROM]
    buffers[buffer + at.B_COPIES] -= 1
    if buffers[buffer + at.B_COPIES] == 0:
        node = buffers[buffer + at.B_HEAD]
        buffers[buffer + at.B_HEAD] = nodes[node + at.NEXT]
        flits = nodes[node + at.FLITS]
        upstream = buffers[buffer + at.B_UPSTREAM]
        if upstream >= 0:
            slot = buffers[buffer + at.B_SLOT]
            ports[upstream + at.P_USED] -= slot if slot else flits
            if ports[upstream + at.P_SINCE] >= 0:
                touch_port(ports, asking, z, upstream)
        elif upstream == at.FROM_CORE:
            core = buffers[buffer + at.B_OWNER]
            cores[core + at.C_OUT_USED] -= flits
            if cores[core + at.C_STATE] == at.IDLE and cores[core + at.C_OUT_HEAD] != at.NONE:
                touch(cores, dirty, z, core, at.CONTROLLER)
        else:
            z[at.Z_HOST_USED] -= flits
            z[at.Z_HOST_DIRTY] = 1
        give_node(nodes, z, node)
        if buffers[buffer + at.B_HEAD] != at.NONE:
            ask(nodes, ports, buffers, places, port_at, asking, z, buffer)
    if ports[port + at.P_REQUESTS]:
        touch_port(ports, asking, z, port)


@inlined
def arrive(
    nodes: Ints, ports: Ints, buffers: Ints, cores: Ints, packets: Ints, places: Ints,
    port_at: Ints, routes: Ints, credits_in: Ints, answers: Ints, dirty: Ints, asking: Ints,
    log: Ints, x: Ints, z: Ints, node: int,
) -> None:  # fmt: skip
    """A packet is at the far end of a link: a router, a core, the host; or a fetch is there."""
    port = nodes[node + at.PORT]
    kind = at.FROM_MEMORY if port >= at.FETCHED else ports[port + at.P_KIND]
    if kind == at.TO_ROUTER:
        enter(nodes, ports, buffers, places, port_at, asking, z, ports[port + at.P_SINK], node)
    elif kind == at.TO_CORE:
        core = ports[port + at.P_SINK]
        nodes[node + at.ARRIVED] = z[at.Z_NOW]
        append(nodes, cores, core + at.C_IN_HEAD, node)
        if cores[core + at.C_STATE] == at.IDLE:
            touch(cores, dirty, z, core, at.CONTROLLER)
    elif kind == at.FROM_MEMORY:
        core = port - at.FETCHED
        nodes[nodes[node + at.PACKET] + at.READY] = 1
        give_node(nodes, z, node)
        if cores[core + at.N_STATE] == at.IDLE:
            touch(cores, dirty, z, core, at.NPES)
    else:
        ports[port + at.P_USED] -= nodes[node + at.FLITS]
        if ports[port + at.P_SINCE] >= 0:
            touch_port(ports, asking, z, port)
        answer(packets, routes, credits_in, answers, log, x, z, nodes[node + at.PACKET])
        give_node(nodes, z, node)


@inlined
def answer(
    packets: Ints, routes: Ints, credits_in: Ints, answers: Ints, log: Ints, x: Ints, z: Ints,
    packet: int,
) -> None:  # fmt: skip
    """S15: the host takes a packet the moment it arrives."""
    now = z[at.Z_NOW]
    if routes[packets[packet + at.K_ROUTE] + at.R_ACKNOWLEDGES] >= 0:
        credit(routes, packets, credits_in, x, packet)
    else:
        row = packets[packet + at.K_TOKEN] * at.ANSWER
        answers[row + at.W_ENDS] += packets[packet + at.K_LAST]
        if x[at.X_ANNOUNCE]:
            answers[row + at.W_DUE] += (
                packets[packet + at.K_ANNOUNCED] - packets[packet + at.K_EVENTS]
            )
        if answers[row + at.W_ENDS] == x[at.X_ANSWERS] and answers[row + at.W_DUE] == 0:
            answers[row + at.W_DONE] = now
            z[at.Z_DONE] += 1
    finish(packets, log, x, z, packet, x[at.X_CORES], now, now)
    z[at.Z_HOST_DIRTY] = 1


@inlined
def offer(
    nodes: Ints, ports: Ints, buffers: Ints, packets: Ints, places: Ints, port_at: Ints,
    routes: Ints, ways: Ints, counts: Ints, host_routes: Ints, items: Ints, credits_in: Ints,
    answers: Ints, asking: Ints, x: Ints, z: Ints,
) -> bool:  # fmt: skip
    """S15: put packets into the host's queue while they may; False if records run out."""
    while z[at.Z_TOKEN] < x[at.X_TOKENS]:
        token = z[at.Z_TOKEN]
        if x[at.X_GENERATION] and z[at.Z_DONE] < token:
            break
        if z[at.Z_ROUTE] == x[at.X_HOST_ROUTES]:
            z[at.Z_TOKEN] = token + 1
            z[at.Z_ROUTE] = 0
            continue
        if z[at.Z_NODES] < at.SPARE or z[at.Z_PACKETS] < at.SPARE:
            return False
        sequence, copy = z[at.Z_SEQUENCE], z[at.Z_COPY]
        number = host_routes[z[at.Z_ROUTE]]
        route = number * at.ROUTE
        events = events_of(counts, x, number, token, sequence)
        flits = packet_flits(events, x[at.X_HEADER], x[at.X_EVENT])
        if z[at.Z_HOST_USED] + flits > x[at.X_HOST_ROOM]:
            break
        if not window_open(routes, credits_in, x, route, token):
            break
        if z[at.Z_ROUTE] == 0 and sequence == 0 and copy == 0:
            answers[token * at.ANSWER + at.W_START] = z[at.Z_NOW]
        packet = make_packet(
            packets, routes, counts, items, x, z, number, token, sequence, copy == 0
        )
        if x[at.X_UNICAST]:
            packets[packet + at.K_LEFT] = 1
            packets[packet + at.K_ROOT] = ways[routes[route + at.R_WAYS] + copy]
            z[at.Z_COPY] = copy + 1 if copy + 1 < routes[route + at.R_TARGETS] else 0
        if z[at.Z_COPY] == 0:
            more = more_packets(packets, counts, x, packet)
            z[at.Z_SEQUENCE] = sequence + 1 if more else 0
            z[at.Z_ROUTE] += 0 if more else 1
        packets[packet + at.K_CREATED] = z[at.Z_NOW]
        packets[packet + at.K_INJECTED] = z[at.Z_NOW]
        z[at.Z_HOST_USED] += flits
        node = take_node(nodes, z)
        nodes[node + at.PACKET] = packet
        nodes[node + at.FLITS] = flits
        nodes[node + at.POSITION] = packets[packet + at.K_ROOT]
        enter(nodes, ports, buffers, places, port_at, asking, z, x[at.X_HOST_BUFFER], node)
    return True


@inlined
def end_of_task(
    nodes: Ints, cores: Ints, stages: Ints, stage_done: Ints, dirty: Ints, x: Ints, z: Ints,
    core: int,
) -> None:  # fmt: skip
    """S11: the NPEs are done; a stage goes to the event generator."""
    end(cores, core, z[at.Z_NOW])
    cores[core + at.N_STATE] = at.IDLE
    units = at.NPES if cores[core + at.N_HEAD] != at.NONE else 0
    if cores[core + at.N_FETCH]:
        cores[core + at.M_HELD] -= 1
        units |= at.SMPU if cores[core + at.M_HEAD] != at.NONE else 0
    stage = cores[core + at.N_STAGE]
    if stage >= 0:
        token = cores[core + at.N_TOKEN]
        stage_done[stage // at.STAGE_SIZE * x[at.X_TOKENS] + token] = z[at.Z_NOW]
        stages[stage + at.S_FINISHED] = token + 1
        job = take_node(nodes, z)
        nodes[job + at.STAGE] = stage
        nodes[job + at.TOKEN] = token
        append(nodes, cores, core + at.G_HEAD, job)
        units |= at.GENERATOR if cores[core + at.G_STATE] == at.IDLE else 0
    if units:
        touch(cores, dirty, z, core, units)


@inlined
def end_of_capture(
    nodes: Ints, cores: Ints, packets: Ints, dirty: Ints, z: Ints, core: int
) -> None:
    """S12: a packet is in the output buffer."""
    end(cores, core, z[at.Z_NOW])
    cores[core + at.G_STATE] = at.IDLE
    packet = cores[core + at.G_PACKET]
    packets[packet + at.K_CREATED] = z[at.Z_NOW]
    node = take_node(nodes, z)
    nodes[node + at.PACKET] = packet
    append(nodes, cores, core + at.C_OUT_HEAD, node)
    units = at.GENERATOR
    if cores[core + at.C_STATE] == at.IDLE:
        units |= at.CONTROLLER
    touch(cores, dirty, z, core, units)


@inlined
def fetch(
    nodes: Ints, cores: Ints, channels: Ints, items: Ints, tokens: Ints, windows: Ints,
    wheel: Ints, heap: Ints, x: Ints, z: Ints, channel: int, node: int,
) -> None:  # fmt: skip
    """S18: a free channel takes the oldest fetch of the first waiting core in turn."""
    first = channels[channel + at.H_FIRST]
    size = channels[channel + at.H_END] - first
    start = max(0, channels[channel + at.H_POINTER] - first)
    for i in range(size):
        index = start + i
        if index >= size:
            index -= size
        core = (first + index) * at.CORE
        task = cores[core + at.M_WAIT_HEAD]
        if task == at.NONE:
            continue
        cores[core + at.M_WAIT_HEAD] = nodes[task + at.NEXT_FETCH]
        channels[channel + at.H_POINTER] = first + index + 1
        bits = nodes[task + at.FETCH]
        spent = -(-bits // x[at.X_CHANNEL_BITS])
        channels[channel + at.H_BUSY] = 1
        channels[channel + at.H_BUSY_CYCLES] += spent
        channels[channel + at.H_BITS] += bits
        item, row = nodes[task + at.ITEM] * at.ITEM_SIZE, nodes[task + at.TOKEN] * x[at.X_ROW]
        book(items, tokens, windows, item, row, x[at.X_WINDOW], at.FETCHED_BITS, bits)
        book(items, tokens, windows, item, row, x[at.X_WINDOW], at.WRITES, bits // at.WORD_BITS)
        there = take_node(nodes, z)
        nodes[there + at.PACKET] = task
        nodes[there + at.PORT] = at.FETCHED + core
        schedule(nodes, wheel, heap, z, z[at.Z_NOW] + spent, node)
        schedule(nodes, wheel, heap, z, z[at.Z_NOW] + spent + x[at.X_LATENCY], there)
        break


@inlined
def next_cycle(wheel: Ints, heap: Ints, z: Ints) -> int:
    """The cycle of the next event, or -1 if there is none."""
    now = z[at.Z_NOW]
    limit = now + at.WHEEL
    if z[at.Z_HEAP]:
        limit = min(heap[0], limit)
    time: int = now + 1
    while time < limit and wheel[time & (at.WHEEL - 1)] == at.NONE:
        time += 1
    if time == limit:
        return heap[0] if z[at.Z_HEAP] else at.NONE
    return time


@kernel
def run(
    nodes_: Ints, ports_: Ints, buffers_: Ints, cores_: Ints, channels_: Ints, packets_: Ints,
    places_: Ints, leaves_: Ints, port_at_: Ints, buffer_at_: Ints, ways_: Ints, routes_: Ints,
    counts_: Ints, emits_: Ints, host_routes_: Ints, consumers_: Ints, stages_: Ints,
    vectors_: Ints, waits_: Ints, cycles_: Ints, serials_: Ints, items_: Ints, tokens_: Ints,
    windows_: Ints, wheel_: Ints, heap_: Ints, credits_in_: Ints, answers_: Ints,
    stage_done_: Ints, dirty_: Ints, asking_: Ints, calling_: Ints, log_: Ints, x_: Ints,
    z_: Ints,
) -> int:  # fmt: skip
    """Run until the end, or until the caller is needed; returns why."""
    nodes = pointer(nodes_)
    ports = pointer(ports_)
    buffers = pointer(buffers_)
    cores = pointer(cores_)
    channels = pointer(channels_)
    packets = pointer(packets_)
    places = pointer(places_)
    leaves = pointer(leaves_)
    port_at = pointer(port_at_)
    buffer_at = pointer(buffer_at_)
    ways = pointer(ways_)
    routes = pointer(routes_)
    counts = pointer(counts_)
    emits = pointer(emits_)
    host_routes = pointer(host_routes_)
    consumers = pointer(consumers_)
    stages = pointer(stages_)
    vectors = pointer(vectors_)
    waits = pointer(waits_)
    cycles = pointer(cycles_)
    serials = pointer(serials_)
    items = pointer(items_)
    tokens = pointer(tokens_)
    windows = pointer(windows_)
    wheel = pointer(wheel_)
    heap = pointer(heap_)
    credits_in = pointer(credits_in_)
    answers = pointer(answers_)
    stage_done = pointer(stage_done_)
    dirty = pointer(dirty_)
    asking = pointer(asking_)
    calling = pointer(calling_)
    log = pointer(log_)
    x = pointer(x_)
    z = pointer(z_)
    controllers = x[at.X_PORTS] * at.NODE
    npes = controllers + x[at.X_CORES] * at.NODE
    generators = npes + x[at.X_CORES] * at.NODE
    memories = generators + x[at.X_CORES] * at.NODE
    records = memories + x[at.X_CHANNELS] * at.NODE
    while True:
        now = z[at.Z_NOW]
        if z[at.Z_RESUME] == 0:
            if z[at.Z_NODES] < x[at.X_NODE_MARGIN]:
                return at.MORE_NODES
            if z[at.Z_PACKETS] < x[at.X_PACKET_MARGIN]:
                return at.MORE_PACKETS
            if x[at.X_LOG] and z[at.Z_LOG] + x[at.X_LOG_MARGIN] > log_.size // at.LOG_FIELDS:
                return at.LOG_FULL
            if now >= x[at.X_WINDOW_END]:
                x[at.X_WINDOW] = now // x[at.X_WINDOW_CYCLES] * x[at.X_ROW]
                x[at.X_WINDOW_END] = (now // x[at.X_WINDOW_CYCLES] + 1) * x[at.X_WINDOW_CYCLES]
            if x[at.X_WINDOW] + x[at.X_ROW] > windows_.size:
                return at.MORE_WINDOWS

            # ARRIVE
            slot = now & (at.WHEEL - 1)
            node = wheel[slot]
            wheel[slot] = at.NONE
            while True:
                if node == at.NONE:
                    if z[at.Z_HEAP] == 0 or heap[0] != now:
                        break
                    node = pop_far(heap, z)
                    after = at.NONE
                else:
                    after = nodes[node + at.NEXT]
                z[at.Z_WAKEUPS] += 1
                if node >= records:
                    arrive(
                        nodes, ports, buffers, cores, packets, places, port_at, routes,
                        credits_in, answers, dirty, asking, log, x, z, node,
                    )  # fmt: skip
                elif node < controllers:
                    copy_left(
                        nodes, ports, buffers, cores, places, port_at, dirty, asking, z, node * 3
                    )
                elif node < npes:
                    advance(
                        nodes, ports, buffers, cores, packets, places, port_at, routes, consumers,
                        stages, vectors, waits, items, tokens, windows, wheel, heap, credits_in,
                        dirty, asking, log, x, z, (node - controllers) * 8,
                    )  # fmt: skip
                elif node < generators:
                    end_of_task(nodes, cores, stages, stage_done, dirty, x, z, (node - npes) * 8)
                elif node < memories:
                    end_of_capture(nodes, cores, packets, dirty, z, (node - generators) * 8)
                else:
                    channels[node - memories + at.H_BUSY] = 0
                    call_channel(channels, calling, z, node - memories)
                node = after

            # START
            for i in range(z[at.Z_DIRTY]):
                core = dirty[i]
                units = cores[core + at.C_DIRTY]
                cores[core + at.C_DIRTY] = 0
                z[at.Z_TURNS] += BITS[units]
                if units & at.SMPU:
                    start_smpu(nodes, cores, channels, calling, x, z, core)
                if units & at.NPES:
                    start_npes(
                        nodes, cores, consumers, stages, cycles, items, tokens, windows, wheel,
                        heap, x, z, core,
                    )  # fmt: skip
                if units & at.GENERATOR:
                    start_generator(
                        nodes, cores, packets, routes, counts, emits, stages, items, tokens,
                        windows, wheel, heap, x, z, core,
                    )  # fmt: skip
                if units & at.CONTROLLER and not start_controller(
                    nodes, cores, packets, routes, leaves, consumers, stages, vectors, waits,
                    items, tokens, windows, wheel, heap, credits_in, ways, x, z, core,
                ):  # fmt: skip
                    return at.WINDOW_BROKEN
            z[at.Z_DIRTY] = 0

        if z[at.Z_HOST_DIRTY]:
            z[at.Z_TURNS] += 1
            if not offer(
                nodes, ports, buffers, packets, places, port_at, routes, ways, counts,
                host_routes, items, credits_in, answers, asking, x, z,
            ):  # fmt: skip
                z[at.Z_RESUME] = 1
                return at.MORE_NODES if z[at.Z_NODES] < at.SPARE else at.MORE_PACKETS
            z[at.Z_HOST_DIRTY] = 0
        z[at.Z_RESUME] = 0

        # ARBITRATE
        for i in range(z[at.Z_ASKING]):
            port = asking[i]
            ports[port + at.P_FLAG] = 0
            index = choose(nodes, ports, buffers, buffer_at, port)
            if index >= 0:
                grant(
                    nodes, ports, buffers, packets, places, serials, buffer_at, items, tokens,
                    windows, wheel, heap, x, z, port, index,
                )  # fmt: skip
            elif ports[port + at.P_SINCE] < 0:
                ports[port + at.P_SINCE] = now
        z[at.Z_TURNS] += z[at.Z_ASKING]
        z[at.Z_ASKING] = 0
        for i in range(z[at.Z_CALLING]):
            channel = calling[i]
            channels[channel + at.H_FLAG] = 0
            z[at.Z_TURNS] += 1
            fetch(
                nodes, cores, channels, items, tokens, windows, wheel, heap, x, z, channel,
                memories + channel,
            )  # fmt: skip
        z[at.Z_CALLING] = 0

        time = next_cycle(wheel, heap, z)
        if time < 0:
            return at.FINISHED
        z[at.Z_NOW] = time
        if x[at.X_PROGRESS] and z[at.Z_DONE] > z[at.Z_TOLD]:
            return at.TOKEN_DONE
