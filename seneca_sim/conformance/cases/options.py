"""Announcements (S4, S10), and what can lock up (S13, S21)."""

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import EAST, HOST, LOCAL, WEST
from seneca_sim.conformance.build import FIRE, Builder, stream_of
from seneca_sim.conformance.programs import chip, parts, single
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE, Program


@scenario("S4", "S10", "S15")
def announced_vector() -> Run:
    """A packet without events says that 2 follow; the answer of 1 event is announced, too.

    1 flit: there in 2, taken .. 22. 3 flits: granted in 1, there in 5, taken .. 22 + 46 = 68; stage
    .. 74. Group 68 .. 74, stage .. 80. Announcement created in 81, event 82, credit (announced:
    nothing more) 83. Sent .. 101 .. 121 .. 141; at the host in 103, 121 + 3 = 124, 143.
    """
    c = chip(completion="announce")
    return Run(c, single(c), stream_of(2, 1, 0), {
        "cycles": 143,
        "token_done": [124],
        "stage_done": [[80]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 2, 2, 22),
            (0, 0, 1, 0): (0, 0, 5, 22, 74),
            (1, 0, 0, 1): (81, 101, 103, 103, 103),
            (1, 0, 1, 1): (82, 121, 124, 124, 124),
            (2, 0, 0, 1): (83, 141, 143, 143, 143),
        },
        "link_packets": {(0, LOCAL): 2, (0, HOST): 3},
    })  # fmt: skip


@scenario("S4", "S10")
def announced_nothing() -> Run:
    """The announcement of 0 events is the only packet: as `empty_vector`."""
    c = chip(completion="announce")
    return Run(c, single(c), stream_of(0, 0, 0), {
        "cycles": 77,
        "stage_done": [[34]],
        "packets": {(0, 0, 0, 0): (0, 0, 2, 2, 28), (1, 0, 0, 1): (35, 55, 57, 57, 57)},
        "deliveries": 3,
    })  # fmt: skip


@scenario("S4", "S9", "S10")
def announcements_of_two_sources() -> Run:
    """All that was announced is there before the second source says anything. G = 4.

    Packets: 0, 3, 0, 2 events; granted in 0, 1, 5, 6, there in 2, 6, 7, 10. 2 .. 22 .. 72 .. 92; 20
    + 10 + 6, .. 128: the group of 4; 10 + 6, .. 144; stage .. 150. Groups 128 .. 136, 144 .. 149;
    stage 150 .. 156.
    """
    c = chip(completion="announce", group_size=4)
    return Run(c, parts(c, 8, 16), stream_of(3, 2, 0), {
        "stage_done": [[156]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 2, 2, 22),
            (0, 0, 1, 0): (0, 0, 6, 22, 72),
            (1, 0, 0, 0): (0, 0, 7, 72, 92),
            (1, 0, 1, 0): (0, 0, 10, 92, 150),
        },
    })  # fmt: skip


def _entangled(c: Chip) -> Program:
    """A on core 0 sends r (windowed) to B on core 1; B also needs q from C on core 0.

    C waits for D on core 1, which is slow: 204 cycles.
    """
    b = Builder(c)
    x, w, r, p, q, y = (b.site(name) for name in "xwrpqy")
    a = b.stage(0, [b.stored(0, x)])
    d = b.stage(1, [b.stored(1, w)], (FIRE, 100))
    stage_c = b.stage(0, [b.stored(0, p)])
    stage_b = b.stage(1, [b.stored(1, r), b.stored(1, q)])
    b.stored(b.host, y)
    entries = [b.route(x, HOST_STAGE, [0], window=True), b.route(w, HOST_STAGE, [1], window=True)]
    windowed = b.route(r, a, [1], window=True)
    b.route(p, d, [0])
    b.route(q, stage_c, [1])
    b.route(y, stage_b, [b.host])
    b.credits(entries[0], [a])
    b.credits(entries[1], [d])
    b.credits(windowed, [stage_b])
    return b.build()


@scenario("S13", "S14")
def a_program_can_lock_itself() -> Run:
    """Only the head of the output buffer is looked at: r of token 1 stands before q of token 0.

    r of token 1 waits for the credit of token 0, which B sends when it has q of token 0.
    """
    c = chip(2, 1, window=1)
    stream = stream_of(*[[1, 1]] * 6, *[[0, 0]] * 3)
    return Run(c, _entangled(c), stream, {"error": ("DeadlockError", "r")}, "pipelined")


def _exchange(c: Chip) -> Program:
    """Host -> cores 0 and 2 (route 0), each sends to the other (1, 2); core 0 answers (3)."""
    b = Builder(c)
    x, y = b.site("x"), b.site("y")
    first = [b.stage(core, [b.stored(core, x)]) for core in (0, 2)]
    sites = [b.site(f"from{core}", 80) for core in (0, 2)]
    last = [b.stage(core, [b.stored(core, site)]) for core, site in zip((2, 0), sites, strict=True)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 2])
    b.route(sites[0], first[0], [2])
    b.route(sites[1], first[1], [0])
    b.route(y, last[1], [b.host])
    return b.build()


# One packet fills each buffer; hops are so slow that a core sends before it is sent anything.
_TIGHT = {"input_queue_flits": 17, "output_queue_flits": 17, "buffer_flits": 17, "hop_cycles": 200}


_RING = (
    "input queue 0 -> controller 0 -> output queue 0 -> router 1 west input -> router 2 west input "
    "-> input queue 2 -> controller 2 -> output queue 2 -> router 1 east input -> router 0 east "
    "input -> input queue 0"
)


@scenario("S21")
def unsafe_sending_deadlocks() -> Run:
    """Two cores send 5 full packets to each other, and the fifth waits for ever.

    A way holds four: output queue, two routers, input queue. With the first granted in T: it leaves
    router 1 in T + 217 and router 2 in T + 417, and is there in T + 616. The second leaves the core
    in T + 234, the third in T + 451; the fourth is in the output queue from T + 471. So the
    controller waits with the fifth when the first arrives, does not take it, and nothing moves
    again; the same on the other side. The error names the ring, from core 0 over 2 and back.
    """
    c = chip(3, 1, x=1, unsafe_blocking_send=1, **_TIGHT)
    expected = {"error": ("DeadlockError", f"waiting in a cycle: {_RING}")}
    return Run(c, _exchange(c), stream_of(0, 80, 80, 0), expected)


@scenario("S8", "S13")
def safe_sending_goes_on() -> Run:
    """As `unsafe_sending_deadlocks` with input first: all 85 flits arrive on both sides.

    Entries and the answer have 1 flit.
    """
    c = chip(3, 1, x=1, **_TIGHT)
    return Run(c, _exchange(c), stream_of(0, 80, 80, 0), {
        "link_flits": {
            (1, WEST): 1 + 85, (0, LOCAL): 1 + 85, (1, EAST): 1 + 85, (2, LOCAL): 1 + 85,
            (0, EAST): 85 + 1, (2, WEST): 85, (1, HOST): 1,
        },
        "item_events_in": [0, 0, 80, 80, 0, 0, 0, 0, 0, 0],
        "input_peak": [17, 0, 17],
    })  # fmt: skip


@scenario("S21")
def unsafe_sending_with_room() -> Run:
    """Where the output queue has room the option changes nothing: `one_event` once more."""
    c = chip(unsafe_blocking_send=1)
    return Run(c, single(c), stream_of(1, 2, 0), {"cycles": 95, "token_done": [77]})
