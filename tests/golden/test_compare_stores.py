"""Two stores, point by point, on records made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from golden_tools import Call

from seneca_sim.report.compare_stores import json_of, lines_of, markdown_of
from seneca_sim.results.compare.stores import compare_stores


@dataclass(frozen=True)
class Record:
    point: Mapping[str, Any]
    summary: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    status: str = "ok"
    error: str = ""


def at(cores: int, energy: int, cycles: int = 10, version: str = "1") -> Record:
    summary = {"energy_fj": energy, "cycles": cycles, "by_class": {"npe": energy // 2}}
    return Record({"cores": cores}, summary, {"tool": {"version": version}, "seed": 3})


def test_equal_stores_in_any_order() -> None:
    found = compare_stores([at(1, 100), at(2, 200)], [at(2, 200), at(1, 100)])
    assert found.same
    assert lines_of(found) == ["old -> new: all 2 common points agree"]


def test_points_are_ranked_by_energy_and_inputs_counted() -> None:
    old = [at(1, 100), at(2, 200), at(3, 300), at(4, 400)]
    new = [at(1, 110, version="2"), at(2, 200), at(3, 390, 13, version="2"), at(5, 1)]
    found = compare_stores(old, new, ("a", "b"))
    assert not found.same
    assert lines_of(found) == [
        "a -> b: 2 of 3 common points moved, 1 only in a, 1 only in b",
        "inputs that differ, in how many of the points that moved:",
        "       2 x tool.version 1 -> 2",
        "cores=3",
        "  energy_fj 300 -> 390 (+30 %)",
        "  by_class.npe 150 -> 195 (+30 %)",
        "  cycles 10 -> 13 (+30 %)",
        "cores=1",
        "  energy_fj 100 -> 110 (+10 %)",
        "  by_class.npe 50 -> 55 (+10 %)",
    ]
    assert lines_of(found, 1)[-1] == "and 1 more points"
    data = json_of(found)
    assert data["only_old"] == [{"cores": 4}]
    assert data["only_new"] == [{"cores": 5}]
    assert [point["point"] for point in data["moved"]] == [{"cores": 3}, {"cores": 1}]
    assert "| cores=1 | energy_fj | 100 | 110 | +10 % |" in markdown_of(found)


def test_a_point_that_fails_now_comes_first() -> None:
    failed = Record({"cores": 2}, {}, {}, "failed", "does not fit")
    found = compare_stores([at(1, 1), at(2, 200)], [at(1, 5), failed])
    assert [point.point["cores"] for point in found.moved] == [2, 1]
    assert "cores=2: ok -> failed: does not fit" in lines_of(found)


def test_of_several_records_of_a_point_one_that_is_ok_counts() -> None:
    failed = Record({"cores": 1}, {}, {}, "failed", "crashed")
    assert compare_stores([failed, at(1, 100)], [at(1, 100), failed]).same


def test_real_stores(call: Call, tmp_path: Path) -> None:
    store = pytest.importorskip("seneca_sim.results.store")
    for name, energy in (("a", 100), ("b", 130)):
        with store.Store.create(tmp_path / name).writer() as writer:
            writer.append(store.Record("r1", "k1", {"cores": 1}, "ok", {"energy_fj": energy}))
    done = call("compare", "a", "b", "--json")
    assert done.code == 1
    (moved,) = json.loads(done.out)["moved"]
    assert moved["metrics"] == [{"name": "energy_fj", "old": 100, "new": 130}]
    assert call("compare", "a", "a").code == 0
