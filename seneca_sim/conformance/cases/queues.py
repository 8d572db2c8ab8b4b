"""Queues that are full: task FIFO, output, host, input, router (S5, S6, S8, S9, S13, S17)."""

from seneca_sim.chip.mesh import EAST, LOCAL
from seneca_sim.conformance.build import stream_of
from seneca_sim.conformance.programs import chip, senders, single, stored
from seneca_sim.conformance.scenario import Run, scenario


@scenario("S1", "S2", "S9", "S11", "S17")
def task_fifo_full() -> Run:
    """Groups of 1 over 40 rows take 44 cycles, and the controller is done with one in 16.

    5 flits, there in 0 + 2 + 4 = 6. 1st pushed in 6 + 36 = 42, runs 42 .. 86. 2nd pushed in 58,
    waits in the only place. 3rd due in 74; the place is free in START of 86, so pushed in 87. 4th
    due in 103, the 3rd is in the FIFO until 130: pushed in 131. The stage due in 137, pushed in
    175. The 4th runs 174 .. 218, the stage .. 224.
    """
    c = chip(group_size=1, task_fifo=1)
    return Run(c, single(c, 320), stream_of(4, 0, 0), {
        "stage_done": [[224]],
        "packets": {(0, 0, 0, 0): (0, 0, 6, 6, 175)},
        "controller_blocked": [13 + 28 + 38],
        "controller_busy": [20 + 4 * 16 + 6 + 40],
        "npe_busy": [4 * 44 + 6],
        "fifo_peak": [1],
    })  # fmt: skip


@scenario("S12", "S13", "S17")
def output_queue_full() -> Run:
    """Capture goes on while the head of the output buffer waits for room.

    Stage done in 51 (`one_event`). 17 events: created in 67, 68, the credit in 69. The first is
    sent 67 .. 87 and fills the queue until its 17 flits are out, 104. Barred from 87 (START) to
    104. Then .. 124; the credit fits behind its 2 flits, .. 144.
    """
    c = chip(output_queue_flits=17)
    return Run(c, single(c), stream_of(1, 17, 0), {
        "packets": {
            (1, 0, 0, 1): (67, 87, 105, 105, 105),
            (1, 0, 1, 1): (68, 124, 127, 127, 127),
            (2, 0, 0, 1): (69, 144, 146, 146, 146),
        },
        "output_blocked": [17],
        "output_peak": [17],
    })  # fmt: skip


@scenario("S5", "S15")
def host_queue_full() -> Run:
    """The second packet enters when the first one's 17 flits are out, and is granted at once.

    17 + 2 + 1 = 20. First: there in 18, 18 + 20 + 160 + 6 = 204. Second .. 204 + 20 + 10 + 6 + 6.
    """
    c = chip(queue_flits=17)
    return Run(c, single(c), stream_of(17, 0, 0), {
        "packets": {(0, 0, 0, 0): (0, 0, 18, 18, 204), (0, 0, 1, 0): (17, 17, 20, 204, 246)},
        "input_peak": [19],
        "token_start": [0],
    })  # fmt: skip


@scenario("S2", "S5", "S6", "S8", "S17")
def input_queue_full() -> Run:
    """Cores 0 and 2 each send a full packet to core 1, whose queue holds one.

    Entry at both in 4, taken .. 30, stage 36, 16 events .. 52, sent .. 72, at router 1 in 74. The
    east input is first: granted in 74, there in 74 + 2 + 16 = 92, taken 92 + 20 + 160 + 6 = 278.
    The link is free in 91; room is given back in ARRIVE of 278 and counts in ARBITRATE: 278 + 18 =
    296, taken .. 482, the stage .. 488. Groups of 16: 278 .. 298, 482 .. 502; stage .. 508.
    """
    c = chip(3, 1, x=1, input_queue_flits=17)
    return Run(c, senders(c, (0, 2), 1), stream_of(0, 16, 16, 0), {
        "packets": {
            (0, 0, 0, 0): (0, 0, 4, 4, 30),
            (0, 0, 0, 2): (0, 0, 4, 4, 30),
            (1, 0, 0, 1): (52, 72, 296, 296, 488),
            (2, 0, 0, 1): (52, 72, 92, 92, 278),
        },
        "stage_done": [[36], [36], [508]],
        "link_blocked": {(1, LOCAL): 278 - 91},
        "input_peak": [1, 17, 1],
    })  # fmt: skip


@scenario("S2", "S5", "S6", "S17")
def router_buffer_full() -> Run:
    """Two full packets over three outputs, buffers of 17: the second waits until the first is gone.

    First: granted in 0, 2, 4, there in 4 + 18 = 22; it has left router 1 in 2 + 17 = 19. The link
    is free in 17, the second goes in 19, 21 (router 2 is left in 21), 23: there in 41. Both stored:
    22 + 180 = 202, + 180 + 6 = 388.
    """
    c = chip(3, 1, buffer_flits=17)
    return Run(c, stored(c, 2, 1), stream_of(32, 0), {
        "packets": {(0, 0, 0, 2): (0, 0, 22, 22, 202), (0, 0, 1, 2): (0, 0, 41, 202, 388)},
        "link_blocked": {(0, EAST): 2},
        "input_peak": [0, 0, 34],
    })  # fmt: skip


@scenario("S5", "S6")
def router_buffer_with_room() -> Run:
    """As `router_buffer_full` with room for two packets: link after link, 17 + 22 = 39."""
    c = chip(3, 1, buffer_flits=34)
    return Run(c, stored(c, 2, 1), stream_of(32, 0), {
        "packets": {(0, 0, 0, 2): (0, 0, 22, 22, 202), (0, 0, 1, 2): (0, 0, 39, 202, 388)},
        "link_blocked": {},
    })  # fmt: skip
