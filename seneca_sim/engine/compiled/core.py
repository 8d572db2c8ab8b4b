"""What the units of a core do when it is their turn, compiled into the loop (S8-S14)."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from seneca_sim.cost import timing
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.cache import inlined
from seneca_sim.engine.compiled.parts import (
    append,
    begin,
    book,
    book_task,
    end,
    enter,
    give_node,
    give_packet,
    schedule,
    take_node,
    touch,
    touch_port,
)

Ints = NDArray[np.int64]

closing_group = register_jitable(timing.closing_group)
capture_cycles = register_jitable(timing.capture_cycles)
packet_flits = register_jitable(timing.packet_flits)


@inlined
def work(
    nodes: Ints, cores: Ints, items: Ints, tokens: Ints, windows: Ints, wheel: Ints, heap: Ints,
    x: Ints, z: Ints, core: int, item: int, token: int, instructions: int, booked: int,
) -> bool:  # fmt: skip
    """Run instructions, `booked` of them already; none take no time. Tell if there is a wait."""
    if instructions + booked == 0:
        return False
    spent = (instructions + booked) * x[at.X_CYCLES_PER]
    cores[core + at.C_BUSY] += spent
    cores[core + at.C_STATE] = at.WORKING
    book(
        items,
        tokens,
        windows,
        item,
        token * x[at.X_ROW],
        x[at.X_WINDOW],
        at.INSTRUCTIONS,
        instructions,
    )
    begin(cores, core, z[at.Z_NOW])
    schedule(nodes, wheel, heap, z, z[at.Z_NOW] + spent, cores[core + at.C_NODE])
    return True


@inlined
def push_task(
    nodes: Ints, cores: Ints, dirty: Ints, z: Ints, core: int, item: int, token: int, group: int,
    stage: int, fetch: int,
) -> None:  # fmt: skip
    """S9: a task into the FIFO, its fetch to the SMPU."""
    task = take_node(nodes, z)
    nodes[task + at.ITEM], nodes[task + at.TOKEN], nodes[task + at.GROUP] = item, token, group
    nodes[task + at.STAGE], nodes[task + at.FETCH], nodes[task + at.READY] = (
        stage,
        fetch,
        fetch == 0,
    )
    append(nodes, cores, core + at.N_HEAD, task)
    waiting = cores[core + at.N_WAITING] + 1
    cores[core + at.N_WAITING] = waiting
    if waiting > cores[core + at.N_PEAK]:
        cores[core + at.N_PEAK] = waiting
    units = at.NPES if cores[core + at.N_STATE] == at.IDLE else 0
    if fetch:
        append_fetch(nodes, cores, core + at.M_HEAD, task)
        units |= at.SMPU
    if units:
        touch(cores, dirty, z, core, units)


@inlined
def append_fetch(nodes: Ints, cores: Ints, head: int, task: int) -> None:
    """Put a task at the end of a list of fetches, which has a link of its own."""
    nodes[task + at.NEXT_FETCH] = at.NONE
    if cores[head] == at.NONE:
        cores[head] = task
    else:
        nodes[cores[head + 1] + at.NEXT_FETCH] = task
    cores[head + 1] = task


@inlined
def events_of(counts: Ints, x: Ints, route: int, token: int, sequence: int) -> int:
    """S4: how many events this packet of a route and token carries."""
    before = (sequence - x[at.X_ANNOUNCE]) * x[at.X_SIZE]
    left = counts[route * x[at.X_TOKENS] + token] - before
    return max(0, min(x[at.X_SIZE], left)) if before >= 0 else 0


@inlined
def make_packet(
    packets: Ints, routes: Ints, counts: Ints, items: Ints, x: Ints, z: Ints, route: int,
    token: int, sequence: int, first_copy: bool,
) -> int:  # fmt: skip
    """S4: the packet of this number of a route and token."""
    packet: int = z[at.Z_PACKET]
    z[at.Z_PACKET] = packets[packet]
    z[at.Z_PACKETS] -= 1
    total = counts[route * x[at.X_TOKENS] + token]
    r = route * at.ROUTE
    item = routes[r + at.R_ITEM]
    if first_copy and sequence == 0:
        items[item + at.I_OUT] += total
    announce = x[at.X_ANNOUNCE]
    events = events_of(counts, x, route, token, sequence)
    last = sequence == 0 if announce else (sequence + 1) * x[at.X_SIZE] >= total
    flits = packet_flits(events, x[at.X_HEADER], x[at.X_EVENT])
    packets[packet + at.K_ROUTE], packets[packet + at.K_TOKEN] = r, token
    packets[packet + at.K_SEQUENCE], packets[packet + at.K_EVENTS] = sequence, events
    packets[packet + at.K_FLITS], packets[packet + at.K_LAST] = flits, last
    packets[packet + at.K_ANNOUNCED] = total if announce and sequence == 0 else 0
    packets[packet + at.K_ITEM], packets[packet + at.K_INJECTED] = item, at.NONE
    packets[packet + at.K_LEFT] = routes[r + at.R_TARGETS]
    packets[packet + at.K_ROOT] = routes[r + at.R_ROOT]
    return packet


@inlined
def more_packets(packets: Ints, counts: Ints, x: Ints, packet: int) -> bool:
    """Whether another packet of the same route and token follows."""
    route = packets[packet + at.K_ROUTE] // at.ROUTE
    total: int = counts[route * x[at.X_TOKENS] + packets[packet + at.K_TOKEN]]
    sent: int = (packets[packet + at.K_SEQUENCE] + 1 - x[at.X_ANNOUNCE]) * x[at.X_SIZE]
    return sent < total


@inlined
def window_open(routes: Ints, credits_in: Ints, x: Ints, route: int, token: int) -> bool:
    """S14: whether every destination has acknowledged token - W of a windowed route."""
    window = routes[route + at.R_WINDOW]
    if window < 0 or token < x[at.X_DEPTH]:
        return True
    there: int = credits_in[window * x[at.X_TOKENS] + token - x[at.X_DEPTH]]
    wanted: int = routes[route + at.R_TARGETS]
    return there == wanted


@inlined
def credit(routes: Ints, packets: Ints, credits_in: Ints, x: Ints, packet: int) -> None:
    """S14: an acknowledgement has been taken."""
    window = routes[routes[packets[packet + at.K_ROUTE] + at.R_ACKNOWLEDGES] + at.R_WINDOW]
    if window >= 0:
        credits_in[window * x[at.X_TOKENS] + packets[packet + at.K_TOKEN]] += 1


@inlined
def finish(
    packets: Ints, log: Ints, x: Ints, z: Ints, packet: int, target: int, arrived: int,
    started: int,
) -> None:  # fmt: skip
    """A destination is done with a packet; with the last one its record is free."""
    z[at.Z_DELIVERIES] += 1
    if x[at.X_LOG]:
        row = z[at.Z_LOG] * at.LOG_FIELDS
        z[at.Z_LOG] += 1
        log[row], log[row + 1] = (
            packets[packet + at.K_ROUTE] // at.ROUTE,
            packets[packet + at.K_TOKEN],
        )
        log[row + 2], log[row + 3] = packets[packet + at.K_SEQUENCE], target
        log[row + 4], log[row + 5] = packets[packet + at.K_EVENTS], packets[packet + at.K_FLITS]
        log[row + 6], log[row + 7] = packets[packet + at.K_CREATED], packets[packet + at.K_INJECTED]
        log[row + 8], log[row + 9], log[row + 10] = arrived, started, z[at.Z_NOW]
    packets[packet + at.K_LEFT] -= 1
    if packets[packet + at.K_LEFT] == 0:
        give_packet(packets, z, packet)


@inlined
def start_controller(
    nodes: Ints, cores: Ints, packets: Ints, routes: Ints, leaves: Ints, consumers: Ints,
    stages: Ints, vectors: Ints, waits: Ints, items: Ints, tokens: Ints, windows: Ints,
    wheel: Ints, heap: Ints, credits_in: Ints, ways: Ints, x: Ints, z: Ints, core: int,
) -> bool:  # fmt: skip
    """S8: look for work, input first, and begin it; False if the program breaks S14."""
    node, head = cores[core + at.C_IN_HEAD], cores[core + at.C_OUT_HEAD]
    can_send = stuck = False
    if head != at.NONE:
        packet = nodes[head + at.PACKET]
        opened = window_open(
            routes, credits_in, x, packets[packet + at.K_ROUTE], packets[packet + at.K_TOKEN]
        )
        room = cores[core + at.C_OUT_USED] + packets[packet + at.K_FLITS] <= x[at.X_OUTPUT_ROOM]
        can_send = opened and room
        stuck = x[at.X_UNSAFE] != 0 and opened and not room
        if not can_send and cores[core + at.C_OUT_SINCE] < 0:
            cores[core + at.C_OUT_SINCE] = z[at.Z_NOW]
    if node != at.NONE and not stuck:
        return receive(
            nodes, cores, packets, routes, leaves, consumers, stages, vectors, waits, items, tokens,
            windows, wheel, heap, x, z, core, node,
        )  # fmt: skip
    if can_send:
        send(
            nodes, cores, packets, routes, items, tokens, windows, wheel, heap, ways, x, z, core,
            head,
        )  # fmt: skip
    return True


@inlined
def receive(
    nodes: Ints, cores: Ints, packets: Ints, routes: Ints, leaves: Ints, consumers: Ints,
    stages: Ints, vectors: Ints, waits: Ints, items: Ints, tokens: Ints, windows: Ints, wheel: Ints,
    heap: Ints, x: Ints, z: Ints, core: int, node: int,
) -> bool:  # fmt: skip
    """S9: begin with the packet at the head of the input queue; False if S14 is broken."""
    packet = nodes[node + at.PACKET]
    token = packets[packet + at.K_TOKEN]
    item = leaves[nodes[node + at.POSITION]]
    cores[core + at.C_STARTED] = z[at.Z_NOW]
    cores[core + at.C_TOKEN] = token
    if item < 0:
        pays = routes[packets[packet + at.K_ROUTE] + at.R_PAYS]
        cores[core + at.C_NEXT_STEP] = at.CREDITED
        work(
            nodes, cores, items, tokens, windows, wheel, heap, x, z, core, pays, token,
            x[at.X_PACKET_IN], 0,
        )  # fmt: skip
        return True
    events = packets[packet + at.K_EVENTS]
    row = item * at.ITEM_SIZE
    items[row + at.I_IN] += events
    book(
        items, tokens, windows, row, token * x[at.X_ROW], x[at.X_WINDOW], at.MEMORY,
        events * x[at.X_ACCESSES],
    )  # fmt: skip
    vector = (item * x[at.X_SLOTS] + token % x[at.X_SLOTS]) * at.VECTOR
    if vectors[vector + at.V_TOKEN] != token:
        stage = consumers[item * at.CONSUMER + at.U_STAGE] * at.STAGE_SIZE
        if token - stages[stage + at.S_FINISHED] >= x[at.X_DEPTH]:
            z[at.Z_ITEM], z[at.Z_SEEN] = item, token
            return False
        vectors[vector + at.V_TOKEN] = token
        vectors[vector + at.V_OPEN] = vectors[vector + at.V_ENDS] = vectors[vector + at.V_DUE] = 0
    cores[core + at.C_ITEM] = item
    cores[core + at.C_VECTOR] = vector
    cores[core + at.C_LEFT] = events
    cores[core + at.C_NEXT_STEP] = at.TAKE
    if not take(
        nodes, cores, packets, consumers, vectors, items, tokens, windows, wheel, heap, x, z,
        core, x[at.X_PACKET_IN],
    ):  # fmt: skip
        join(
            nodes, cores, consumers, stages, waits, items, tokens, windows, wheel, heap, x, z, core
        )
    return True


@inlined
def take(
    nodes: Ints, cores: Ints, packets: Ints, consumers: Ints, vectors: Ints, items: Ints,
    tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, x: Ints, z: Ints, core: int,
    instructions: int,
) -> bool:  # fmt: skip
    """S9, S10: the next stretch, up to a full group or the packet's end. Tell if it takes time."""
    item, token, vector = (
        cores[core + at.C_ITEM],
        cores[core + at.C_TOKEN],
        cores[core + at.C_VECTOR],
    )
    left = cores[core + at.C_LEFT]
    consumer = item * at.CONSUMER
    grouped = consumers[consumer + at.U_GROUPED]
    closing = closing_group(vectors[vector + at.V_OPEN], left, x[at.X_GROUP]) if grouped else 0
    booked = 0
    if closing:
        cores[core + at.C_LEFT] = left - closing
        vectors[vector + at.V_OPEN] = 0
        instructions += closing * x[at.X_EVENT_IN] + x[at.X_TASK]
        cores[core + at.C_NEXT_STEP] = at.PUSH_GROUP
    else:
        packet = nodes[cores[core + at.C_IN_HEAD] + at.PACKET]
        instructions += left * x[at.X_EVENT_IN]
        if grouped:
            vectors[vector + at.V_OPEN] += left
        vectors[vector + at.V_ENDS] += packets[packet + at.K_LAST]
        if x[at.X_ANNOUNCE]:
            due = packets[packet + at.K_ANNOUNCED] - packets[packet + at.K_EVENTS]
            vectors[vector + at.V_DUE] += due
        cores[core + at.C_NEXT_STEP] = at.TAKEN
        sources = consumers[consumer + at.U_SOURCES]
        if vectors[vector + at.V_ENDS] == sources and vectors[vector + at.V_DUE] == 0:
            vectors[vector + at.V_TOKEN] = at.NONE
            cores[core + at.C_NEXT_STEP] = at.JOIN
            if vectors[vector + at.V_OPEN]:
                instructions += x[at.X_TASK]
                cores[core + at.C_NEXT_STEP] = at.PUSH_REST
    if cores[core + at.C_NEXT_STEP] == at.JOIN:
        cores[core + at.C_CARRIED] = instructions
        return False
    return work(
        nodes, cores, items, tokens, windows, wheel, heap, x, z, core, item * at.ITEM_SIZE, token,
        instructions, booked,
    )  # fmt: skip


