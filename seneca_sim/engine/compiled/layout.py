"""The records of the loop: every part is a row of a flat int64 array, named by its offset.

A handle is the offset of a record, so `ports[p + BUSY]` is a field of port `p` and costs one
addition. NONE stands for no handle.
"""

from __future__ import annotations

NONE = -1

# -- Nodes: what stands in a list of the wheel, of a queue or of a free list.
NODE = 8
NEXT = 0
# … a packet on a link or in a buffer (`PORT`: the link; for a fetch, FETCHED and its core)
PACKET, FLITS, POSITION, PORT, ARRIVED = 1, 2, 3, 4, 5
FETCHED = 1 << 40
# … a task (`NEXT_FETCH` links it in the SMPU, then in the channel)
NEXT_FETCH, ITEM, TOKEN, GROUP, STAGE, FETCH, READY = 1, 2, 3, 4, 5, 6, 7

# -- Router outputs, and the room behind their links.
PORT_SIZE = 24
(
    P_REQUESTS, P_POINTER, P_BUSY, P_SINCE, P_FROM, P_USED, P_CAPACITY, P_FLAG, P_SLOT, P_RING,
    P_SERIALS, P_HOP, P_WHOLE, P_BITS, P_SINK, P_KIND, P_FLITS, P_PACKETS, P_BUSY_CYCLES,
    P_BLOCKED, P_PEAK, P_NODE, P_OWN_BIT,
) = range(23)  # fmt: skip
TO_ROUTER, TO_CORE, TO_HOST, FROM_MEMORY = range(4)

# -- Input buffers of routers.
BUFFER = 8
B_HEAD, B_TAIL, B_COPIES, B_UPSTREAM, B_PORTS, B_BIT, B_OWNER, B_SLOT = range(8)
FROM_CORE, FROM_HOST = -1, -2  # B_UPSTREAM of an output queue

# -- Cores.
CORE = 64
(
    C_DIRTY, C_STATE, C_NEXT_STEP, C_ITEM, C_TOKEN, C_LEFT, C_VECTOR, C_SINCE, C_BUSY, C_BLOCKED,
    C_OUT_SINCE, C_OUT_BLOCKED, C_STARTED, C_SENDING, C_IN_HEAD, C_IN_TAIL, C_LOCAL_PORT,
    C_OUT_HEAD, C_OUT_TAIL, C_OUT_COPY, C_OUT_USED, C_OUT_PEAK, C_LOCAL_BUFFER,
    N_STATE, N_HEAD, N_TAIL, N_WAITING, N_PEAK, N_BUSY, N_STAGE, N_TOKEN, N_FETCH, N_SINCE,
    N_STARVED, G_STATE, G_HEAD, G_TAIL, G_STAGE, G_TOKEN, G_EMIT, G_SEQUENCE, G_BUSY, G_PACKET,
    M_HEAD, M_TAIL, M_HELD, M_CHANNEL, M_WAIT_HEAD, M_WAIT_TAIL, A_UNITS, A_SINCE, A_CYCLES,
    C_NODE, C_CARRIED, C_NUMBER,
) = range(55)  # fmt: skip
IDLE, WORKING, BLOCKED, CALLED = range(4)
CONTROLLER, NPES, GENERATOR, SMPU = 1, 2, 4, 8  # bits of C_DIRTY
# What a controller does next when its instructions are done.
TAKE, PUSH_GROUP, PUSH_REST, JOIN, PUSH_STAGE, CREDITED, TAKEN, SENT = range(8)

# -- Memory channels.
CHANNEL = 8
H_BUSY, H_POINTER, H_BUSY_CYCLES, H_BITS, H_FIRST, H_END, H_FLAG = range(7)

# -- Packets: one record for all copies of a multicast.
PACKET_SIZE = 16
(
    K_ROUTE, K_TOKEN, K_SEQUENCE, K_EVENTS, K_FLITS, K_LAST, K_ANNOUNCED, K_ITEM, K_CREATED,
    K_INJECTED, K_LEFT, K_ROOT,
) = range(12)  # fmt: skip

# -- Routes, consumers, stages: the program.
ROUTE = 8
(
    R_ROOT, R_WAYS, R_TARGETS, R_ITEM, R_WINDOW, R_ACKNOWLEDGES, R_PAYS,
) = range(7)  # fmt: skip
CONSUMER = 8
U_GROUPED, U_SOURCES, U_STAGE, U_CYCLES, U_FETCH, U_KIND = range(6)
STAGE_SIZE = 8
S_NEEDS, S_EMITS, S_END, S_CYCLES, S_KIND, S_CORE, S_FINISHED = range(7)
VECTOR = 4
V_TOKEN, V_OPEN, V_ENDS, V_DUE = range(4)

ANSWER = 4
W_ENDS, W_DUE, W_START, W_DONE = range(4)

# -- Counts: fields of a row of an item, a token or a window.
(
    INSTRUCTIONS, MEMORY, EVENTS, WRITES, READS, FLIT_HOPS, BOUNDARY_BITS, FETCHED_BITS,
) = range(8)  # fmt: skip
SIMPLE = 8
ITEM_SIZE = 16
I_IN, I_OUT, I_CYCLES, I_TASKS, I_GROUPED = range(8, 13)
"""Behind SIMPLE, a token or window has (tasks, their events) for each kind of task."""

# -- Constants of a run.
(
    X_PORTS, X_CORES, X_CHANNELS, X_TOKENS, X_CONSUMERS, X_ROW, X_WINDOW, X_WINDOW_CYCLES, X_GROUP,
    X_FIFO, X_PACKET_IN, X_EVENT_IN, X_TASK, X_PACKET_OUT, X_EVENT_OUT, X_ACCESSES,
    X_CYCLES_PER, X_PER_CYCLE, X_OUTPUT_ROOM, X_HOST_ROOM, X_HEADER, X_EVENT, X_SIZE, X_ANNOUNCE,
    X_UNICAST, X_ROTATE, X_UNSAFE, X_GENERATION, X_ANSWERS, X_PREFETCH, X_CHANNEL_BITS, X_LATENCY,
    X_HOST_ROUTES, X_HOST_BUFFER, X_NODE_MARGIN, X_PACKET_MARGIN, X_LOG_MARGIN, X_LOG, X_PROGRESS,
    X_SLOTS, X_DEPTH, X_WINDOW_END,
) = range(42)  # fmt: skip

# -- The loop's own state between two calls.
(
    Z_NOW, Z_RESUME, Z_NODE, Z_NODES, Z_PACKET, Z_PACKETS, Z_HEAP, Z_DONE, Z_DELIVERIES, Z_WAKEUPS,
    Z_LOG, Z_TOKEN, Z_ROUTE, Z_SEQUENCE, Z_COPY, Z_HOST_USED, Z_HOST_PEAK, Z_HOST_DIRTY, Z_DIRTY,
    Z_ASKING, Z_ITEM, Z_SEEN, Z_CALLING, Z_TOLD, Z_TURNS,
) = range(25)  # fmt: skip

# -- Why the loop has returned.
FINISHED, MORE_NODES, MORE_PACKETS, MORE_WINDOWS, LOG_FULL, TOKEN_DONE, WINDOW_BROKEN = range(7)

WHEEL = 4096
SPARE = 8
WORD_BITS = 16
WORDS_PER_EVENT = 2
LOG_FIELDS = 11
"""Columns of the log: those of `PACKET_FIELDS` but hops."""
