"""Rings: the shorter side, and the bubble that keeps them moving (S7, S19)."""

from seneca_sim.chip.mesh import EAST, HOST, LOCAL, SOUTH, WEST
from seneca_sim.conformance.build import FIRE, Builder, stream_of
from seneca_sim.conformance.programs import chip, senders, stored
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE


@scenario("S7", "S19")
def shorter_side_of_a_ring() -> Run:
    """Four columns: from 0 to 3 it is one step west; to 2 both sides are equal, so east.

    2 flits: granted in 0, 2, there in 2 + 2 + 1 = 5, taken .. 41. The other: 2, 4, 6, there in 9.
    """
    c = chip(4, 1, topology="torus", buffer_flits=34)
    b = Builder(c)
    x, z, y = b.site("x"), b.site("z"), b.site("y")
    stages = [b.stage(3, [b.stored(3, x)]), b.stage(2, [b.stored(2, z)])]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [3])
    b.route(z, HOST_STAGE, [2])
    b.route(y, stages[0], [b.host])
    return Run(c, b.build(), stream_of(1, 1, 0), {
        "packets": {(0, 0, 0, 3): (0, 0, 5, 5, 41), (1, 0, 0, 2): (0, 0, 9, 9, 45)},
        "hops": {(0, 0, 0, 3): 2, (1, 0, 0, 2): 3, (2, 0, 0, 4): 2},
        "link_packets": {
            (0, WEST): 1, (3, LOCAL): 1, (0, EAST): 1, (1, EAST): 1, (2, LOCAL): 1,
            (3, EAST): 1, (0, HOST): 1,
        },
    })  # fmt: skip


@scenario("S7", "S19")
def shorter_sides_of_two_rings() -> Run:
    """5 x 3, from the host at (0, 0) to (3, 2): two west over the edge, one north over the edge.

    Granted in 0, 2, 4, 6: 1 flit, there in 8. 8 + 26 + 6 = 40, answer 41 .. 61; back two east, one
    south, HOST: 69.
    """
    c = chip(5, 3, topology="torus", buffer_flits=34)
    return Run(c, stored(c, 13, 1), stream_of(0, 0), {
        "cycles": 69,
        "packets": {(0, 0, 0, 13): (0, 0, 8, 8, 34)},
        "hops": {(0, 0, 0, 13): 4, (1, 0, 0, 15): 4},
        "link_flits": {
            (0, WEST): 1, (4, WEST): 1, (3, 2): 1, (13, LOCAL): 1,
            (13, EAST): 1, (14, EAST): 1, (10, SOUTH): 1, (0, HOST): 1,
        },
    })  # fmt: skip


@scenario("S5", "S19")
def entering_a_ring_needs_room_for_two() -> Run:
    """Buffers for two packets: the second enters when the first has left router 1.

    Granted in 0, 2, 4, there in 22. It has left router 1 in 19: the second enters then, though
    there was room for one in 17; 21, 23, there in 23 + 18 = 41.
    """
    c = chip(4, 1, topology="torus", buffer_flits=34)
    return Run(c, stored(c, 2, 1), stream_of(32, 0), {
        "packets": {(0, 0, 0, 2): (0, 0, 22, 22, 202), (0, 0, 1, 2): (0, 0, 41, 202, 388)},
        "link_blocked": {(0, EAST): 2},
    })  # fmt: skip


