"""Who goes first at an output (S6)."""

from seneca_sim.chip.mesh import EAST, HOST, LOCAL, WEST
from seneca_sim.conformance.build import stream_of
from seneca_sim.conformance.programs import chip, senders
from seneca_sim.conformance.scenario import Run, scenario

_ROOM = {"packet_out_instructions": 1, "buffer_flits": 36, "input_queue_flits": 102}


@scenario("S5", "S6")
def two_packets_and_one_link() -> Run:
    """Both ask for core 1's LOCAL in 74 (`input_queue_full`): the east input is first.

    74 + 18 = 92, taken .. 278. The link is free in 91, 91 + 18 = 109; taken 278 .. 464, stage ..
    470.
    """
    c = chip(3, 1, x=1)
    return Run(c, senders(c, (0, 2), 1), stream_of(0, 16, 16, 0), {
        "packets": {(1, 0, 0, 1): (52, 72, 109, 278, 470), (2, 0, 0, 1): (52, 72, 92, 92, 278)},
        "link_blocked": {},
        "link_busy": {
            (1, WEST): 1, (1, EAST): 1, (0, LOCAL): 1, (2, LOCAL): 1,
            (0, EAST): 17, (2, WEST): 17, (1, LOCAL): 34, (1, HOST): 1,
        },
    })  # fmt: skip


@scenario("S6")
def round_robin() -> Run:
    """Two packets from each side take turns, though the east could always ask.

    Created in 52 and 68, sent 53 and 69, at router 1 in 55 and (link free in 70) 72. Grants: east
    in 55; in 72 west and east ask, the pointer is behind east: west 72, east 89, west 106; there 18
    later.
    """
    c = chip(3, 1, x=1, **_ROOM)
    return Run(c, senders(c, (0, 2), 1), stream_of(0, 32, 32, 0), {
        "packets": {
            (2, 0, 0, 1): (52, 53, 73, 73, 259),
            (1, 0, 0, 1): (52, 53, 90, 259, 445),
            (2, 0, 1, 1): (68, 69, 107, 445, 631),
            (1, 0, 1, 1): (68, 69, 124, 631, 823),
        },
    })  # fmt: skip


@scenario("S6")
def fixed_priority() -> Run:
    """As `round_robin`, but the pointer stays: east 55 and 72, then west 89 and 106."""
    c = chip(3, 1, x=1, arbitration="fixed-priority", **_ROOM)
    return Run(c, senders(c, (0, 2), 1), stream_of(0, 32, 32, 0), {
        "packets": {
            (2, 0, 0, 1): (52, 53, 73, 73, 259),
            (2, 0, 1, 1): (68, 69, 90, 259, 445),
            (1, 0, 0, 1): (52, 53, 107, 445, 631),
            (1, 0, 1, 1): (68, 69, 124, 631, 823),
        },
    })  # fmt: skip


@scenario("S6")
def pointer_with_three_inputs() -> Run:
    """Cores 0 (west), 2 (east) and 4 (south) each send two packets to core 1.

    In 55 all ask, and again from 72. East 55; then west 72, south 89, east 106, west 123, south
    140: nobody twice before all had a turn; there 18 later.
    """
    c = chip(3, 2, x=1, **_ROOM)
    return Run(c, senders(c, (0, 2, 4), 1), stream_of(0, 32, 32, 32, 0), {
        "packets": {
            (2, 0, 0, 1): (52, 53, 73, 73, 259),
            (1, 0, 0, 1): (52, 53, 90, 259, 445),
            (3, 0, 0, 1): (52, 53, 107, 445, 631),
            (2, 0, 1, 1): (68, 69, 124, 631, 817),
            (1, 0, 1, 1): (68, 69, 141, 817, 1003),
            (3, 0, 1, 1): (68, 69, 158, 1003, 1195),
        },
        "input_peak": [1, 102, 1, 0, 1, 0],
    })  # fmt: skip


@scenario("S6")
def pointer_is_kept() -> Run:
    """Token 0 ends with a grant to the east input, so in token 1 the west goes first.

    Token 0: west 16 events, east 32: grants east 55, west 72, east 89 (there in 73, 90, 107). Token
    1: one packet each, which reach router 1 in the same cycle: the west input's is there 17
    earlier. Core 1 takes 3 x 186 + 6, 73 .. 637; group 637 - 6 .. 651, stage .. 657; answer 658,
    659, HOST 661. Token 1 begins in 661, everything 661 later than token 0: 55 + 661 = 716, there
    in 734 and 751.
    """
    c = chip(3, 1, x=1, **_ROOM)
    return Run(c, senders(c, (0, 2), 1), stream_of([0, 0], [16, 16], [32, 16], [0, 0]), {
        "token_start": [0, 661],
        "packets": {
            (1, 1, 0, 1): (713, 714, 734, 734, 920),
            (2, 1, 0, 1): (713, 714, 751, 920, 1112),
        },
    })  # fmt: skip