@inlined
def join(
    nodes: Ints, cores: Ints, consumers: Ints, stages: Ints, waits: Ints, items: Ints,
    tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, x: Ints, z: Ints, core: int,
) -> bool:  # fmt: skip
    """S10: a vector is complete; after the last one that a stage needs comes the stage."""
    item, token = cores[core + at.C_ITEM], cores[core + at.C_TOKEN]
    stage = consumers[item * at.CONSUMER + at.U_STAGE]
    wait = stage * x[at.X_SLOTS] + token % x[at.X_SLOTS]
    instructions = cores[core + at.C_CARRIED]
    cores[core + at.C_CARRIED] = 0
    waits[wait] += 1
    booked = 0
    cores[core + at.C_NEXT_STEP] = at.TAKEN
    if waits[wait] == stages[stage * at.STAGE_SIZE + at.S_NEEDS]:
        waits[wait] = 0
        booked = x[at.X_TASK]
        book(
            items, tokens, windows, (x[at.X_CONSUMERS] + stage) * at.ITEM_SIZE, token * x[at.X_ROW],
            x[at.X_WINDOW], at.INSTRUCTIONS, booked,
        )  # fmt: skip
        cores[core + at.C_NEXT_STEP] = at.PUSH_STAGE
    return work(
        nodes, cores, items, tokens, windows, wheel, heap, x, z, core, item * at.ITEM_SIZE, token,
        instructions, booked,
    )  # fmt: skip


