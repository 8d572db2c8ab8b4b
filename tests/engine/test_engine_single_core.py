"""One core, numbers worked out by hand from docs/semantics.md.

Default chip: hop 2 cycles, a packet in or out 20 instructions, an event 10, a task 6, set-up 4.
event_bf16 takes g + rows (2 + 3 g) cycles, send_acc 1 (its constant) and 3 for each row.
"""

from builders import log, make_chip, ops_of, single, stream_of, times

from seneca_sim.cost.energy import load_energy, price
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.reference import simulate


def test_one_event_every_time_stamp() -> None:
    """S1, S3, S5, S8-S13, S15, S17: one event in, an answer of two events and a credit out."""
    chip = make_chip()
    activity = simulate(chip, single(chip), stream_of(1, 2, 0), log_packets=True)
    # In: 2 flits. Granted in 0 (ARBITRATE), at the core in 0 + 2 + 2 - 1 = 3. Taking: 20 + 10,
    # closing the group 6 (pushed in 39), the stage 6 (pushed in 45).
    (entry,) = log(activity, 0)
    assert times(entry) == (0, 0, 3, 3, 45)
    assert (entry["events"], entry["flits"], entry["hops"], entry["destination"]) == (1, 2, 1, 0)
    # NPEs: group 39 + 4 + 1 + (2 + 3) = 49; stage 49 + 4 + 1 + 3 = 57.
    assert activity.stage_done.tolist() == [[57]]
    # Event generator: answer 2 cycles -> 59, credit 1 -> 60. Controller: 59 .. 79 .. 99.
    (answer,) = log(activity, 1)
    assert times(answer) == (59, 79, 83, 83, 83)  # 3 flits: 79 + 2 + 3 - 1
    (credit,) = log(activity, 2)
    assert times(credit) == (60, 99, 101, 101, 101)  # 1 flit
    assert (credit["events"], credit["flits"], credit["hops"]) == (0, 1, 1)
    assert (activity.token_start.tolist(), activity.token_done.tolist()) == ([0], [83])
    assert activity.cycles == 101


def test_one_event_every_count() -> None:
    """S9, S12, S16: counts by item, and the cycles in which each server is busy."""
    chip = make_chip()
    activity = simulate(chip, single(chip), stream_of(1, 2, 0))
    # Items: consumer on core 0, the host's consumer, the stage, the host.
    assert [ops_of(row) for row in activity.item_ops] == [
        {
            "npe.mld": 3,  # value, accumulator, weight
            "npe.mul": 1,
            "npe.add": 1,
            "npe.mst": 1,
            "ctrl.instruction": 36,
            "ctrl.memory": 1,
        },
        {},
        {
            "npe.mld": 2,  # the constant 0, accumulator
            "npe.mst": 1,
            "npe.evc": 1,
            "evg.event": 2,
            "dm.write_word": 4,
            "dm.read_word": 4,
            "ctrl.instruction": 46,  # its push, the answer and the credit
            "noc.flit_hop": 4,
        },
        {"noc.flit_hop": 2},
    ]
    assert activity.item_npe_cycles.tolist() == [10, 0, 8, 0]
    assert activity.item_events_in.tolist() == [1, 0, 0, 0]  # the host has no controller
    assert activity.item_events_out.tolist() == [0, 0, 2, 1]
    assert activity.controller_busy.tolist() == [82]
    assert activity.controller_blocked.tolist() == [0]
    assert activity.npe_busy.tolist() == [18]
    assert activity.generator_busy.tolist() == [3]
    assert (activity.input_peak.tolist(), activity.fifo_peak.tolist()) == ([2], [1])
    assert (activity.packet_hops, activity.deliveries) == (3, 3)
    # Links of a single core: LOCAL (the entry), HOST (answer and credit).
    assert activity.link_flits.tolist() == activity.link_busy.tolist() == [2, 4]
    assert activity.link_packets.tolist() == [1, 2]


def test_one_event_priced() -> None:
    """By the published table: 8 NPEs share a loop buffer; in fJ."""
    chip = make_chip()
    activity = simulate(chip, single(chip), stream_of(1, 2, 0))
    counts = dict(zip(OPS, map(int, activity.item_ops.sum(axis=0)), strict=True))
    counts["leak.sram"] = counts["leak.registers"] = chip.cores * activity.cycles
    assert price(counts, load_energy(), chip) == {
        "npe.add": {"npe": 10_400, "loop_buffer": 900},
        "npe.mul": {"npe": 10_400, "loop_buffer": 900},
        "npe.mld": {"npe": 24_000, "memory": 116_000, "loop_buffer": 8_000},  # x 5
        "npe.mst": {"npe": 3_200, "memory": 56_000, "loop_buffer": 3_200},  # x 2
        "npe.evc": {"npe": 3_200, "loop_buffer": 500, "event_generator": 600},
        "evg.event": {"event_generator": 2_200},
        "ctrl.instruction": {"controller": 951_200},  # x 82
        "ctrl.memory": {"controller": 10_000},
        "dm.write_word": {"memory": 14_000},
        "dm.read_word": {"memory": 11_600},
        "noc.flit_hop": {"noc": 12_000},  # x 6
        # 101 cycles of 2 ns: (2^21 + 2^18) b x 10 pW and 8 x 64 x 16 b x 600 pW.
        "leak.sram": {"leakage": 4_766},
        "leak.registers": {"leakage": 993},
    }


