"""Ways, copies, boundaries (S4, S5, S7, S16)."""

from seneca_sim.chip.mesh import EAST, HOST, LOCAL, NORTH, SOUTH, WEST
from seneca_sim.chip.spec import BoundarySpec
from seneca_sim.conformance.build import Builder, stream_of
from seneca_sim.conformance.programs import chip, spread, stored
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE


@scenario("S5", "S7", "S17")
def x_then_y() -> Run:
    """From the host at (1, 2) to core 3 at (3, 0): two east, two north, LOCAL; 3 cycles a hop.

    5 x 3 + 6 - 1 = 20. Links of 16 bit: 3 flits are 6 cycles. Taken .. 60 + 6, stage 72, answer 73,
    sent 93; back two west, two south, HOST: 1 flit, 2 cycles, 93 + 15 + 1 = 109.
    """
    c = chip(4, 4, x=1, y=2, hop_cycles=3, link_bits=16)
    way = {(9, EAST): 3, (10, EAST): 3, (11, NORTH): 3, (7, NORTH): 3, (3, LOCAL): 3}
    back = {(3, WEST): 1, (2, WEST): 1, (1, SOUTH): 1, (5, SOUTH): 1, (9, HOST): 1}
    return Run(c, stored(c, 3, 1), stream_of(2, 0), {
        "cycles": 109,
        "packets": {(0, 0, 0, 3): (0, 0, 20, 20, 66)},
        "hops": {(0, 0, 0, 3): 5, (1, 0, 0, 16): 5},
        "link_flits": way | back,
        "link_busy": {link: 2 * flits for link, flits in (way | back).items()},
    })  # fmt: skip


@scenario("S7", "S16")
def own_core_and_another() -> Run:
    """A packet for its own core crosses the LOCAL port alone; every output is a flit-hop.

    Entry: 2, taken .. 28, stage 34, 3 events 37, sent 57, 4 flits: own 57 + 2 + 3 = 62; core 1: 64.
    Item 3 is the stage on core 0: 4 flits over LOCAL, EAST, LOCAL; 6 + 20 instructions.
    """
    c = chip(2, 1)
    return Run(c, spread(c, 0, (0, 1)), stream_of(0, 3, 0), {
        "packets": {(1, 0, 0, 0): (37, 57, 62, 62, 118), (1, 0, 0, 1): (37, 57, 64, 64, 120)},
        "hops": {(1, 0, 0, 0): 1, (1, 0, 0, 1): 2},
        "item_ops": {4: {
            "npe.mld": 1, "npe.evc": 1, "ctrl.instruction": 26, "evg.event": 3,
            "dm.write_word": 6, "dm.read_word": 6, "noc.flit_hop": 12,
        }},
        "link_flits": {(0, LOCAL): 5, (0, EAST): 4, (1, LOCAL): 4, (0, HOST): 1},
    })  # fmt: skip


@scenario("S5", "S6", "S7", "S17")
def multicast_branch_with_unequal_waiting() -> Run:
    """17 events for cores 0, 1, 2 in two packets, then 1 event for core 2; input queues of 17.

    First: LOCAL after 1, 2, 3 outputs, 18, 20, 22; taken .. 198, 200, 202. Second (2 flits): router
    0 EAST waits for the buffer behind, 2 + 17 = 19 instead of 17; router 1 in 21, router 2 in 23.
    Each LOCAL waits for its core, 198, 200, 202: there 3 later. The third asks when the second's
    last copy has left router 0, 200; router 1 202, router 2 204, there in 207.
    """
    c = chip(3, 1, input_queue_flits=17)
    b = Builder(c)
    x, z, y = b.site("x", 32), b.site("z"), b.site("y")
    takers = [b.stored(core, x) for core in range(3)]
    other = b.stored(2, z)
    stages = [b.stage(core, [takers[core], *([other] if core == 2 else [])]) for core in range(3)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 1, 2])
    b.route(z, HOST_STAGE, [2])
    b.route(y, stages[2], [b.host])
    return Run(c, b.build(), stream_of(17, 1, 0), {
        "packets": {
            (0, 0, 0, 0): (0, 0, 18, 18, 198),
            (0, 0, 0, 1): (0, 0, 20, 20, 200),
            (0, 0, 0, 2): (0, 0, 22, 22, 202),
            (0, 0, 1, 0): (0, 0, 201, 201, 237),
            (0, 0, 1, 1): (0, 0, 203, 203, 239),
            (0, 0, 1, 2): (0, 0, 205, 205, 235),
            (1, 0, 0, 2): (0, 0, 207, 235, 271),
        },
        "link_blocked": {
            (0, EAST): 2, (0, LOCAL): 198 - 17, (1, LOCAL): 200 - 21, (2, LOCAL): 202 - 23,
        },
    })  # fmt: skip