@inlined
def send(
    nodes: Ints, cores: Ints, packets: Ints, routes: Ints, items: Ints, tokens: Ints,
    windows: Ints, wheel: Ints, heap: Ints, ways: Ints, x: Ints, z: Ints, core: int, head: int,
) -> None:  # fmt: skip
    """S13: begin to send the packet at the head of the output buffer, or its next copy (S7)."""
    now = z[at.Z_NOW]
    if cores[core + at.C_OUT_SINCE] >= 0:
        cores[core + at.C_OUT_BLOCKED] += now - cores[core + at.C_OUT_SINCE]
        cores[core + at.C_OUT_SINCE] = at.NONE
    packet = nodes[head + at.PACKET]
    events, flits, token = (
        packets[packet + at.K_EVENTS], packets[packet + at.K_FLITS], packets[packet + at.K_TOKEN],
    )  # fmt: skip
    node, copy = head, cores[core + at.C_OUT_COPY]
    if x[at.X_UNICAST]:
        route = packets[packet + at.K_ROUTE]
        if copy + 1 < routes[route + at.R_TARGETS]:
            cores[core + at.C_OUT_COPY] = copy + 1
            node = take_node(nodes, z)
            original, packet = packet, z[at.Z_PACKET]
            z[at.Z_PACKET] = packets[packet]
            z[at.Z_PACKETS] -= 1
            for field in range(at.PACKET_SIZE):
                packets[packet + field] = packets[original + field]
        else:
            cores[core + at.C_OUT_COPY] = 0
            cores[core + at.C_OUT_HEAD] = nodes[head + at.NEXT]
        packets[packet + at.K_ROOT] = ways[routes[route + at.R_WAYS] + copy]
        packets[packet + at.K_LEFT] = 1
    else:
        cores[core + at.C_OUT_HEAD] = nodes[head + at.NEXT]
    nodes[node + at.PACKET], nodes[node + at.FLITS] = packet, flits
    nodes[node + at.POSITION] = packets[packet + at.K_ROOT]
    used = cores[core + at.C_OUT_USED] + flits
    cores[core + at.C_OUT_USED] = used
    if used > cores[core + at.C_OUT_PEAK]:
        cores[core + at.C_OUT_PEAK] = used
    cores[core + at.C_SENDING] = node
    cores[core + at.C_NEXT_STEP] = at.SENT
    item = packets[packet + at.K_ITEM]
    book(
        items, tokens, windows, item, token * x[at.X_ROW], x[at.X_WINDOW], at.READS,
        at.WORDS_PER_EVENT * events,
    )  # fmt: skip
    work(
        nodes, cores, items, tokens, windows, wheel, heap, x, z, core, item, token,
        x[at.X_PACKET_OUT] + events * x[at.X_EVENT_OUT], 0,
    )  # fmt: skip


