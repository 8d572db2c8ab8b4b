"""One core and one token: packets in, tasks, packets out (S1-S5, S8-S13)."""

from seneca_sim.conformance.build import Builder, stream_of
from seneca_sim.conformance.programs import chip, single, stored
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE


@scenario("S1", "S3", "S4", "S5", "S8", "S9", "S10", "S11", "S12", "S13", "S15", "S17", "S20")
def one_event() -> Run:
    """One event in, an answer of two events and a credit out.

    In: 2 flits, granted in 0, at the core in 0 + 2 + 2 - 1 = 3. Taken in 20 + 10; closing the group
    6, pushed in 39; the stage 6, pushed in 45. NPEs: group 39 + 4 + 1 = 44, stage 45 + 4 + 2 = 51.
    Event generator: answer 2 cycles, 53; credit 1, 54. Controller: 53 .. 73 .. 93. At the host: 3
    flits 73 + 2 + 2 = 77, 1 flit 93 + 2 = 95. Some unit works in all of 3 .. 93. When the credit's
    place is reserved, in START of 73, the answer's 3 flits are still in the output queue.
    """
    c = chip()
    return Run(c, single(c), stream_of(1, 2, 0), {
        "cycles": 95,
        "token_start": [0],
        "token_done": [77],
        "stage_done": [[51]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 3, 3, 45),
            (1, 0, 0, 1): (53, 73, 77, 77, 77),
            (2, 0, 0, 1): (54, 93, 95, 95, 95),
        },
        "controller_busy": [82],
        "controller_blocked": [0],
        "npe_busy": [11],
        "generator_busy": [3],
        "core_active": [90],
        "output_blocked": [0],
        "input_peak": [2],
        "output_peak": [4],
        "fifo_peak": [1],
    })  # fmt: skip


@scenario("S4", "S5", "S10")
def empty_vector() -> Run:
    """No event is a header with the end flag: no group, only the stage.

    1 flit: 0 + 2 = 2. Taken in 20, stage pushed in 28, done in 28 + 6 = 34. Answer created in 35,
    sent .. 55, there in 57. Credit 36, .. 75, 77.
    """
    c = chip()
    return Run(c, single(c), stream_of(0, 0, 0), {
        "cycles": 77,
        "stage_done": [[34]],
        "packets": {(0, 0, 0, 0): (0, 0, 2, 2, 28), (1, 0, 0, 1): (35, 55, 57, 57, 57)},
        "item_npe_cycles": [0, 0, 6, 0],
        "input_peak": [1],
    })  # fmt: skip


@scenario("S4", "S5")
def flits_fill_whole_link_cycles() -> Run:
    """Header and events of 2 flits each, links of 48 bit: 1 event is 4 flits, 128 bit, 3 cycles.

    3 events fill a packet: 8 flits, 256 bit, 6 cycles: there in 0 + 2 + 5 = 7, the link free in 6.
    The fourth event: 6 + 2 + 2 = 10. Taken: 7 + 20 + 30 = 57; 57 + 20 + 10 + 6 + 6 = 99.
    """
    c = chip(header_flits=2, event_flits=2, packet_events=3, link_bits=48)
    return Run(c, single(c), stream_of(4, 0, 0), {
        "packets": {(0, 0, 0, 0): (0, 0, 7, 7, 57), (0, 0, 1, 0): (0, 0, 10, 57, 99)},
        "link_flits": {(0, 4): 12, (0, 5): 4},
        "link_busy": {(0, 4): 9, (0, 5): 4},  # 2 flits to the host: 64 bit, 2 cycles each
        "input_peak": [12],
    })  # fmt: skip


@scenario("S8", "S9", "S11", "S13")
def two_cycles_an_instruction() -> Run:
    """As `one_event`, every instruction twice as long; NPEs as fast as ever.

    3 + 2 x 36 = 75, + 12 = 87. Group 75 .. 80, stage 87 .. 93. Created 95 and 96; sent .. 135 ..
    175.
    """
    c = chip(cycles_per_instruction=2)
    return Run(c, single(c), stream_of(1, 2, 0), {
        "cycles": 177,
        "stage_done": [[93]],
        "packets": {
            (0, 0, 0, 0): (0, 0, 3, 3, 87),
            (1, 0, 0, 1): (95, 135, 139, 139, 139),
            (2, 0, 0, 1): (96, 175, 177, 177, 177),
        },
        "controller_busy": [164],
    })  # fmt: skip


@scenario("S3", "S9", "S10", "S11")
def pushes_that_cost_nothing() -> Run:
    """No instructions for events and tasks: group and stage are pushed in one cycle, in order.

    3 + 20 = 23: both pushed. Group 23 .. 28, stage .. 34. Without set-up and with no row a stage
    would take 0, so 1: see `at_least_one_cycle`.
    """
    c = chip(event_in_instructions=0, task_instructions=0)
    return Run(c, single(c), stream_of(1, 0, 0), {
        "stage_done": [[34]],
        "packets": {(0, 0, 0, 0): (0, 0, 3, 3, 23)},
        "controller_busy": [60],
        "fifo_peak": [2],
    })  # fmt: skip


