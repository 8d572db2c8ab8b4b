"""Energies worked out by hand from T23's table 8, in pJ; 8 NPEs.

MLD 8 x (0.6 + 2.9) + 1.6 = 29.6    MST 8 x (0.2 + 3.5) + 1.6 = 31.2
MUL, ADD 8 x 1.3 + 0.9 = 11.3       EVC 8 x 0.4 + 0.5 + 0.6 = 4.3

send_dense  MLD EVC = 33.9          send_acc  2 MLD, MST, EVC = 94.7, one load being the constant 0
event_bf16 with 3 events            7 MLD, 3 MUL, 3 ADD, MST = 306.2
"""

from fractions import Fraction

import pytest
from tiny_run import LOADED, TINY_STREAM, rwkv, tiny, tiny_activity

from seneca_sim.chip.load import load_chip
from seneca_sim.config import Mark
from seneca_sim.results.kinds import ATTENTION, KINDS, MATRICES, OTHER, RELOADING

PJ = 1000
# Instructions: core 0 takes 8 events (20 + 80 + 6) and sends a packet (20); core 1 takes n events
# (20 + 10 n, 6 for the group, 6 for the stage) and sends a packet (20).
INSTRUCTIONS = (106 + 20 + 62 + 20, 106 + 20 + 26 + 20)
# Flit-hops: 9 flits into core 0, 1 + n flits over two outputs, 9 flits over two outputs.
FLIT_HOPS = (9 + 2 * 4 + 2 * 9, 9 + 2 * 1 + 2 * 9)
DYNAMIC_PJ = (Fraction("3180.5"), Fraction("2373"))
LEAK_FJ = {"leak.sram": Fraction("47.18592"), "leak.registers": Fraction("9.8304")}


def pj(text: str) -> int:
    value = Fraction(text) * PJ
    assert value.denominator == 1
    return value.numerator


def leakage(cycles: int) -> dict[str, int]:
    return {op: round(2 * cycles * each) for op, each in LEAK_FJ.items()}


def test_every_op_has_its_hand_computed_energy() -> None:
    run = tiny()
    assert run.by_op == {
        "npe.add": pj("33.9"),
        "npe.mul": pj("33.9"),
        "npe.mld": pj("384.8"),  # 13 of 29.6
        "npe.mst": pj("93.6"),  # 3 of 31.2
        "npe.evc": pj("17.2"),  # 4 of 4.3
        "evg.event": pj("20.9"),  # 19 of 1.1
        "ctrl.instruction": pj("4408"),  # 380 of 11.6
        "ctrl.memory": pj("190"),  # 19 of 10
        "dm.write_word": pj("133"),  # 38 of 3.5
        "dm.read_word": pj("110.2"),  # 38 of 2.9
        "noc.flit_hop": pj("128"),  # 64 of 2
        **leakage(run.cycles),
    }


def test_every_class_has_its_hand_computed_energy() -> None:
    run = tiny()
    assert run.by_class == {
        "npe": pj("142.4"),  # 13 x 4.8 + 3 x 1.6 + 4 x 3.2 + 6 x 10.4
        "loop_buffer": pj("33"),  # 16 x 1.6 + 4 x 0.5 + 6 x 0.9
        "memory": pj("628.8"),  # 13 x 23.2 + 3 x 28 + 38 x 3.5 + 38 x 2.9
        "event_generator": pj("23.3"),  # 19 x 1.1 + 4 x 0.6
        "controller": pj("4598"),
        "noc": pj("128"),
        "leakage": sum(leakage(run.cycles).values()),
    }


def test_every_kind_of_work_has_its_hand_computed_energy() -> None:
    run = tiny()
    assert run.by_kind == {
        "synaptic": pj("306.2"),
        "event handling": pj("1576.5"),  # 128 instructions, 3 look-ups, 3 events out, 10 hops
        "host and entry": pj("3603"),
        "other dense": pj("67.8"),  # send_dense twice
        "leakage": sum(leakage(run.cycles).values()),
    }
    assert run.dense_fj == pj("3670.8")


def test_energy_rests_on_the_weakest_factor() -> None:
    run = tiny()
    assert run.by_mark == {
        Mark.PUBLISHED: pj("20.9"),  # events of the generator
        Mark.DERIVED: pj("563.4"),  # published energies, counted by derived micro-kernels
        Mark.ASSUMED: pj("4969.2") + sum(leakage(run.cycles).values()),
    }