@inlined
def start_generator(
    nodes: Ints, cores: Ints, packets: Ints, routes: Ints, counts: Ints, emits: Ints,
    stages: Ints, items: Ints, tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, x: Ints,
    z: Ints, core: int,
) -> None:  # fmt: skip
    """S12: begin with the next packet of the present stage, or of the next one that sends."""
    while True:
        stage = cores[core + at.G_STAGE]
        if stage == at.NONE:
            job = cores[core + at.G_HEAD]
            if job == at.NONE:
                return
            cores[core + at.G_HEAD] = nodes[job + at.NEXT]
            stage = nodes[job + at.STAGE]
            cores[core + at.G_STAGE] = stage
            cores[core + at.G_TOKEN] = nodes[job + at.TOKEN]
            cores[core + at.G_EMIT] = stages[stage + at.S_EMITS]
            cores[core + at.G_SEQUENCE] = 0
            give_node(nodes, z, job)
        if cores[core + at.G_EMIT] < stages[stage + at.S_END]:
            break
        cores[core + at.G_STAGE] = at.NONE
    token = cores[core + at.G_TOKEN]
    packet = make_packet(
        packets, routes, counts, items, x, z, emits[cores[core + at.G_EMIT]], token,
        cores[core + at.G_SEQUENCE], True,
    )  # fmt: skip
    if more_packets(packets, counts, x, packet):
        cores[core + at.G_SEQUENCE] += 1
    else:
        cores[core + at.G_EMIT] += 1
        cores[core + at.G_SEQUENCE] = 0
    events = packets[packet + at.K_EVENTS]
    spent = capture_cycles(events, x[at.X_PER_CYCLE])
    item, row = packets[packet + at.K_ITEM], token * x[at.X_ROW]
    book(items, tokens, windows, item, row, x[at.X_WINDOW], at.EVENTS, events)
    book(items, tokens, windows, item, row, x[at.X_WINDOW], at.WRITES, at.WORDS_PER_EVENT * events)
    cores[core + at.G_PACKET] = packet
    cores[core + at.G_STATE] = at.WORKING
    cores[core + at.G_BUSY] += spent
    begin(cores, core, z[at.Z_NOW])
    schedule(
        nodes,
        wheel,
        heap,
        z,
        z[at.Z_NOW] + spent,
        cores[core + at.C_NODE] + 2 * x[at.X_CORES] * at.NODE,
    )


