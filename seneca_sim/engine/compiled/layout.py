"""The records of the loop: every part is a row of a flat array, named by its offset.

A handle is the offset of a record, so `ports[p + P_BUSY]` is a field of port `p` and costs one
addition. NONE stands for no handle. States, queues and handles are int32, so that a record is a
cache line or a few; cycles and counts, which grow without limit, are int64 in tables of their own
with a record for each record of the first. `build` checks that what is narrow fits.
"""

from __future__ import annotations

NONE = -1
LARGEST = 2**31 - 1
LINE_BYTES = 64

# -- Nodes: what stands in a list of the wheel, of a queue or of a free list.
NODE = 4
NEXT = 0
# … a packet on a link or in a buffer. `PORT`: the link, for a fetch FETCHED - core; LEAVING is
# added where the link is free in the same cycle.
PACKET, POSITION, PORT = 1, 2, 3
FETCHED = -1
LEAVING = 1
# … a stage that the event generator must send
STAGE, TOKEN = 1, 2

# -- Tasks (`NEXT_FETCH` links one in the SMPU, then in the channel).
TASK_SIZE = 8
NEXT_FETCH, Q_ITEM, Q_TOKEN, Q_GROUP, Q_STAGE, Q_FETCH, Q_READY = 1, 2, 3, 4, 5, 6, 7

# -- Router outputs, six for each node, and the room behind their links.
DIRECTIONS = 6
PORT_SIZE = 16
(
    P_REQUESTS, P_POINTER, P_BUSY, P_FLAG, P_FROM, P_ROOM, P_LEAST, P_BLOCKED, P_SINK, P_SIDE,
    P_SLOT, P_RING, P_BETWEEN, P_FLITS, P_PACKETS, P_BUSY_CYCLES,
) = range(16)  # fmt: skip
TO_CORE, TO_HOST = 4, 5  # P_SIDE; below that, to a router
PORT_PER_NODE = PORT_SIZE // NODE  # the handle of a port, divided by this, is its own node
# … what their narrow counters have run over into
CARRY = 2**30
TRAFFIC = 4
T_FLITS, T_PACKETS, T_BUSY, T_BLOCKED = range(4)
PORT_PER_TRAFFIC = PORT_SIZE // TRAFFIC

# -- Input buffers of routers, six for each node.
BUFFER = 8
B_HEAD, B_TAIL, B_COPIES, B_UPSTREAM, B_PORTS, B_BIT, B_SLOT, B_FLITS = range(8)
FROM_CORE, FROM_HOST = -1, -2  # B_UPSTREAM of an output queue

# -- Cores: three cache lines …
CORE = 48
(
    C_DIRTY, C_STATE, C_NEXT_STEP, C_ITEM, C_TOKEN, C_LEFT, C_VECTOR, C_CARRIED, C_SENDING,
    C_IN_HEAD, C_IN_TAIL, C_OUT_HEAD, C_OUT_TAIL, C_OUT_USED, C_OUT_PEAK, A_UNITS,
    C_LOCAL_PORT, C_LOCAL_BUFFER, C_NODE, C_NUMBER, C_OUT_COPY, C_BARRED,
    N_STATE, N_HEAD, N_TAIL, N_WAITING, N_PEAK, N_STAGE, N_TOKEN, N_FETCH, N_STARVING, G_STATE,
    G_HEAD, G_TAIL, G_STAGE, G_TOKEN, G_EMIT, G_SEQUENCE, G_PACKET,
    M_HEAD, M_TAIL, M_HELD, M_CHANNEL, M_WAIT_HEAD, M_WAIT_TAIL,
) = range(45)  # fmt: skip
# … and their cycles.
CLOCKS = 16
CORE_PER_CLOCKS = CORE // CLOCKS
(
    L_CONTROLLER, L_NPES, L_GENERATOR, L_ACTIVE, L_ACTIVE_SINCE, L_BLOCKED, L_BLOCKED_SINCE,
    L_STARTED, L_OUT_BLOCKED, L_OUT_SINCE, L_STARVED, L_STARVED_SINCE, L_STALLED,
) = range(13)  # fmt: skip
IDLE, WORKING, BLOCKED, CALLED = range(4)
CONTROLLER, NPES, GENERATOR, SMPU = 1, 2, 4, 8  # bits of C_DIRTY
# What a controller does next when its instructions are done.
TAKE, PUSH_GROUP, PUSH_REST, JOIN, PUSH_STAGE, CREDITED, TAKEN, SENT = range(8)

