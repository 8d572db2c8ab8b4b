"""The packet table: by hand, against the engine's totals, and its files."""

import sys
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from tiny_run import LOADED, TINY_STREAM, rwkv, tiny_program

sys.path.append(str(Path(__file__).parents[1] / "engine"))
from random_programs import Case, random_case

from seneca_sim.chip.mesh import multicast_tree
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import InputError
from seneca_sim.results.packets import (
    DELAYS,
    PACKET_COLUMNS,
    Selection,
    check_packets_path,
    packet_columns,
    packets_frame,
    write_packets,
)


def runs(count: int) -> list[tuple[Case, Activity]]:
    """Random programs on random chips, all options."""
    rnd = Random("packets")
    found = []
    for _ in range(count):
        case = random_case(rnd)
        args = (case.chip, case.program, case.stream)
        found.append((case, simulate(*args, mode=case.mode, log_packets=True)))  # type: ignore[arg-type]
    return found


def test_a_token_by_hand() -> None:
    """Host -> core 0 -> core 1 -> host, alone in the network: nothing is blocked.

    Links take 2 cycles, a packet of F flits F cycles; 8 events are 9 flits, 3 are 4.
    """
    activity = simulate(LOADED.chip, tiny_program(), TINY_STREAM, log_packets=True)
    assert activity.packets is not None
    frame = packets_frame(LOADED.chip, tiny_program(), activity.packets, Selection(0, 1))
    first, events, answer = (dict(row) for _, row in frame.iterrows())
    assert (first["source"], first["destination"], first["hops"]) == (2, 0, 1)
    assert first["network_minimum_cycles"] == 2 + 8
    assert first["sending_cycles"] == 0
    assert first["processing_cycles"] == 20 + 8 * 10 + 6  # packet, events, a stage
    assert (events["site"], events["layer"], events["events"]) == ("blocks.1.x", 1, 3)
    assert events["hops"] == 2  # east, local
    assert events["sending_cycles"] == 20
    assert events["network_minimum_cycles"] == 2 + 2 + 3
    assert events["processing_cycles"] == 20 + 3 * 10 + 6 + 6  # a group, then a stage
    assert (answer["destination"], answer["network_minimum_cycles"]) == (2, 2 + 2 + 8)
    assert answer["processing_cycles"] == 0  # the host takes it at once
    for row in (first, events, answer):
        idle = ("source_queue", "blocked", "destination_queue", "stalled")
        assert all(row[f"{name}_cycles"] == 0 for name in idle)


def test_delays_follow_one_another_and_are_never_negative() -> None:
    blocked = queued = 0
    for case, activity in runs(60):
        assert activity.packets is not None
        table = packet_columns(case.chip, case.program, activity.packets)
        delays = np.array([table[name] for name in DELAYS])
        assert (delays >= 0).all()
        assert (table["created"] + delays.sum(axis=0) == table["done"]).all()
        blocked += int(table["blocked_cycles"].sum())
        queued += int(table["destination_queue_cycles"].sum())
    assert blocked
    assert queued


def test_sums_are_the_engines_totals() -> None:
    """Controllers' busy and blocked cycles, deliveries, packets, and hops by the trees."""
    for case, activity in runs(40):
        assert activity.packets is not None
        chip, program = case.chip, case.program
        table = pd.DataFrame(packet_columns(chip, program, activity.packets))
        packets = table.drop_duplicates("packet")
        assert len(table) == activity.deliveries
        here = table[table["destination"] < chip.cores]
        taking = per_core(chip.cores, here["destination"], here["processing_cycles"])
        sending = per_core(chip.cores, packets["source"], packets["sending_cycles"])
        assert (taking + sending == activity.controller_busy).all()
        stalled = per_core(chip.cores, here["destination"], here["stalled_cycles"])
        assert (stalled == activity.controller_blocked).all()
        assert hops(case, packets) == activity.packet_hops
        consumers = activity.item_events_in[: len(program.consumers)]
        credit = [program.sites[r.site].kind == "credit" for r in program.routes]
        events = here["events"][~np.array(credit)[here["route"]]]
        assert events.sum() == consumers.sum()


def per_core(cores: int, places: pd.Series, values: pd.Series) -> np.ndarray:
    sums = np.zeros(cores + 1, np.int64)
    np.add.at(sums, places.to_numpy(), values.to_numpy())
    return sums[:cores]


def hops(case: Case, packets: pd.DataFrame) -> int:
    """Router outputs crossed: each way by itself with unicast, else the tree once."""
    if case.chip.noc.multicast == "unicast":
        return int(packets["hops"].sum())
    sizes = []
    for index, route in enumerate(case.program.routes):
        tree = multicast_tree(case.chip, route.source, case.program.destinations(index))
        sizes.append(sum(map(len, tree.values())))
    return int(np.array(sizes)[packets["route"]].sum())


def test_selection_keeps_whole_rows() -> None:
    result = rwkv(packets=True)
    log = result.activity.packets
    assert log is not None
    whole = packets_frame(result.chip, result.program, log)
    part = packets_frame(result.chip, result.program, log, Selection(1, 2, frozenset({0, 3})))
    mine = whole[(whole["token"] == 1)]
    mine = mine[mine["source"].isin([0, 3]) | mine["destination"].isin([0, 3])]
    assert 0 < len(part) < len(whole)
    columns = [c for c in PACKET_COLUMNS if c != "packet"]
    assert part[columns].to_numpy().tolist() == mine[columns].to_numpy().tolist()
    nothing = packets_frame(result.chip, result.program, log, Selection(99))
    assert list(nothing.columns) == list(PACKET_COLUMNS)
    assert nothing.empty


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    result = rwkv(packets=True)
    assert result.activity.packets is not None
    frame = packets_frame(result.chip, result.program, result.activity.packets)
    for name in ("p.csv", "p.parquet"):
        write_packets(tmp_path / name, frame)
    text, binary = pd.read_csv(tmp_path / "p.csv"), pd.read_parquet(tmp_path / "p.parquet")
    assert list(text.columns) == list(binary.columns) == list(PACKET_COLUMNS)
    assert text.to_numpy().tolist() == binary.to_numpy().tolist() == frame.to_numpy().tolist()


def test_a_name_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"ends in \.csv or \.parquet"):
        check_packets_path("packets.xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"seneca-sim\[parquet\]"):
        check_packets_path("packets.parquet")