@scenario("S19")
def short_packets_take_a_whole_place() -> Run:
    """Two packets of 1 flit, no event each, for core 2: each takes the room of a largest one.

    Routes for x and z. First: granted in 0, has left router 1 in 3. The second asks in 1 and enters
    in 3; there in 6 and 9.
    """
    c = chip(4, 1, topology="torus", buffer_flits=34)
    b = Builder(c)
    x, z, y = b.site("x"), b.site("z"), b.site("y")
    stage = b.stage(2, [b.stored(2, x), b.stored(2, z)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [2])
    b.route(z, HOST_STAGE, [2])
    b.route(y, stage, [b.host])
    return Run(c, b.build(), stream_of(0, 0, 0), {
        "packets": {(0, 0, 0, 2): (0, 0, 6, 6, 26), (1, 0, 0, 2): (0, 0, 9, 26, 52)},
        "link_blocked": {(0, EAST): 2},
    })  # fmt: skip


@scenario("S6", "S17", "S19")
def a_packet_in_the_ring_passes_one_that_enters() -> Run:
    """With one free place the packet from core 0 goes on, the one that enters at core 1 waits.

    Six columns; input queues of 17. Host: x (0 events) to core 1, p (two full packets) to core 2, w
    (0 events) to core 0. x: granted in 0, 2, there in 4; stage 30 .. 36, q (16 events) created 52,
    sent 72: it asks to enter router 2's buffer. p1 enters when x has left router 1, 3; 5, 7, there
    in 25, taken .. 205. p2 enters in 22 (p1 has left router 1), 24, 26, waits for core 2 and has
    its place until 205 + 17 = 222. So q finds room for one. w: asks in 39, there in 41, taken ..
    67, stage of 64 .. 131, r (16 events, to core 3) created 147, sent 167, enters router 1, asks in
    169 and goes on at once: q has been blocked 169 - 72. r waits behind p2 and leaves router 2 in
    222 .. 239: there in 224 + 18 = 242. Then q has room for two: 239, blocked since the link was
    free, 186; LOCAL in 241, when core 2 is busy with p2 (there in 223, .. 403): there in 421, ..
    607. LOCAL of core 2 is blocked 26 .. 205 and 241 .. 403. Stage .. 613, answer 614, 634, 2 steps
    west and HOST: 640.
    """
    c = chip(6, 1, topology="torus", buffer_flits=34, input_queue_flits=17)
    b = Builder(c)
    x, p, w, q, r, y = (b.site(name, 32) for name in "xpwqry")
    one = b.stage(1, [b.stored(1, x)])
    zero = b.stage(0, [b.stored(0, w)], (FIRE, 30))
    two = b.stage(2, [b.stored(2, p), b.stored(2, q)])
    b.stage(3, [b.stored(3, r)])
    b.stored(b.host, y)
    for site, core in ((x, 1), (p, 2), (w, 0)):
        b.route(site, HOST_STAGE, [core])
    b.route(q, one, [2])
    b.route(r, zero, [3])
    b.route(y, two, [b.host])
    return Run(c, b.build(), stream_of(0, 32, 0, 16, 16, 0), {
        "cycles": 640,
        "packets": {
            (0, 0, 0, 1): (0, 0, 4, 4, 30),
            (1, 0, 0, 2): (0, 0, 25, 25, 205),
            (1, 0, 1, 2): (0, 0, 223, 223, 403),
            (2, 0, 0, 0): (0, 0, 41, 41, 67),
            (3, 0, 0, 2): (52, 72, 421, 421, 607),
            (4, 0, 0, 3): (147, 167, 242, 242, 428),
        },
        "link_blocked": {
            (0, EAST): 2 + 2, (1, EAST): (169 - 72) + (239 - 186),
            (2, LOCAL): (205 - 26) + (403 - 241),
        },
    })  # fmt: skip


@scenario("S6", "S17", "S19")
def endpoints_are_given_in_turn() -> Run:
    """Only outputs into a ring pass over requests: at core 1's LOCAL a short packet waits its turn.

    Packets of 4 events and 5 flits, input queues of 6. Cores 0, 2 and 5 send to core 1. Entries in
    4, taken .. 30, stages of 6 cycles .. 36, 4 events 40, sent 60, in router 1 in 62: the east
    first, there in 68, taken .. 128. The west waits from 67 (the link is free) and finds room in
    128: there in 134, taken .. 194. Core 5: stage of 44 cycles .. 74, nothing to capture 75, sent
    95, from the south in 97: 1 flit, for which there is room, but the west is before it; 133, there
    in 135. Taken 194 .. 214; the group of 8, 220; the stage 226.
    """
    c = chip(
        4, 3, x=1, topology="torus", packet_events=4, buffer_flits=10, input_queue_flits=6,
    )  # fmt: skip
    return Run(c, senders(c, (0, 2, 5), 1, (1, 1, 20)), stream_of(0, 4, 4, 0, 0), {
        "packets": {
            (1, 0, 0, 1): (40, 60, 134, 134, 194),
            (2, 0, 0, 1): (40, 60, 68, 68, 128),
            (3, 0, 0, 1): (75, 95, 135, 194, 226),
        },
        "link_blocked": {(1, LOCAL): 128 - 67},
    })  # fmt: skip


@scenario("S7", "S19")
def multicast_around_a_ring() -> Run:
    """One packet to all of a ring of five: two steps east, two west, and its own core.

    3 flits: own core 0 + 2 + 2 = 4, neighbours 6, the others 8.
    """
    c = chip(5, 1, topology="torus", buffer_flits=34)
    b = Builder(c)
    x, y = b.site("x"), b.site("y")
    stages = [b.stage(core, [b.stored(core, x)]) for core in range(5)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, range(5))
    b.route(y, stages[0], [b.host])
    return Run(c, b.build(), stream_of(2, 0), {
        "packets": {
            (0, 0, 0, core): (0, 0, there, there, there + 46)
            for core, there in enumerate((4, 6, 8, 8, 6))
        },
        "link_packets": {
            (0, EAST): 1, (1, EAST): 1, (0, WEST): 1, (4, WEST): 1, (0, HOST): 1,
            **{(core, LOCAL): 1 for core in range(5)},
        },
    })  # fmt: skip