def test_empty_vector() -> None:
    """S4, S10: nothing to send is still a header with the end flag; no group is formed."""
    chip = make_chip()
    activity = simulate(chip, single(chip), stream_of(0, 0, 0), log_packets=True)
    # 1 flit: 0 + 2 + 1 - 1; taking 20, the stage 6. Stage 28 + 4 + 4 = 36.
    assert times(log(activity, 0)[0]) == (0, 0, 2, 2, 28)
    assert activity.stage_done.tolist() == [[36]]
    assert times(log(activity, 1)[0]) == (37, 57, 59, 59, 59)
    assert activity.item_npe_cycles.tolist() == [0, 0, 8, 0]
    assert activity.cycles == 79  # the credit: sent 57 .. 77


def test_packet_of_16_and_17_events() -> None:
    """S4, S8: full packets first, then the rest; the second waits for the controller."""
    chip = make_chip()
    program = single(chip)
    full = simulate(chip, program, stream_of(16, 0, 0), log_packets=True)
    # 17 flits: 0 + 2 + 17 - 1 = 18. Taking 20 + 160, the group of 16 is full: 6, the stage: 6.
    (only,) = log(full, 0)
    assert (*times(only), only["flits"]) == (0, 0, 18, 18, 210, 17)
    more = simulate(chip, program, stream_of(17, 0, 0), log_packets=True)
    first, second = log(more, 0)
    assert (*times(first), first["flits"]) == (0, 0, 18, 18, 204, 17)
    # The link is free in 17: 17 + 2 + 2 - 1 = 20; 204 + 20 + 10 + 6 + 6.
    assert (*times(second), second["flits"]) == (0, 0, 20, 204, 246, 2)
    assert more.input_peak.tolist() == [19]


def test_full_task_fifo_blocks_the_controller() -> None:
    """S9, S11: room made in START of c is used in ARRIVE of c + 1."""
    chip = make_chip(group_size=1, task_fifo=1)
    program = single(chip, neurons=160)  # 20 rows: a group of one takes 4 + 1 + 20 x 5 = 105
    activity = simulate(chip, program, stream_of(4, 0, 0), log_packets=True)
    # Arrives 0 + 2 + 5 - 1 = 6. Tasks: 6 + 20 + 16 = 42, runs 42 .. 147; 58, waits in the FIFO;
    # due 74, the FIFO is emptied in 147, pushed 148; due 164, emptied 252, pushed 253;
    # the stage: due 259, emptied 357, pushed 358.
    assert times(log(activity, 0)[0]) == (0, 0, 6, 6, 358)
    assert activity.controller_blocked.tolist() == [74 + 89 + 99]
    assert activity.controller_busy.tolist() == [20 + 4 * 16 + 6 + 2 * 20]
    assert activity.fifo_peak.tolist() == [1]
    # Groups end 147, 252, 357, 462; the stage after 4 + 1 + 20 x 3.
    assert activity.stage_done.tolist() == [[527]]


def test_a_task_takes_at_least_one_cycle() -> None:
    """S3, S11: no set-up and no rows still take a cycle."""
    chip = make_chip(task_setup_cycles=0)
    activity = simulate(chip, single(chip, 0, kernel="send_dense"), stream_of(0, 0, 0))
    assert activity.npe_busy.tolist() == [1]
    assert activity.stage_done.tolist() == [[29]]


def test_output_queue_full() -> None:
    """S12, S13: firing goes on while the head of the output buffer waits for room."""
    chip = make_chip(output_queue_flits=17)
    activity = simulate(chip, single(chip), stream_of(1, 17, 0), log_packets=True)
    # Stage ends 57 (as above). Created 57 + 16, + 1, + 1. The first is sent 73 .. 93 and holds the
    # queue until its 17 flits are out, 110; the others follow 110 .. 130 .. 150.
    first, second = log(activity, 1)
    assert times(first)[:3] == (73, 93, 93 + 2 + 16)
    assert times(second)[:3] == (74, 130, 130 + 2 + 1)
    assert times(log(activity, 2)[0])[:3] == (75, 150, 152)
    assert activity.output_blocked.tolist() == [17]
    assert activity.output_peak.tolist() == [17]


def test_host_queue_full() -> None:
    """S15: the host puts a packet into its queue when there is room for all of it."""
    chip = make_chip(queue_flits=17)
    activity = simulate(chip, single(chip), stream_of(17, 0, 0), log_packets=True)
    first, second = log(activity, 0)
    assert (first["injected"], second["injected"]) == (0, 17)
    assert second["arrived"] == 17 + 2 + 1


def test_marginals_by_window() -> None:
    """S16: an action is booked in the window in which it starts."""
    chip = make_chip()
    activity = simulate(chip, single(chip), stream_of(1, 2, 0), window_cycles=10)

    def window(op: str) -> dict[int, int]:
        column = activity.window_ops[:, OP_INDEX[op]].tolist()
        return {i: n for i, n in enumerate(column) if n}

    assert window("npe.mul") == {3: 1}  # group at 39
    assert window("npe.evc") == {4: 1}  # stage at 49
    assert window("evg.event") == {5: 2}  # 57
    assert window("dm.write_word") == {5: 4}
    assert window("dm.read_word") == {5: 4}  # sending begins in 59
    assert window("ctrl.memory") == {0: 1}  # 3
    assert window("noc.flit_hop") == {0: 2, 7: 3, 9: 1}  # granted in 0, 79 and 99
    # 20 + 10 + 6 from 3, pushing the stage from 39, then from 59 and 79.
    assert window("ctrl.instruction") == {0: 36, 3: 6, 5: 20, 7: 20}