@inlined
def start_npes(
    nodes: Ints, cores: Ints, consumers: Ints, stages: Ints, cycles: Ints, items: Ints,
    tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, x: Ints, z: Ints, core: int,
) -> None:  # fmt: skip
    """S11: begin with the task at the head of the FIFO, if its weights are there (S18)."""
    task, now = cores[core + at.N_HEAD], z[at.Z_NOW]
    if task == at.NONE:
        return
    if nodes[task + at.READY] == 0:
        if cores[core + at.N_SINCE] < 0:
            cores[core + at.N_SINCE] = now
        return
    if cores[core + at.N_SINCE] >= 0:
        cores[core + at.N_STARVED] += now - cores[core + at.N_SINCE]
        cores[core + at.N_SINCE] = at.NONE
    cores[core + at.N_HEAD] = nodes[task + at.NEXT]
    cores[core + at.N_WAITING] -= 1
    if cores[core + at.C_STATE] == at.BLOCKED:
        schedule(nodes, wheel, heap, z, now + 1, cores[core + at.C_NODE])
        cores[core + at.C_STATE] = at.CALLED
    item, token, group = nodes[task + at.ITEM], nodes[task + at.TOKEN], nodes[task + at.GROUP]
    stage = nodes[task + at.STAGE]
    if stage >= 0:
        spent, kind = stages[stage + at.S_CYCLES], stages[stage + at.S_KIND]
    else:
        consumer = item * at.CONSUMER
        spent = cycles[consumers[consumer + at.U_CYCLES] + group]
        kind = consumers[consumer + at.U_KIND]
    cores[core + at.N_STAGE], cores[core + at.N_TOKEN] = stage, token
    cores[core + at.N_FETCH] = nodes[task + at.FETCH]
    cores[core + at.N_STATE] = at.WORKING
    cores[core + at.N_BUSY] += spent
    row = item * at.ITEM_SIZE
    items[row + at.I_CYCLES] += spent
    items[row + at.I_TASKS] += 1
    items[row + at.I_GROUPED] += group
    book_task(tokens, windows, token * x[at.X_ROW], x[at.X_WINDOW], kind, group)
    give_node(nodes, z, task)
    begin(cores, core, now)
    schedule(nodes, wheel, heap, z, now + spent, cores[core + at.C_NODE] + x[at.X_CORES] * at.NODE)