def test_a_users_parameter_is_the_users_own() -> None:
    overrides = {"columns": "2", "rows": "1", "core.controller.task_instructions": "6"}
    run = tiny(load_chip("seneca-8x8", overrides))
    assert run.by_mark[Mark.USER] == pj("4598")
    assert run.energy_fj == tiny().energy_fj


def test_layers_and_cores_share_the_dynamic_energy() -> None:
    run = tiny()
    # Layer 0: taking 8 events twice, send_dense, sending 3 and 0 events.
    first = pj("2619.2") + pj("67.8") + pj("464") + pj("3.3") + pj("38.4") + pj("20")
    host = pj("36")
    second = pj("5553.5") - first - host
    assert run.by_layer == {-1: host, 0: first, 1: second}
    assert run.by_core == {0: first, 1: second, 2: host}


def test_tokens_have_their_hand_computed_energy() -> None:
    run = tiny()
    assert [Fraction(e, PJ) for e in run.tokens.dynamic_fj] == list(DYNAMIC_PJ)
    assert sum(run.tokens.leakage_fj) == sum(leakage(run.cycles).values())
    assert sum(run.tokens.energy_fj) == run.energy_fj
    # Leakage goes by time: from 0 to the second token's start, and from there to the end.
    edge = run.tokens.start[1]
    for share, cycles in zip(run.tokens.leakage_fj, (edge, run.cycles - edge), strict=True):
        assert abs(share - 2 * cycles * sum(LEAK_FJ.values())) < 4
    assert run.tokens.start == tuple(tiny_activity().token_start)
    assert run.latency_percentile_cycles(95) == max(run.tokens.latency_cycles)


def test_counts_by_hand() -> None:
    activity = tiny_activity()
    from seneca_sim.cost.ops import OP_INDEX

    assert tuple(activity.token_ops[:, OP_INDEX["ctrl.instruction"]]) == INSTRUCTIONS
    assert tuple(activity.token_ops[:, OP_INDEX["noc.flit_hop"]]) == FLIT_HOPS
    assert TINY_STREAM.tokens == 2


def test_energy_delay_product_is_mean_energy_times_mean_latency() -> None:
    run = tiny()
    energy = run.energy_fj / 2 * 1e-15
    latency = sum(run.tokens.latency_cycles) / 2 / 500e6
    assert run.energy_delay_js == pytest.approx(energy * latency, rel=1e-12)


def test_a_run_within_one_window_peaks_at_its_average() -> None:
    run = tiny()
    assert run.peak.width_cycles == run.cycles < tiny_activity().window_cycles
    assert run.peak_power_w == pytest.approx(run.average_power_w, rel=1e-9)


def test_peak_is_the_highest_window() -> None:
    width = 50
    activity = tiny_activity(width)
    run = tiny(activity=activity)
    prices = {t.op: Fraction(0) for t in run.book.terms}
    for term in run.book.terms:
        prices[term.op] += term.fj_per_count
    from seneca_sim.cost.ops import OPS

    energies = [
        sum(int(n) * prices.get(op, 0) for op, n in zip(OPS, row, strict=True))
        for row in activity.window_ops
    ]
    leak = 2 * width * sum(LEAK_FJ.values())
    assert run.peak.width_cycles == width
    assert run.peak.energy_fj == round(max(energies) + leak)
    assert run.peak_power_w > run.average_power_w


def test_pipelined_tokens_share_leakage_evenly() -> None:
    run = rwkv("pipelined")
    assert max(run.tokens.leakage_fj) - min(run.tokens.leakage_fj) <= 2
    assert sum(run.tokens.energy_fj) == run.energy_fj


@pytest.mark.parametrize("mode", ["generation", "pipelined"])
def test_every_breakdown_adds_up_to_the_total(mode: str) -> None:
    run = rwkv(mode)
    leak = run.by_class["leakage"]
    for parts in (run.by_class, run.by_op, run.by_kind, run.by_mark):
        assert sum(parts.values()) == run.energy_fj
    for parts in (run.by_layer, run.by_core):
        assert sum(parts.values()) == run.energy_fj - leak
    assert OTHER not in run.by_kind
    assert list(run.by_kind) == [kind for kind in KINDS if kind in run.by_kind]
    assert set(KINDS) - set(run.by_kind) == {OTHER, ATTENTION, MATRICES, RELOADING}


def test_the_chip_is_the_loaded_one() -> None:
    assert tiny().chip is LOADED.chip
