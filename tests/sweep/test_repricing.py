"""Another price needs no other simulation, also in another process and on another day."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweep_tools import HEAD, numbers, swept

from seneca_sim.cli.sweeping import open_study
from seneca_sim.errors import Finding
from seneca_sim.results.store import Store
from seneca_sim.results.store import shelf as shelves
from seneca_sim.results.store.shelf import Shelf
from seneca_sim.sweep.run import Tally
from seneca_sim.sweep.runners import Processes, Serial
from seneca_sim.sweep.stages import Stages

FIRST = "axes:\n  grid:\n    noc.hop_cycles: [1, 2]\n    core.npes: [4, 8]\n"
REPRICED = {
    "an energy": "energy.noc.flit_hop.noc: [1 pJ, 2 pJ, 3 pJ]",
    "the clock": "clock: [100 MHz, 500 MHz, 600 MHz]",
    "the supply": "voltage: [0.6 V, 0.7 V, 0.8 V]",
}


def run(store: Path, body: str, head: str = HEAD) -> Tally:
    """A sweep as another start of the command would run it: nothing in memory."""
    sweep = swept(body, head)
    return sweep.run(Store.create(store), Serial())


@pytest.mark.parametrize("axis", REPRICED.values(), ids=REPRICED)
def test_points_that_differ_in_price_only_are_not_simulated_again(
    tmp_path: Path, axis: str
) -> None:
    assert run(tmp_path / "s", FIRST).work["simulate"] == 4
    lines = shelf_lines(tmp_path / "s")
    body = f"{FIRST}    {axis}\n"
    tally = run(tmp_path / "s", body)
    assert set(tally.work) == {"price"}
    assert tally.there + tally.work["price"] == 12
    assert shelf_lines(tmp_path / "s") == lines  # four simulations, whatever was priced

    fresh = run(tmp_path / "fresh", body)
    assert fresh.work["simulate"] == 4
    known, found = (numbers(Store.open(tmp_path / name)) for name in ("fresh", "s"))
    assert {run_id: found[run_id] for run_id in known} == known
    assert inputs_of(tmp_path / "s", known) == inputs_of(tmp_path / "fresh", known)


def shelf_lines(store: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in store.glob("*.counts"))


def inputs_of(store: Path, wanted: Any) -> dict[str, Any]:
    return {r.run_id: dict(r.inputs) for r in Store.open(store) if r.run_id in wanted}


def test_whatever_moves_a_cycle_is_simulated(tmp_path: Path) -> None:
    run(tmp_path / "s", FIRST)
    for axis in ("noc.hop_cycles: [3]", "workload.tokens: [2]", "core.window: [3]"):
        assert run(tmp_path / "s", f"axes: {{grid: {{{axis}}}}}\n").work["simulate"] == 1


def test_weights_off_the_cores_follow_the_clock(tmp_path: Path) -> None:
    """A latency in nanoseconds is another number of cycles at another clock."""
    head = HEAD.replace("tokens: 1}", "tokens: 1, mapping.weights: shared, memory.kind: lpddr}")
    body = "axes: {grid: {clock: [100 MHz, 500 MHz]}}\n"
    first = run(tmp_path / "s", body, head)
    assert first.work["simulate"] == 2
    again = run(tmp_path / "s", body.replace("grid: {", "grid: {voltage: [0.7 V], "), head)
    assert (again.ok, again.work.get("simulate", 0)) == (2, 0)
    cycles = {record.summary["cycles"] for record in Store.open(tmp_path / "s")}
    assert len(cycles) == 2


def test_other_processes_get_the_counts_with_the_point(tmp_path: Path) -> None:
    run(tmp_path / "s", FIRST)
    sweep = swept(f"{FIRST}    energy.noc.flit_hop.noc: [1 pJ, 2 pJ]\n")
    runner = Processes(2)
    try:
        tally = sweep.run(Store.open(tmp_path / "s"), runner)
    finally:
        runner.close()
    assert tally.work == {"price": 8}


AREA = """\
schema: seneca-area/1
extends: seneca-gf22
name: edited
logic: {npe: {value: 1600 um2, mark: assumed, source: "one"}}
"""


def test_another_area_table_is_shown_though_the_run_is_the_same(tmp_path: Path) -> None:
    table = tmp_path / "area.yaml"
    body = "area: area.yaml\naxes: {grid: {clock: [1 GHz]}}\n"
    (tmp_path / "study.yaml").write_text(HEAD + body)
    shown, ids = [], set()
    for value in ("1600", "160000", "1600"):
        table.write_text(AREA.replace("1600", value))
        sweep = open_study(str(tmp_path / "study.yaml")).sweep
        store = Store.create(tmp_path / "s")
        tally = sweep.run(store, Serial())
        store.refresh()
        ((_, record),) = sweep.records(store)
        shown.append(record.summary["core_mm2"])
        ids.add(record.run_id)
    assert shown[1] > 1.5 * shown[0] == 1.5 * shown[2]
    assert (len(ids), tally.there) == (1, 1)


@pytest.mark.parametrize("metric", ["energy_fj", "sparsity", "energy_by_op_fj", "core_mm2"])
def test_no_metric_may_change_under_a_key(tmp_path: Path, metric: str) -> None:
    sweep = swept("axes: {grid: {noc.hop_cycles: [1]}}\n")
    store = Store.create(tmp_path / "s")
    sweep.run(store, Serial())
    store.refresh()
    stages = Stages(sweep.setup)
    (job,) = sweep.jobs(store, sweep.points)
    outcome = stages.evaluate(job)
    old = outcome.summary[metric]
    new = {**old, "npe.mul": 1} if isinstance(old, dict) else old + 1
    with store.writer() as writer:
        sweep.keep(store, writer, outcome)
        changed = replace(outcome, summary={**outcome.summary, metric: new})
        with pytest.raises(Finding, match=metric):
            sweep.keep(store, writer, changed)


# -- the shelf ----------------------------------------------------------------------------------


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.read_bytes().rindex(b"\n", 0, -1) + 40])


@pytest.mark.parametrize(
    ("fault", "lost"), [(damaged, 1), (torn, 1), (Path.unlink, 4)], ids=["damaged", "torn", "gone"]
)
def test_counts_that_are_lost_are_simulated_again(
    tmp_path: Path, fault: Callable[[Path], None], lost: int
) -> None:
    run(tmp_path / "s", FIRST)
    (path,) = (tmp_path / "s").glob("*.counts")
    fault(path)
    body = f"{FIRST}    energy.noc.flit_hop.noc: [2 pJ]\n"
    assert run(tmp_path / "s", body).work["simulate"] == lost


def test_a_shelf_takes_no_more_than_it_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "LARGEST", 1000)
    monkeypatch.setattr(shelves, "MOST", 2000)
    shelf = Shelf(tmp_path)
    shelf.put("a" * 64, "x" * 1000)
    assert len(shelf) == 0
    for key in "abc":
        for _ in range(2):
            shelf.put(key * 64, key * 800)
    assert [key * 64 in shelf for key in "abc"] == [True, True, False]
    other = Shelf(tmp_path)
    other.refresh()
    assert [other.get(key * 64) for key in "abc"] == ["a" * 800, "b" * 800, ""]
    assert shelf.size == other.size < 2000


def test_two_starts_share_a_shelf(tmp_path: Path) -> None:
    one, two = Shelf(tmp_path), Shelf(tmp_path)
    one.put("a", "1")
    two.put("b", "2")
    one.refresh()
    assert (one.get("a"), one.get("b")) == ("1", "2")
    assert len(list(tmp_path.glob("*.counts"))) == 2
