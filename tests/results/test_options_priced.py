"""Energies of the machine's options, by hand from counts and the published or assumed rows."""

from dataclasses import replace
from functools import cache

import pytest

from seneca_sim.chip.load import load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.reference import simulate
from seneca_sim.results import RunResult, price_run
from seneca_sim.results.tables import channels_table, cores_table, links_table
from workloads.compiler import event_stream, lower, rwkv4_graph
from workloads.traces import synthesise

SHAPE = {"family": "rwkv4", "layers": 2, "width": 64, "ffn": 256, "vocab": 64}
DENSITIES = dict.fromkeys(
    ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val"), 0.5
)


@cache
def priced(*settings: tuple[str, str], weights: str = "core") -> RunResult:
    loaded = load_chip("seneca-4x4", dict(settings))
    sizes = {key: int(value) for key, value in SHAPE.items() if key != "family"}  # type: ignore[call-overload]
    program = lower(rwkv4_graph("m", sizes), loaded.chip, 2, weights=weights)
    trace = synthesise(SHAPE, DENSITIES, tokens=2, seed=1)  # type: ignore[arg-type]
    stream = event_stream(program, trace)
    activity = simulate(loaded.chip, program, stream)
    return price_run(loaded, load_energy(), program, stream, activity, label="x", mode="generation")


def test_gating_by_hand() -> None:
    """S20: a core leaks 57.02 fJ a cycle; an idle one with its clock on costs 50 fJ more."""
    clock, none, power = (priced(("core.gating", g)) for g in ("clock", "none", "power"))
    cycles = clock.activity.cycles
    assert none.activity.cycles == power.activity.cycles == cycles
    per_cycle = 47.18592 + 9.8304  # SRAM of 2,359,296 b, registers of 8,192 b, at 500 MHz
    assert clock.by_class["leakage"] == pytest.approx(16 * cycles * per_cycle, abs=2)
    # 3 layers of 2 cores: 6 of 16 leak.
    assert power.by_class["leakage"] == pytest.approx(6 * cycles * per_cycle, abs=2)
    idle = 16 * cycles - int(clock.activity.core_active.sum())
    assert none.by_class["leakage"] - clock.by_class["leakage"] == 50 * idle
    table = cores_table(power)
    assert (table["energy_leakage_pj"] > 0).sum() == 6


def test_boundaries_by_hand() -> None:
    """A flit costs 2 pJ at every output and 32 b x 1 pJ more where it leaves a reticle."""
    run = priced(("boundary.tile_columns", "1"), ("core.line_bits", "128 b"))
    table = links_table(run)
    pairs = table["source"].str.extract(r"(\d+)")[0].astype(int).to_numpy()
    ends = table["destination"].str.extract(r"router (\d+)")[0]
    across = [bool(e == e) and abs(int(e) - s) == 1 for s, e in zip(pairs, ends, strict=True)]
    crossing, within = table[across], table[[not a for a in across]]
    assert crossing["flits"].sum() > 0
    for part, price in ((crossing, 34), (within, 2)):
        assert part["energy_pj"].tolist() == pytest.approx(
            (part["flits"] * price).tolist(), abs=1e-3
        )
    bits = int(run.activity.item_ops[:, OP_INDEX["noc.boundary_bit"]].sum())
    assert bits == 32 * crossing["flits"].sum()


def test_shared_weights_by_hand() -> None:
    """Each event brings its column, 32 or 128 BF16 rows in bursts of 256 b, at 7 pJ a bit."""
    run = priced(("memory.kind", "hbm"), ("memory.cores_per_channel", "4"), weights="shared")
    program, activity = run.program, run.activity
    expected = 0
    for item, consumer in enumerate(program.consumers):
        if consumer.kernel:
            column = -(-consumer.neurons * 16 // 256) * 256
            expected += int(activity.item_events_in[item]) * column
    assert int(activity.channel_bits.sum()) == expected
    assert run.by_class["off_core_memory"] == 7000 * expected
    table = channels_table(run)
    assert table is not None
    assert table["bits"].sum() == expected
    assert table["energy_pj"].sum() == pytest.approx(7 * expected)
    assert (table["busy_cycles"] == table["bits"] // 32).all()
    assert cores_table(run)["npe_starved_cycles"].sum() > 0
    assert channels_table(priced()) is None


def test_ids_hang_on_what_moves_a_cycle() -> None:
    plain = priced().activity_id
    for setting in (
        ("core.gating", "power"),
        ("core.controller.code_bits", "64 Kib"),
        ("memory.kind", "hbm"),
        ("boundary.hop_cycles", "9"),
        ("voltage_mv", "600 mV"),
    ):
        assert priced(setting).activity_id == plain, setting
    assert priced(("noc.hop_cycles", "3")).activity_id != plain
    hbm = (("memory.kind", "hbm"), ("memory.latency_ps", "135 ns"))
    slow = (hbm[0], ("memory.latency_ps", "200 ns"))
    assert priced(*hbm, weights="shared").activity_id != priced(*slow, weights="shared").activity_id
    assert replace(run := priced(), label="y").activity_id == run.activity_id
