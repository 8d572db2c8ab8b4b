"""Placements: what they are, what their traffic is, and that the search never makes it worse."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from builders import make_chip
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import multicast_tree
from seneca_sim.cli.compiling import map_settings
from seneca_sim.cli.settings import parse_settings
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import InputError
from workloads.compiler import MapSettings, choose, compile_plan, event_stream, rwkv4_graph
from workloads.compiler.mapping import cores_of
from workloads.compiler.mapping_file import read_mapping
from workloads.compiler.placement import NAMES, PLACEMENTS, Search, placed
from workloads.compiler.plan import Plan
from workloads.compiler.report import mapping_report, report_lines
from workloads.compiler.traffic import Trees, expected_events, flits, site_traffic
from workloads.traces import synthesise
from workloads.traces.sites import BLOCK_SITES

SHAPE = {"layers": 3, "width": 64, "ffn": 256, "vocab": 64}
DENSITIES = dict.fromkeys(BLOCK_SITES, 0.4)


@cache
def plan_on(chip: Chip, strategy: str = "tiles-2d") -> Plan:
    return choose(rwkv4_graph("r", SHAPE), chip, MapSettings(strategy=strategy))


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(sorted(PLACEMENTS)))
def test_every_router_once(columns: int, rows: int, name: str) -> None:
    chip = make_chip(columns, rows)
    place = PLACEMENTS[name](chip, plan_on(make_chip(9, 9)).mapping)
    assert sorted(place) == list(range(chip.cores))


def test_snake_and_regions_have_no_jumps() -> None:
    """Neighbours in number are neighbours on the chip."""
    chip = make_chip(7, 9)
    for name in ("snake", "regions"):
        place = PLACEMENTS[name](chip, plan_on(chip).mapping)
        spots = [chip.position(node) for node in place]
        steps = [abs(ax - bx) + abs(ay - by) for (ax, ay), (bx, by) in zip(spots, spots[1:])]  # noqa: B905, RUF007
        assert max(steps) <= (1 if name == "snake" else 3), name


def test_regions_are_compact() -> None:
    """A layer's bounding box is hardly larger than the layer; row-major layers are stripes."""
    chip = make_chip(24, 24)
    plan = choose(
        rwkv4_graph("r", SHAPE | {"layers": 7}),
        chip,
        MapSettings(strategy="output-split", cores_per_layer=8),
    )

    def edges(name: str) -> float:
        layers = placed(plan, name).mapping.layers
        spots = [[chip.position(core) for core in cores_of(parts)] for parts in layers]
        return float(
            np.mean(
                [
                    max(x for x, _ in s)
                    - min(x for x, _ in s)
                    + max(y for _, y in s)
                    - min(y for _, y in s)
                    for s in spots
                ]
            )
        )

    assert edges("regions") < edges("row-major")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_hops_of_a_tree(data: st.DataObject) -> None:
    """The closed form against the union of XY paths, any source and destinations."""
    chip = make_chip(data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    source = data.draw(st.integers(0, chip.cores))
    ends = data.draw(st.sets(st.integers(0, chip.cores), min_size=1, max_size=12))
    trees = Trees(
        chip, np.array([source]), np.array([0, len(ends)]), np.array(sorted(ends), np.int64)
    )
    ports = multicast_tree(chip, source, ends).values()
    assert trees.hops().tolist() == [sum(map(len, ports))]


@pytest.mark.parametrize(
    ("name", "network"),
    [
        *((name, {}) for name in NAMES),
        ("snake", {"multicast": "unicast"}),
        ("search", {"topology": "torus", "buffer_flits": 40}),
    ],
)
def test_traffic_is_what_the_engine_counts(name: str, network: dict[str, object]) -> None:
    """Flits times hops, route by route, are the flit-hops of a run."""
    chip = make_chip(7, 7, **network)  # type: ignore[arg-type]
    program = compile_plan(placed(plan_on(chip), name, densities=DENSITIES, steps=60))
    trace = synthesise({"family": "rwkv4", **SHAPE}, DENSITIES, tokens=2, seed=1)  # type: ignore[arg-type]
    stream = event_stream(program, trace)
    counted = simulate(chip, program, stream).item_ops[:, OP_INDEX["noc.flit_hop"]].sum()
    sent = flits(chip, stream.counts.astype(np.float64)).mean(axis=1)
    assert 2 * (sent @ Trees.of(chip, program).hops()) == pytest.approx(float(counted), rel=1e-12)
    by_site = site_traffic(chip, program, sent)
    assert 2 * sum(far for _, far in by_site.values()) == pytest.approx(float(counted), rel=1e-12)


def test_flits_by_hand() -> None:
    """0, 1, 16 and 17 events: packets of 16 at most, a header each, one at least."""
    chip = make_chip(2, 2)
    assert flits(chip, np.array([0.0, 1.0, 16.0, 17.0])).tolist() == [1, 2, 17, 19]


@pytest.mark.parametrize("seed", range(2))
def test_search_is_never_worse_than_its_start(seed: int) -> None:
    chip = make_chip(8, 8)
    search = Search.of(plan_on(chip), DENSITIES)
    starts = [search.cost(way(chip, search.plan.mapping)) for way in PLACEMENTS.values()]
    costs = [search.cost(search.run(seed, steps)) for steps in (0, 40, 200)]
    assert costs[0] == min(starts)
    assert costs[0] >= costs[1] >= costs[2]
    assert costs[2] < costs[0]
    assert search.run(seed, 40).tolist() == search.run(seed, 40).tolist()


def test_cost_of_the_search_is_the_traffic() -> None:
    chip = make_chip(7, 7)
    plan = plan_on(chip)
    place = Search.of(plan, DENSITIES).run(0, 50)
    program = compile_plan(placed(plan, "search", densities=DENSITIES, steps=50))
    traffic = site_traffic(chip, program, flits(chip, expected_events(program, DENSITIES)))
    assert Search.of(plan, DENSITIES).cost(place) == pytest.approx(
        sum(far for _, far in traffic.values())
    )


def test_report() -> None:
    """Memory and balance against the program's own tables."""
    chip = make_chip(7, 7)
    program = compile_plan(placed(plan_on(chip, "grouped"), "regions"))
    report = mapping_report(program, chip, DENSITIES)
    used = list(program.memory_bits.values())
    assert report["cores_used"] == len(used)
    assert report["bits_max"] == max(used)
    assert report["bits_mean"] == pytest.approx(sum(used) / len(used))
    assert report["utilisation"] == pytest.approx(sum(used) / (49 * 2**21))
    assert report["balance"] >= 1
    assert report["flits"] == pytest.approx(sum(row["flits"] for row in report["traffic"].values()))
    assert any("flit-hops a token" in line for line in report_lines(report))
    trace = synthesise({"family": "rwkv4", **SHAPE}, DENSITIES, tokens=40, seed=1)  # type: ignore[arg-type]
    measured = mapping_report(program, chip, stream=event_stream(program, trace))
    assert measured["flits"] == pytest.approx(report["flits"], rel=0.1)


MAPPING = """schema: seneca-mapping/1
strategy: grouped
goal: latency
cores: {attention: 4, key: 9}
tiles: {ffn.val: 2}
place: [3, 2, 1, 0]
"""


def test_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING)
    assert read_mapping(path) == {
        "strategy": "grouped",
        "goal": "latency",
        "cores": {"attention": 4, "key": 9},
        "tiles": {"ffn.val": 2},
        "place": (3, 2, 1, 0),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grouped", "group", "m.yaml:2:11: strategy is 'group', expected one of auto"),
        ("attention: 4", "attention: x", "m.yaml:4:20: cores.attention must be a whole number"),
        ("tiles:", "tile:", "m.yaml:5:1: unknown key 'tile'; did you mean 'tiles'?"),
        ("[3, 2, 1, 0]", "[3, 2, 3]", "m.yaml:6:15: place has router 3 twice"),
        ("[3, 2, 1, 0]", "3", "m.yaml:6:8: place must be a list"),
        ("mapping/1", "mapping/2", "m.yaml:1:9: schema"),
    ],
)
def test_bad_mapping_files(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING.replace(old, new))
    with pytest.raises(InputError, match=re.escape(message)):
        read_mapping(path)


@pytest.mark.parametrize(
    ("sets", "name", "value"),
    [
        ([], "goal", "latency"),
        (["mapping.goal=energy-delay"], "goal", "energy-delay"),  # the default, but it was given
        (["mapping.strategy=auto"], "strategy", "auto"),
        (["mapping.cores.key=7"], "cores", {"attention": 4, "key": 7}),
        (["mapping.tiles.att.out=3"], "tiles", {"ffn.val": 2, "att.out": 3}),
        ([], "place", (3, 2, 1, 0)),
        (["mapping.placement=auto"], "place", ()),
    ],
)
def test_settings_win_over_a_mapping_file(
    sets: list[str], name: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING)
    found = map_settings(parse_settings([f"mapping.file={path}", *sets]))
    assert getattr(found, name) == value
