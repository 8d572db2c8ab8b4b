"""What is booked, with whom and when (S16), and what gating changes: nothing here (S20)."""

from seneca_sim.conformance.build import stream_of
from seneca_sim.conformance.programs import chip, senders, single
from seneca_sim.conformance.scenario import Run, scenario


@scenario("S9", "S12", "S16")
def counts_of_one_event() -> Run:
    """Every count of `one_event`, by item: weights, the host's consumer, the stage, the host.

    The weights' load, 20 + 10 + 6 instructions, one access. The stage: load and capture, its push
    6, answer 20, credit 20; two events captured and sent; 3 + 1 flits over HOST. The host: 2 over
    LOCAL.
    """
    c = chip()
    return Run(c, single(c), stream_of(1, 2, 0), {
        "item_ops": {
            0: {"npe.mld": 1, "ctrl.instruction": 36, "ctrl.memory": 1},
            1: {},
            2: {
                "npe.mld": 1, "npe.evc": 1, "ctrl.instruction": 46, "evg.event": 2,
                "dm.write_word": 4, "dm.read_word": 4, "noc.flit_hop": 4,
            },
            3: {"noc.flit_hop": 2},
        },
        "item_npe_cycles": [5, 0, 6, 0],
        "item_events_in": [1, 0, 0, 0],
        "item_events_out": [0, 0, 2, 1],
        "packet_hops": 3,
        "deliveries": 3,
        "link_flits": {(0, 4): 2, (0, 5): 4},
        "link_packets": {(0, 4): 1, (0, 5): 2},
    })  # fmt: skip


@scenario("S16")
def booking_by_power_window() -> Run:
    """The windows of 10 cycles in which the actions of `one_event` start.

    Granted in 0: 2 flit-hops. From 3: 36 instructions and the access. From 39 the stage's push and
    the group; the stage in 45. Capture in 51. Sending from 53, granted in 73; the credit from 73,
    granted in 93. 95 cycles fill 10 windows.
    """
    c = chip()
    return Run(c, single(c), stream_of(1, 2, 0), {
        "window_ops": {
            0: {"noc.flit_hop": 2, "ctrl.instruction": 36, "ctrl.memory": 1},
            1: {},
            2: {},
            3: {"npe.mld": 1, "ctrl.instruction": 6},
            4: {"npe.mld": 1, "npe.evc": 1},
            5: {"evg.event": 2, "dm.write_word": 4, "dm.read_word": 4, "ctrl.instruction": 20},
            6: {},
            7: {"noc.flit_hop": 3, "ctrl.instruction": 20},
            8: {},
            9: {"noc.flit_hop": 1},
        },
    }, window_cycles=10)  # fmt: skip


@scenario("S16")
def booking_by_stretch() -> Run:
    """A packet's instructions are booked from push to push; its accesses all at its start. G = 4.

    `group_of_g_and_one_more`: 66 instructions and 5 accesses from 7, 16 from 73, the stage's push
    from 89; windows of 20 cycles. NPEs: groups from 73 and 89, the stage from 95. Capture of
    nothing; answer from 102, credit from 122.
    """
    c = chip(group_size=4)
    return Run(c, single(c), stream_of(5, 0, 0), {
        "window_ops": {
            0: {"noc.flit_hop": 6, "ctrl.instruction": 66, "ctrl.memory": 5},
            3: {"npe.mld": 4, "ctrl.instruction": 16},
            4: {"npe.mld": 2, "npe.evc": 1, "ctrl.instruction": 6},
            5: {"ctrl.instruction": 20},
            6: {"noc.flit_hop": 1, "ctrl.instruction": 20},
        },
    }, window_cycles=20)  # fmt: skip


@scenario("S16")
def counts_by_token() -> Run:
    """Two tokens with 1 and 0 events: each pays for its own; the answers of 0 and 1 events, too."""
    c = chip()
    shared = {"npe.evc": 1, "noc.flit_hop": 4}
    return Run(c, single(c), stream_of([1, 0], [0, 1], [0, 0]), {
        "token_ops": {
            0: {**shared, "npe.mld": 2, "ctrl.instruction": 36 + 46, "ctrl.memory": 1},
            1: {
                **shared, "npe.mld": 1, "ctrl.instruction": 26 + 40, "evg.event": 1,
                "dm.write_word": 2, "dm.read_word": 2,
            },
        },
    })  # fmt: skip


@scenario("S20")
def active_cycles_of_each_core() -> Run:
    """`end_flags_out_of_order`, cycles in which controller, NPEs or event generator work.

    Core 0: 4 .. 155 without a break. Core 2: 4 .. 59. Core 1: 66 .. 116, 160 .. 210, capture ..
    211, sending .. 231. Gating, here `none`, changes no cycle.
    """
    c = chip(3, 1, x=1, gating="none")
    return Run(c, senders(c, (0, 2), 1, (50, 1)), stream_of(0, 1, 3, 0), {
        "core_active": [151, 50 + 71, 55],
        "cycles": 233,
    })  # fmt: skip


@scenario("S20")
def power_gating_changes_no_cycle() -> Run:
    """`one_event` on a chip of two cores, of which the second sleeps throughout."""
    c = chip(2, 1, gating="power")
    return Run(c, single(c), stream_of(1, 2, 0), {"cycles": 95, "core_active": [90, 0]})