@scenario("S3", "S11")
def at_least_one_cycle() -> Run:
    """A stage without set-up and rows ends a cycle after it starts: 28 + 1."""
    c = chip(task_setup_cycles=0)
    return Run(c, stored(c, 0, 0), stream_of(0, 0), {
        "stage_done": [[29]],
        "npe_busy": [1],
    })  # fmt: skip


@scenario("S9", "S11", "S16")
def stored_vector() -> Run:
    """Without a micro-kernel the controller writes the values; each step is set up by itself.

    6 flits: 0 + 2 + 5 = 7. 7 + 20 + 50 + 6 = 83. Stage: 4 + 2 x 1, then 4 + 2 x 2, 83 + 14 = 97.
    """
    c = chip()
    return Run(c, stored(c, 0, 1, 2), stream_of(5, 0), {
        "stage_done": [[97]],
        "packets": {(0, 0, 0, 0): (0, 0, 7, 7, 83)},
        "item_npe_cycles": [0, 0, 14, 0],
        "item_events_in": [5, 0, 0, 0],
        "item_ops": {0: {"ctrl.instruction": 70, "ctrl.memory": 5}},
    })  # fmt: skip


@scenario("S10", "S11")
def stage_with_two_needs() -> Run:
    """The stage waits for u (stored, 1 event) and v (weights, none).

    u: 2 flits, there in 3, taken .. 33. v: the link is free in 2, there in 4; 33 + 20 + 6 = 59, +
    6.
    """
    c = chip()
    b = Builder(c)
    u, v, y = b.site("u"), b.site("v"), b.site("y")
    stage = b.stage(0, [b.stored(0, u), b.weighted(0, v)])
    b.stored(b.host, y)
    b.route(u, HOST_STAGE, [0])
    b.route(v, HOST_STAGE, [0])
    b.route(y, stage, [b.host])
    return Run(c, b.build(), stream_of(1, 0, 0), {
        "stage_done": [[65]],
        "packets": {(0, 0, 0, 0): (0, 0, 3, 3, 33), (1, 0, 0, 0): (0, 0, 4, 33, 59)},
    })  # fmt: skip


def _two_stages() -> Run:
    """X -> weights of 40 rows -> y (route 2); w, stored -> z (route 3)."""
    c = chip()
    b = Builder(c)
    x, w, y, z = b.site("x"), b.site("w"), b.site("y", 16), b.site("z")
    one = b.stage(0, [b.weighted(0, x, 320)])
    two = b.stage(0, [b.stored(0, w)])
    for site in (y, z):
        b.stored(b.host, site)
    b.route(x, HOST_STAGE, [0])
    b.route(w, HOST_STAGE, [0])
    b.route(y, one, [b.host])
    b.route(z, two, [b.host])
    return Run(c, b.build(), stream_of(1, 0, 16, 1), {})


@scenario("S2", "S11")
def npes_work_in_order() -> Run:
    """A stage that is ready early waits for the long group before it.

    x: there in 3, group pushed in 39, stage in 45. w: 1 flit, there in 2 + 2 = 4, its stage pushed
    in 45 + 26 = 71. NPEs: group of 40 rows 39 .. 83, stage .. 89, the other .. 95.
    """
    run = _two_stages()
    expected = {
        "stage_done": [[89], [95]],
        "packets": {(0, 0, 0, 0): (0, 0, 3, 3, 45), (1, 0, 0, 0): (0, 0, 4, 45, 71)},
        "fifo_peak": [2],
        "npe_busy": [56],
    }
    return Run(run.chip, run.program, run.stream, expected)


@scenario("S12", "S15")
def generator_takes_stages_in_order() -> Run:
    """As `npes_work_in_order`: the first stage's 16 events last longer than the second stage.

    Captured 89 .. 105, then 1 event .. 106, though its stage was done in 95. Sent .. 125 .. 145. At
    the host 125 + 2 + 16 = 143 (link free in 142) and 145 + 2 + 1 = 148: both answers are the
    token.
    """
    run = _two_stages()
    expected = {
        "packets": {
            (2, 0, 0, 1): (105, 125, 143, 143, 143),
            (3, 0, 0, 1): (106, 145, 148, 148, 148),
        },
        "generator_busy": [17],
        "token_done": [148],
        "cycles": 148,
    }
    return Run(run.chip, run.program, run.stream, expected)


@scenario("S12", "S13")
def generator_back_to_back() -> Run:
    """3 events a cycle: 16 events take 6 cycles, 4 take 2, a credit 1; none waits for the network.

    Stage done in 51 (`one_event`): created in 57, 59, 60. Sending costs 20 and 3 for each event: 57
    + 68 = 125, + 32 = 157, + 20 = 177. 17 flits: 125 + 2 + 16; 5 flits: 157 + 2 + 4; 177 + 2.
    """
    c = chip(events_per_cycle=3, event_out_instructions=3)
    return Run(c, single(c), stream_of(1, 20, 0), {
        "packets": {
            (1, 0, 0, 1): (57, 125, 143, 143, 143),
            (1, 0, 1, 1): (59, 157, 163, 163, 163),
            (2, 0, 0, 1): (60, 177, 179, 179, 179),
        },
        "generator_busy": [9],
        "controller_busy": [42 + 120],
    })  # fmt: skip
