"""Packets that meet: arbitration, back-pressure and multicast, by hand from docs/semantics.md."""

from itertools import pairwise

import pytest
from builders import Builder, chain, link_index, log, make_chip, stream_of, times, two_senders

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import EAST, LOCAL, xy_path
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.reference import simulate
from seneca_sim.program import HOST_STAGE, Program


def test_two_packets_meet_at_a_link() -> None:
    """S6: both heads reach router 1 in 74 and ask for LOCAL; the east input is first."""
    chip = make_chip(3, 1, x=1)
    activity = simulate(chip, two_senders(chip), stream_of(0, 16, 16, 0), log_packets=True)
    # Entry at cores 0 and 2 in 4, taken 30, stage 36, 16 events 52, sent 72, at router 1 in 74.
    for row in log(activity, 0):
        assert times(row) == (0, 0, 4, 4, 30)
    (west,), (east,) = log(activity, 1), log(activity, 2)
    # 74 + 2 + 16 = 92, then 20 + 160 + 6 for the full group. The other goes in 91.
    assert times(east) == (52, 72, 92, 92, 278)
    assert times(west) == (52, 72, 109, 278, 278 + 192)  # + 6 for the stage
    link = link_index(chip, 1, LOCAL)
    assert activity.link_busy[link] == activity.link_flits[link] == 34
    assert activity.link_blocked.tolist() == [0] * len(activity.link_blocked)


def test_a_full_input_queue_blocks_the_link() -> None:
    """S6, S8: as above, but the queue has room again only when the first packet is done, in 278."""
    chip = make_chip(3, 1, x=1, input_queue_flits=17)
    activity = simulate(chip, two_senders(chip), stream_of(0, 16, 16, 0), log_packets=True)
    (west,), (east,) = log(activity, 1), log(activity, 2)
    assert times(east) == (52, 72, 92, 92, 278)
    assert times(west) == (52, 72, 278 + 18, 296, 296 + 192)
    link = link_index(chip, 1, LOCAL)
    assert (activity.link_busy[link], activity.link_blocked[link]) == (34, 278 - 91)
    assert activity.input_peak[1] == 17


def test_the_pointer_goes_round() -> None:
    """S6: with two packets from each side they alternate, though the east could always ask."""
    chip = make_chip(3, 1, x=1, packet_out_instructions=1, buffer_flits=36, input_queue_flits=68)
    activity = simulate(chip, two_senders(chip), stream_of(0, 32, 32, 0), log_packets=True)
    # Created 52 and 68, injected 53 and 69, at router 1 in 55 and (link free in 70) 72.
    east = [row["arrived"] - 18 for row in log(activity, 2)]
    west = [row["arrived"] - 18 for row in log(activity, 1)]
    assert (east, west) == ([55, 89], [72, 106])


def test_the_pointer_stands_behind_the_last_winner() -> None:
    """S6: token 0 ends with a grant to the east input, so token 1 begins with the west."""
    chip = make_chip(3, 1, x=1, packet_out_instructions=1, buffer_flits=36, input_queue_flits=68)
    stream = stream_of([0, 0], [16, 16], [32, 16], [0, 0])
    activity = simulate(chip, two_senders(chip), stream, log_packets=True)
    (west,), (east,) = log(activity, 1, token=1), log(activity, 2, token=1)
    assert east["arrived"] == west["arrived"] + 17


@pytest.mark.parametrize(("buffer", "second"), [(17, 19), (18, 19), (34, 17)])
def test_room_behind_the_link(buffer: int, second: int) -> None:
    """S5, S17: the second leaves router 0 when the first has left router 1's buffer, 2 + 17."""
    chip = make_chip(3, 1, buffer_flits=buffer)
    b = Builder(chip)
    x, y = b.site("x", 32), b.site("y")
    stage = b.stage(2, [b.stored(2, x)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [2])
    b.route(y, stage, [b.host])
    activity = simulate(chip, b.build(), stream_of(32, 0), log_packets=True)
    # Three outputs of two cycles each and 17 flits.
    assert [row["arrived"] for row in log(activity, 0)] == [22, second + 22]
    assert activity.link_blocked[link_index(chip, 0, EAST)] == second - 17


def multicast(chip: Chip) -> Program:
    """Route 0 of the host goes to cores 0, 1, 2; route 1 to core 2; all are stored."""
    b = Builder(chip)
    x, z, y = b.site("x", 32), b.site("z"), b.site("y")
    takers = [b.stored(core, x) for core in range(3)]
    other = b.stored(2, z)
    stages = [b.stage(core, [takers[core], *([other] if core == 2 else [])]) for core in range(3)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 1, 2])
    b.route(z, HOST_STAGE, [2])
    b.route(y, stages[2], [b.host])
    return b.build()


def test_copies_do_not_wait_for_each_other() -> None:
    """S7: the second packet's copies leave router 0 in 198 (LOCAL) and in 19 (EAST)."""
    chip = make_chip(3, 1, input_queue_flits=17)
    activity = simulate(chip, multicast(chip), stream_of(17, 1, 0), log_packets=True)
    first, second = log(activity, 0)[:3], log(activity, 0)[3:]
    # 17 flits; LOCAL after one, two, three outputs; then 20 + 160 to take it.
    assert [times(row)[2:] for row in first] == [(18, 18, 198), (20, 20, 200), (22, 22, 202)]
    # 2 flits. EAST of router 0 waits for the 18-flit buffer behind it: 2 + 17 = 19, at router 1 in
    # 21, at router 2 in 23. Each LOCAL waits until its core is done: 198, 200, 202.
    assert [row["arrived"] for row in second] == [201, 203, 205]
    east = [link_index(chip, node, EAST) for node in (0, 1)]
    local = [link_index(chip, node, LOCAL) for node in range(3)]
    assert activity.link_blocked[east].tolist() == [19 - 17, 0]
    # The first packet is off router n's LOCAL link in 2 n + 17; the second asks from 17, 21, 23.
    assert activity.link_blocked[local].tolist() == [198 - 17, 200 - 21, 202 - 23]


