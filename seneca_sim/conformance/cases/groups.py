"""Groups, packets, sources and the ends of vectors (S4, S9, S10)."""

from seneca_sim.conformance.build import Builder, stream_of
from seneca_sim.conformance.programs import chip, parts, senders, single
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE


@scenario("S4", "S8", "S9")
def packet_of_16_and_one_more() -> Run:
    """17 events: a full packet, then the rest, which waits for the controller.

    17 flits: there in 0 + 2 + 16 = 18; 20 + 160, the group of 16 is full: 6, .. 204. The link is
    free in 17: there in 20, taken 204 + 20 + 10 + 6 = 240, the stage 246. Groups 204 .. 224, 240 ..
    245; stage 246 .. 252.
    """
    c = chip()
    return Run(c, single(c), stream_of(17, 0, 0), {
        "stage_done": [[252]],
        "packets": {(0, 0, 0, 0): (0, 0, 18, 18, 204), (0, 0, 1, 0): (0, 0, 20, 204, 246)},
        "input_peak": [19],
        "item_npe_cycles": [25, 0, 6, 0],
    })  # fmt: skip


@scenario("S9", "S10")
def group_of_g() -> Run:
    """G = 4 events: the group is full with the last one, and nothing is left to close.

    There in 0 + 2 + 4 = 6; 20 + 40 + 6, .. 72; stage .. 78. Group 72 .. 80, stage .. 86.
    """
    c = chip(group_size=4)
    return Run(c, single(c), stream_of(4, 0, 0), {
        "stage_done": [[86]],
        "packets": {(0, 0, 0, 0): (0, 0, 6, 6, 78)},
        "item_ops": {0: {"npe.mld": 4, "ctrl.instruction": 66, "ctrl.memory": 4}},
        "item_npe_cycles": [8, 0, 6, 0],
    })  # fmt: skip


@scenario("S9", "S10")
def group_of_g_and_one_more() -> Run:
    """G + 1 = 5 events: the first four are pushed in the middle of the packet.

    There in 7; 20 + 40 + 6, .. 73; 10 + 6, .. 89; stage .. 95. Groups 73 .. 81, 89 .. 94; stage 95
    .. 101.
    """
    c = chip(group_size=4)
    return Run(c, single(c), stream_of(5, 0, 0), {
        "stage_done": [[101]],
        "packets": {(0, 0, 0, 0): (0, 0, 7, 7, 95)},
        "item_ops": {0: {"npe.mld": 5, "ctrl.instruction": 82, "ctrl.memory": 5}},
        "item_npe_cycles": [8 + 5, 0, 6, 0],
    })  # fmt: skip


@scenario("S4", "S9", "S10")
def group_across_packets() -> Run:
    """Packets of 2 events, G = 3: packets 2, 2, 1 make groups 3 and 2.

    Granted in 0, 3, 6, there in 4, 7, 9. 4 .. 44 (20 + 20); 20 + 10 + 6, .. 80: the group of 3; 10,
    .. 90; 20 + 10 + 6, .. 126; stage .. 132. Groups 80 .. 87, 126 .. 132; the stage is pushed just
    when the NPEs are done: .. 138.
    """
    c = chip(packet_events=2, group_size=3)
    return Run(c, single(c), stream_of(5, 0, 0), {
        "stage_done": [[138]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 4, 4, 44),
            (0, 0, 1, 0): (0, 0, 7, 44, 90),
            (0, 0, 2, 0): (0, 0, 9, 90, 132),
        },
        "fifo_peak": [1],
    })  # fmt: skip


@scenario("S9", "S10")
def group_across_sources() -> Run:
    """Two routes with 3 and 2 events, G = 4: groups 4 and 1; the first end flag closes nothing.

    4 flits: there in 5, 5 + 20 + 30 = 55. Granted in 4, there in 4 + 2 + 2 = 8: 55 + 20 + 10 + 6 =
    91, the group of 4; + 10 + 6 = 107; stage .. 113. NPEs: 91 .. 99, 107 .. 112, 113 .. 119.
    """
    c = chip(group_size=4)
    return Run(c, parts(c, 8, 16), stream_of(3, 2, 0), {
        "stage_done": [[119]],
        "packets": {(0, 0, 0, 0): (0, 0, 5, 5, 55), (1, 0, 0, 0): (0, 0, 8, 55, 113)},
        "item_npe_cycles": [13, 0, 6, 0],
    })  # fmt: skip


@scenario("S4", "S10")
def last_source_is_empty() -> Run:
    """G = 4 events, then a source without any: its end flag pushes the stage and no group.

    There in 6; 20 + 40 + 6, .. 72, pushed. The other: granted in 5, there in 7; 72 + 20 + 6 = 98.
    NPEs: 72 .. 80, 98 .. 104.
    """
    c = chip(group_size=4)
    return Run(c, parts(c, 8, 16), stream_of(4, 0, 0), {
        "stage_done": [[104]],
        "packets": {(0, 0, 0, 0): (0, 0, 6, 6, 72), (1, 0, 0, 0): (0, 0, 7, 72, 98)},
    })  # fmt: skip


@scenario("S4", "S10")
def end_flags_out_of_order() -> Run:
    """The second route's vector ends long before the first's; the stage waits for both.

    Entry at cores 0 and 2 in 4, taken .. 30. Core 2: stage 36, 3 events 39, sent 59, at router 1 in
    61, there in 61 + 2 + 3 = 66, taken 66 + 20 + 30 = 116: its end, and no more. Core 0: 50 rows,
    30 + 104 = 134, 1 event 135, sent 155, there in 157 + 2 + 1 = 160, taken 160 + 30 + 6 = 196: one
    group of 4; stage 202. NPEs: 196 .. 204 .. 210.
    """
    c = chip(3, 1, x=1)
    return Run(c, senders(c, (0, 2), 1, (50, 1)), stream_of(0, 1, 3, 0), {
        "stage_done": [[134], [36], [210]],
        "packets": {
            (1, 0, 0, 1): (135, 155, 160, 160, 202),
            (2, 0, 0, 1): (39, 59, 66, 66, 116),
        },
        "npe_busy": [104, 8 + 6, 6],
    })  # fmt: skip


@scenario("S9", "S10")
def two_consumers_interleaved() -> Run:
    """Vectors u and v for one core, in parts, turn by turn: each has a group of its own. G = 4.

    Events u 2, v 1, u 2, v 1: there in 4, 6, 9, 11. 4 .. 44; .. 74; 20 + 20 + 6, .. 120: u's group
    of 4; 20 + 10 + 6, .. 156: v's group of 2; stage .. 162. NPEs: 120 .. 128, 156 .. 162 .. 168.
    """
    c = chip(group_size=4)
    b = Builder(c)
    u, v, y = b.site("u"), b.site("v"), b.site("y")
    stage = b.stage(0, [b.weighted(0, u), b.weighted(0, v)])
    b.stored(b.host, y)
    for low, high in ((0, 4), (4, 8)):
        b.route(u, HOST_STAGE, [0], low, high)
        b.route(v, HOST_STAGE, [0], low, high)
    b.route(y, stage, [b.host])
    return Run(c, b.build(), stream_of(2, 1, 2, 1, 0), {
        "stage_done": [[168]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 4, 4, 44),
            (1, 0, 0, 0): (0, 0, 6, 44, 74),
            (2, 0, 0, 0): (0, 0, 9, 74, 120),
            (3, 0, 0, 0): (0, 0, 11, 120, 162),
        },
        "item_npe_cycles": [8, 6, 0, 6, 0],
    })  # fmt: skip