@inlined
def start_smpu(
    nodes: Ints, cores: Ints, channels: Ints, calling: Ints, x: Ints, z: Ints, core: int
) -> None:
    """S18: ask the channel for the next fetches while few enough tasks hold weights."""
    while cores[core + at.M_HEAD] != at.NONE and cores[core + at.M_HELD] < x[at.X_PREFETCH]:
        task = cores[core + at.M_HEAD]
        cores[core + at.M_HEAD] = nodes[task + at.NEXT_FETCH]
        cores[core + at.M_HELD] += 1
        append_fetch(nodes, cores, core + at.M_WAIT_HEAD, task)
        channel = cores[core + at.M_CHANNEL]
        if channels[channel + at.H_BUSY] == 0:
            call_channel(channels, calling, z, channel)


@inlined
def call_channel(channels: Ints, calling: Ints, z: Ints, channel: int) -> None:
    """Let a memory channel choose in this cycle's ARBITRATE."""
    if channels[channel + at.H_FLAG] == 0:
        channels[channel + at.H_FLAG] = 1
        calling[z[at.Z_CALLING]] = channel
        z[at.Z_CALLING] += 1


@inlined
def advance(
    nodes: Ints, ports: Ints, buffers: Ints, cores: Ints, packets: Ints, places: Ints,
    port_at: Ints, routes: Ints, consumers: Ints, stages: Ints, vectors: Ints, waits: Ints,
    items: Ints, tokens: Ints, windows: Ints, wheel: Ints, heap: Ints, credits_in: Ints,
    dirty: Ints, asking: Ints, log: Ints, x: Ints, z: Ints, core: int,
) -> None:  # fmt: skip
    """Go on with a controller in ARRIVE, until it must wait or is idle."""
    if cores[core + at.C_STATE] == at.CALLED:
        cores[core + at.C_BLOCKED] += z[at.Z_NOW] - cores[core + at.C_SINCE]
    else:
        end(cores, core, z[at.Z_NOW])
    while True:
        step = cores[core + at.C_NEXT_STEP]
        if step == at.TAKE:
            if take(
                nodes, cores, packets, consumers, vectors, items, tokens, windows, wheel, heap,
                x, z, core, 0,
            ):  # fmt: skip
                return
        elif step == at.JOIN:
            if join(
                nodes, cores, consumers, stages, waits, items, tokens, windows, wheel, heap, x, z,
                core,
            ):  # fmt: skip
                return
        elif step >= at.PUSH_GROUP and step <= at.PUSH_STAGE:
            if cores[core + at.N_WAITING] >= x[at.X_FIFO]:
                cores[core + at.C_STATE] = at.BLOCKED
                cores[core + at.C_SINCE] = z[at.Z_NOW]
                return
            push_next(nodes, cores, consumers, vectors, dirty, x, z, core, step)
        elif step == at.CREDITED:
            credit(routes, packets, credits_in, x, nodes[cores[core + at.C_IN_HEAD] + at.PACKET])
            cores[core + at.C_NEXT_STEP] = at.TAKEN
        else:
            if step == at.TAKEN:
                release(nodes, ports, cores, packets, asking, log, x, z, core)
            else:
                node = cores[core + at.C_SENDING]
                packets[nodes[node + at.PACKET] + at.K_INJECTED] = z[at.Z_NOW]
                enter(
                    nodes, ports, buffers, places, port_at, asking, z,
                    cores[core + at.C_LOCAL_BUFFER], node,
                )  # fmt: skip
            cores[core + at.C_STATE] = at.IDLE
            if cores[core + at.C_IN_HEAD] != at.NONE or cores[core + at.C_OUT_HEAD] != at.NONE:
                touch(cores, dirty, z, core, at.CONTROLLER)
            return