# -- Memory channels.
CHANNEL = 8
H_BUSY, H_POINTER, H_BUSY_CYCLES, H_BITS, H_FIRST, H_END, H_FLAG = range(7)

# -- Packets: one record for all copies of a multicast. Flit-hops are booked when it is done.
PACKET_SIZE = 16
(
    K_ROUTE, K_TOKEN, K_SEQUENCE, K_EVENTS, K_FLITS, K_LAST, K_ANNOUNCED, K_ITEM, K_LEFT, K_ROOT,
    K_LEAVES, K_HOPS, K_BETWEEN,
) = range(13)  # fmt: skip
STAMPS = 2
S_CREATED, S_INJECTED = range(2)
PACKET_PER_STAMPS = PACKET_SIZE // STAMPS

# -- Routes, consumers, stages: the program.
ROUTE = 8
(
    R_ROOT, R_WAYS, R_TARGETS, R_ITEM, R_WINDOW, R_ACKNOWLEDGES, R_PAYS, R_LEAVES,
) = range(8)  # fmt: skip
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
"""Behind these, a token or window has (tasks, their events) for each kind of task."""
ITEM_SIZE = 16
I_IN, I_CYCLES, I_TASKS, I_GROUPED, I_SIMPLE = range(5)
I_OUT = I_SIMPLE + SIMPLE

# -- Constants of a run. X_HOP and X_SERIALS have one more for links between reticles.
(
    X_PORTS, X_CORES, X_CHANNELS, X_TOKENS, X_CONSUMERS, X_ROW, X_WINDOW, X_WINDOW_CYCLES, X_GROUP,
    X_FIFO, X_PACKET_IN, X_EVENT_IN, X_TASK, X_PACKET_OUT, X_EVENT_OUT, X_ACCESSES,
    X_CYCLES_PER, X_PER_CYCLE, X_OUTPUT_ROOM, X_HOST_ROOM, X_HEADER, X_EVENT, X_SIZE, X_ANNOUNCE,
    X_UNICAST, X_ROTATE, X_UNSAFE, X_GENERATION, X_ANSWERS, X_PREFETCH, X_CHANNEL_BITS, X_LATENCY,
    X_HOST_ROUTES, X_HOST_BUFFER, X_NODE_MARGIN, X_PACKET_MARGIN, X_LOG_MARGIN, X_LOG, X_PROGRESS,
    X_SLOTS, X_DEPTH, X_WINDOW_END, X_FLIT_BITS, X_HOP, X_HOP_BETWEEN, X_SERIALS,
    X_SERIALS_BETWEEN, X_TASK_MARGIN, X_LOG_FIRST, X_LOG_END, X_SLICES, X_SLICE_MARGIN,
) = range(52)  # fmt: skip
CONSTANTS = 56

# -- The loop's own state between two calls.
(
    Z_NOW, Z_RESUME, Z_NODE, Z_NODES, Z_PACKET, Z_PACKETS, Z_HEAP, Z_DONE, Z_DELIVERIES, Z_WAKEUPS,
    Z_LOG, Z_TOKEN, Z_ROUTE, Z_SEQUENCE, Z_COPY, Z_HOST_USED, Z_HOST_PEAK, Z_HOST_DIRTY, Z_DIRTY,
    Z_ASKING, Z_ITEM, Z_SEEN, Z_CALLING, Z_TOLD, Z_TURNS, Z_TASK, Z_TASKS, Z_MADE,
    Z_SLICES,
) = range(29)  # fmt: skip
STATE = 32

# -- Why the loop has returned.
(
    FINISHED, MORE_NODES, MORE_PACKETS, MORE_TASKS, MORE_WINDOWS, LOG_FULL, TOKEN_DONE,
    WINDOW_BROKEN,
) = range(8)  # fmt: skip

WHEEL = 4096
LISTS = 4
LINKS, ROUTERS, CONTROLLERS, OTHERS = range(LISTS)
"""Lists of a slot: links that are free, packets at routers, controllers, all else."""
CHUNK = 32  # slots of the wheel for each word of `occupied`
SPARE = 8
WORD_BITS = 16
WORDS_PER_EVENT = 2
LOG_FIELDS = 12
"""Columns of the log: those of `PACKET_FIELDS` but hops."""
SLICE = 8
"""Columns of the log of slices: `SLICE_FIELDS`."""