def test_the_place_is_free_when_the_last_copy_has_left() -> None:
    """S7: route 1 could go east long before, but asks only when the LOCAL copy is out, in 200."""
    chip = make_chip(3, 1, input_queue_flits=17)
    activity = simulate(chip, multicast(chip), stream_of(17, 1, 0), log_packets=True)
    (row,) = log(activity, 1)
    assert row["arrived"] == 200 + 2 + 2 + 2 + 1


def test_own_core_and_others() -> None:
    """S7: a packet for its own core crosses the LOCAL port alone; flit-hops count every output."""
    chip = make_chip(2, 2)
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)], ("send_dense", 1))
    last = [b.stage(core, [b.weighted(core, mid)]) for core in (0, 3)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(mid, first, [0, 3])
    b.route(y, last[1], [b.host])
    activity = simulate(chip, b.build(), stream_of(0, 3, 0), log_packets=True)
    own, far = log(activity, 1)
    sent = own["injected"]
    assert (own["hops"], own["arrived"]) == (1, sent + 2 + 3)
    assert (far["hops"], far["arrived"]) == (3, sent + 3 * 2 + 3)
    # 4 flits over LOCAL of 0, EAST of 0, SOUTH of 1, LOCAL of 3: 16 flit-hops for stage 0.
    stage_item = len(activity.item_ops) - 1 - 3
    assert activity.item_events_out[stage_item] == 3
    assert activity.item_ops[stage_item, OP_INDEX["noc.flit_hop"]] == 16


def tour(cores: int) -> list[int]:
    """A walk over all ordered pairs of cores, equal ones included."""
    walk = [0]
    for i in range(cores):
        walk.append(i)
        for j in range(i + 1, cores):
            walk += [j, i]
        if i + 1 < cores:
            walk.append(i + 1)
    return walk


def walking(chip: Chip) -> tuple[Program, list[int]]:
    """One token goes along `tour`, one stage at a time; route k + 1 leaves the walk's core k."""
    walk, b = tour(chip.cores), Builder(chip)
    sites = [b.site(f"x{k}", 16) for k in range(len(walk))]
    y = b.site("y", 16)
    stages = [b.stage(core, [b.stored(core, sites[k])]) for k, core in enumerate(walk)]
    b.stored(b.host, y)
    b.route(sites[0], HOST_STAGE, [walk[0]])
    for k, core in enumerate(walk[1:]):
        b.route(sites[k + 1], stages[k], [core])
    b.route(y, stages[-1], [b.host])
    return b.build(), walk


@pytest.mark.parametrize(
    ("events", "link_bits", "hop_cycles"), [(0, 32, 2), (3, 32, 2), (16, 16, 1), (5, 128, 3)]
)
def test_zero_load_latency(events: int, link_bits: int, hop_cycles: int) -> None:
    """S5, S7: hops x hop_cycles + S - 1 for all pairs of a 4 x 4 mesh."""
    chip = make_chip(
        4, 4, link_bits=link_bits, hop_cycles=hop_cycles, data_memory_bits=2**24, x=2, y=1
    )
    program, walk = walking(chip)
    stream = stream_of(*[events] * len(program.routes))
    activity = simulate(chip, program, stream, log_packets=True)
    serial = -(-(1 + events) * 32 // link_bits)
    ends = [chip.cores, *walk, chip.cores]
    for route, (source, target) in enumerate(pairwise(ends)):
        (row,) = log_at(activity.packets, route)
        hops = len(xy_path(chip, source, target))
        assert row[6] == hops
        assert row[9] - row[8] == hops * hop_cycles + serial - 1, (source, target)
    assert activity.link_blocked.sum() == 0


def log_at(packets: object, route: int) -> list[list[int]]:
    """Rows of one route (the log is long here)."""
    return packets[packets[:, 0] == route].tolist()  # type: ignore[index, no-any-return, call-overload]


def test_chain_of_two_cores() -> None:
    """S1-S13 in a row: a stored vector, then weights on the core east of it."""
    chip = make_chip(2, 1)
    activity = simulate(chip, chain(chip), stream_of(1, 2, 0), log_packets=True)
    assert times(log(activity, 0)[0]) == (0, 0, 3, 3, 39)  # 20 + 10, the stage 6
    # Stage 39 + 4 + 2 = 45, two events 47, sent 67; two outputs and 3 flits: 67 + 4 + 2;
    # taken in 20 + 20 + 6 + 6.
    assert times(log(activity, 1)[0]) == (47, 67, 73, 73, 125)
    # Group pushed in 119: 4 + 2 + 8 -> 133; stage + 8 -> 141; no event 142; sent 162; 1 flit.
    assert activity.stage_done.tolist() == [[45], [141]]
    assert times(log(activity, 2)[0]) == (142, 162, 166, 166, 166)
    assert activity.cycles == 166