@inlined
def push_next(
    nodes: Ints, cores: Ints, consumers: Ints, vectors: Ints, dirty: Ints, x: Ints, z: Ints,
    core: int, step: int,
) -> None:  # fmt: skip
    """S9, S10: push the group or stage whose turn it is, and say what follows."""
    item, token, vector = (
        cores[core + at.C_ITEM],
        cores[core + at.C_TOKEN],
        cores[core + at.C_VECTOR],
    )
    consumer = item * at.CONSUMER
    stage, group, after = at.NONE, x[at.X_GROUP], at.TAKE
    if step == at.PUSH_REST:
        group, after = vectors[vector + at.V_OPEN], at.JOIN
        vectors[vector + at.V_OPEN] = 0
        cores[core + at.C_CARRIED] = 0
    elif step == at.PUSH_STAGE:
        stage, group, after = consumers[consumer + at.U_STAGE], 0, at.TAKEN
        item = x[at.X_CONSUMERS] + stage
        stage *= at.STAGE_SIZE
    fetch = 0 if step == at.PUSH_STAGE else group * consumers[consumer + at.U_FETCH]
    push_task(nodes, cores, dirty, z, core, item, token, group, stage, fetch)
    cores[core + at.C_NEXT_STEP] = after


@inlined
def release(
    nodes: Ints, ports: Ints, cores: Ints, packets: Ints, asking: Ints, log: Ints, x: Ints,
    z: Ints, core: int,
) -> None:  # fmt: skip
    """S8: the controller is done with a packet, and its room in the input queue is given back."""
    node, port = cores[core + at.C_IN_HEAD], cores[core + at.C_LOCAL_PORT]
    cores[core + at.C_IN_HEAD] = nodes[node + at.NEXT]
    ports[port + at.P_USED] -= nodes[node + at.FLITS]
    if ports[port + at.P_SINCE] >= 0:
        touch_port(ports, asking, z, port)
    finish(
        packets, log, x, z, nodes[node + at.PACKET], cores[core + at.C_NUMBER],
        nodes[node + at.ARRIVED], cores[core + at.C_STARTED],
    )  # fmt: skip
    give_node(nodes, z, node)