@scenario("S7", "S12", "S13", "S16")
def unicast_copies() -> Run:
    """Captured once, sent twice, in the order of the destinations.

    Entry at core 0: 2, .. 28, stage 34, 2 events 36. To core 1: sent 56, there in 58 + 2 + 2 = 62.
    To core 2: sent 76, 78, 80, there in 84. Item 4 is the stage: 2 events, 4 words written, 8 read,
    6 + 2 x 20 instructions, 3 flits over 2 and over 3 outputs.
    """
    c = chip(3, 1, multicast="unicast")
    return Run(c, spread(c, 0, (1, 2)), stream_of(0, 2, 0), {
        "packets": {(1, 0, 0, 1): (36, 56, 62, 62, 108), (1, 0, 0, 2): (36, 76, 84, 84, 130)},
        "item_ops": {4: {
            "npe.mld": 1, "npe.evc": 1, "ctrl.instruction": 46, "evg.event": 2,
            "dm.write_word": 4, "dm.read_word": 8, "noc.flit_hop": 15,
        }},
        "item_events_out": [0, 0, 0, 0, 2, 0, 0, 0],
        "generator_busy": [2, 1, 0],
        "link_packets": {
            (0, LOCAL): 1, (0, EAST): 2, (1, LOCAL): 1, (1, EAST): 1, (2, LOCAL): 1,
            (1, WEST): 1, (0, HOST): 1,
        },
    })  # fmt: skip


@scenario("S7", "S15")
def unicast_from_the_host() -> Run:
    """The host sends copies, too: first to core 2, then to core 0, both in its queue in 0.

    2 flits: 3 outputs, 6 + 1 = 7. The second asks in 2: 2 + 2 + 1 = 5.
    """
    c = chip(3, 1, multicast="unicast")
    b = Builder(c)
    x, y = b.site("x"), b.site("y")
    stages = [b.stage(core, [b.stored(core, x)]) for core in (2, 0)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [2, 0])
    b.route(y, stages[0], [b.host])
    return Run(c, b.build(), stream_of(1, 0), {
        "packets": {(0, 0, 0, 2): (0, 0, 7, 7, 43), (0, 0, 0, 0): (0, 0, 5, 5, 41)},
        "item_events_out": [0, 0, 0, 0, 0, 1],
    })  # fmt: skip


@scenario("S4", "S5", "S7", "S16")
def boundary_link() -> Run:
    """Two reticles of one column; the link between has 8 bit and 20 cycles. Packets of 3 events.

    4 flits: 16 cycles, handed over whole: 0 + 20 + 15 = 35; LOCAL 35 + 2 + 3 = 40. 2 flits: granted
    in 16, 8 cycles, 16 + 20 + 7 = 43, LOCAL 43 + 2 + 1 = 46. Taken .. 90 .. 120, stage 126, done
    132; 133, sent 153; 1 flit takes 4 cycles west: 153 + 20 + 3 = 176, HOST 178. Item 2 is the
    stage, 3 the host.
    """
    c = chip(
        2, 1, packet_events=3,
        boundary=BoundarySpec(tile_columns=1, link_bits=8, hop_cycles=20),
    )  # fmt: skip
    return Run(c, stored(c, 1, 1), stream_of(4, 0), {
        "cycles": 178,
        "packets": {(0, 0, 0, 1): (0, 0, 40, 40, 90), (0, 0, 1, 1): (0, 0, 46, 90, 126)},
        "link_busy": {(0, EAST): 24, (1, LOCAL): 6, (1, WEST): 4, (0, HOST): 1},
        "link_blocked": {},
        "item_ops": {3: {"noc.flit_hop": 12, "noc.boundary_bit": 6 * 32}},
    })  # fmt: skip
