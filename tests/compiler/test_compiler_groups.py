"""Groups of channels on cores of their own: how many they take, and that nothing is lost."""

import re
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from builders import make_chip
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.chip import Chip
from seneca_sim.chip.load import load_chip
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import NO_ROUTE, Program
from seneca_sim.results.ids import content_hash
from workloads.compiler import LayerGraph, MapSettings, choose, lower, rwkv4_graph, smallest_cores
from workloads.compiler.fit import Fit, even_partition
from workloads.compiler.lower import mapped
from workloads.compiler.mapping import cores_of
from workloads.compiler.memory import LayerMemory, Options
from workloads.compiler.precision import precision

SMALL = {"layers": 2, "width": 96, "ffn": 320, "vocab": 120}
PUBLISHED = {"169m": (12, 768), "3b": (32, 2560), "14b": (40, 5120)}


def published(name: str, head: str = "out") -> LayerGraph:
    layers, width = PUBLISHED[name]
    sizes = {"layers": layers, "width": width, "ffn": 4 * width, "vocab": 50277}
    return rwkv4_graph(name, sizes, head=head)


def fewest(graph: LayerGraph, bits: str, strategy: str = "grouped") -> MapSettings:
    return MapSettings(strategy=strategy, bits=bits, fewest=True)


def test_the_worked_target() -> None:
    """3B at INT4, by hand: a slice of 32 channels and 2,560 columns is 327,680 bits, 6 fit a core.

    W_o, W_r' and W_v' take 1 + 1 + 4 slices for 32 channels, W_k, W_r and W_v 3, W_k' 320 in all.
    """
    plan = choose(published("3b"), Chip("c"), fewest(published("3b"), "int4"))
    block = plan.mapping.layers[7]
    assert {name: len(part.cores) for name, part in block.items()} == {
        "residual": 2560 // 32,
        "attention": 3 * 2560 // 32 // 6,
        "key": -(-320 // 6),
    }
    assert plan.cores == 32 * (80 + 40 + 54) + 2560 // 512  # ln_stats adds up 512 channels a core
    with_head = choose(published("3b", "in"), Chip("c"), fewest(published("3b"), "int4"))
    assert with_head.cores == 5568 + -(-50277 // 32 // 6)  # LayerNorm rides on the logits' cores


@pytest.mark.parametrize(
    ("name", "bits", "bound", "most"),
    [
        ("169m", "int4", 176, 196),
        ("3b", "int4", 5_200, 5_600),
        ("3b", "int8", 10_400, 11_200),
        ("3b", "bf16", 20_800, 22_400),
        ("14b", "int4", 26_000, 28_000),
    ],
)
def test_published_sizes(name: str, bits: str, bound: int, most: int) -> None:
    """Never below the bound of weights alone, and not far above it."""
    assert bound < smallest_cores(published(name), Chip("c"), fewest(published(name), bits)) < most


def test_14b_cuts_the_value_matrix() -> None:
    """A slice of 32 rows has 20,480 columns, 2.6 Mb: what the other two leave, and a tile."""
    plan = choose(published("14b"), Chip("c"), fewest(published("14b"), "int4"))
    pieces = [m for m in plan.graph.layers[3].matrices if m.site == "blocks.3.ffn.val"]
    assert [m.group for m in pieces] == ["residual", "ffn.val.tile.0"]
    assert pieces[0].low == 0
    assert pieces[0].high == pieces[1].low
    assert pieces[1].high == 20_480
    # 2 whole slices of 655,360 bits stay at home, so at most 2^21 - 2 x 655,360 bits are left.
    assert 4_000 < pieces[0].columns <= (2**21 - 2 * 655_360) // 128


def test_groups_together_are_the_programs_of_before() -> None:
    """The shipped model's program on the default chips has the id that it always had."""
    shape = {"layers": 6, "width": 256, "ffn": 1024, "vocab": 256}
    graph = rwkv4_graph("s", shape)
    program = lower(graph, load_chip("seneca-8x8").chip)
    assert content_hash(program).startswith("a1a6fca55130516b")
    assert dict(program.mapping)["strategy"] == "output-split"
    apart = MapSettings(strategy="output-split", weights="shared", placement="row-major")
    shared = lower(graph, load_chip("seneca-8x8-hbm").chip, settings=apart)
    assert content_hash(shared).startswith("c477ecf9ac116a80")


@pytest.mark.parametrize(("bits", "strategy"), [("int8", "auto"), ("int4", "grouped")])
def test_weights_away_leave_slices_that_a_lane_adds_up(bits: str, strategy: str) -> None:
    """3B on its smallest chip with weights in HBM: memory would let a core take 68 rows of 8.

    A lane of a LayerNorm adds up 64 terms: 2,560 channels take five cores at least, and no core
    may have more than 512, however little its weights need.
    """
    sizes = {"layers": 2, "width": 2560, "ffn": 10240, "vocab": 99}
    graph = rwkv4_graph("3b", sizes, head="out")
    how = MapSettings(bits=bits, strategy=strategy, weights="shared", fewest=True)
    chip = load_chip("seneca-8x8-hbm", {"columns": "5", "rows": "5"}).chip
    plan = choose(graph, chip, how)
    for parts in plan.mapping.layers:
        assert max(high - low for low, high in parts["residual"].slices) <= 512
    assert dict(lower(graph, chip, settings=how).mapping)["residence"] == "shared"
    assert plan.cores == 3 * 5  # 5 a layer are needed, and they hold all else


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_the_fewest_cores_of_a_group(data: st.DataObject) -> None:
    """Against trying every number of cores."""
    width, ffn = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 300))
    bits = data.draw(st.sampled_from(("bf16", "int8", "int4")))
    memory = data.draw(st.integers(20_000, 400_000))
    graph = rwkv4_graph("r", {"layers": 1, "width": width, "ffn": ffn, "vocab": 20})
    fit = Fit(graph, Options(make_chip(1, 1, data_memory_bits=memory), precision(bits)))
    layer = graph.layers[0]
    group = data.draw(st.sampled_from(("residual", "attention", "key")))
    units = -(-layer.widths[group] // fit.options.unit)

    def full(cores: int) -> int:
        part = even_partition(layer.widths[group], cores, fit.options.unit)
        plan = LayerMemory(graph, layer, {group: part}, fit.options)
        return max(plan.place(0, {group: i}).used_bits for i in range(cores))

    fitting = [n for n in range(1, units + 1) if full(n) <= memory]
    assert fit.fewest(layer, (group,)) == (fitting[0] if fitting else 0)


@pytest.mark.parametrize(
    ("strategy", "memory"),
    [("grouped", 2**21), ("grouped", 2**17), ("input-split", 2**21), ("tiles-2d", 2**17)],
)
def test_every_weight_is_somewhere_once(strategy: str, memory: int) -> None:
    """Each element of each matrix lies on exactly one core, whatever is cut."""
    chip = make_chip(20, 20, data_memory_bits=memory)
    program = lower(rwkv4_graph("r", SMALL), chip, settings=MapSettings(strategy=strategy))
    held: dict[str, np.ndarray] = {}
    for region in program.regions:
        if region.name.startswith("weight:"):
            rows, columns = (320, 96) if "ffn.key" in region.tensor else (96, 96)
            columns = 320 if "ffn.value" in region.tensor else columns
            rows = 120 if region.tensor.startswith("head") else rows
            table = held.setdefault(region.tensor, np.zeros((rows, columns), np.int64))
            high = region.column_low + region.columns
            table[region.low : region.high, region.column_low : high] += 1
    assert len(held) == 2 * 7 + 1
    assert all((table == 1).all() for table in held.values())


def vectors_of(program: Program) -> dict[int, list[tuple[int, int]]]:
    """Consumer -> the pieces of its site that reach it, sorted."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, route in enumerate(program.routes):
        if route.acknowledges == NO_ROUTE:
            for core in program.destinations(i):
                found[program.consumer_at[route.site, core]].append((route.low, route.high))
    return {taker: sorted(pieces) for taker, pieces in found.items()}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_routes_between_different_slices(data: st.DataObject) -> None:
    """Whatever the numbers of cores: pieces join up, and no route is empty."""
    counts = {
        "residual": data.draw(st.integers(1, 12)),
        "attention": data.draw(st.integers(1, 12)),
        "key": data.draw(st.integers(1, 40)),
        "logits": data.draw(st.integers(1, 15)),
    }
    tiles = data.draw(st.dictionaries(st.sampled_from(("ffn.val", "att.out")), st.integers(1, 5)))
    how = MapSettings(strategy="grouped", cores=counts, tiles=tiles)
    program = lower(rwkv4_graph("r", SMALL), make_chip(20, 20), settings=how)
    for taker, pieces in vectors_of(program).items():
        low, high = program.channels_of(taker)
        assert pieces[0][0] == low
        assert pieces[-1][1] == high
        assert all(a[1] == b[0] for a, b in pairwise(pieces))
        assert all(a < b for a, b in pieces)
    by_layer = [{s.core for s in program.stages if s.layer == i} for i in range(3)]
    assert not by_layer[0] & by_layer[1]


def test_logits_apart_are_windowed() -> None:
    """Cores that only hold logits are in no LayerNorm, so they say themselves that they are done
    with a token.
    """
    apart = lower(
        rwkv4_graph("r", SMALL),
        make_chip(20, 20),
        settings=MapSettings(strategy="grouped", cores={"logits": 15, "residual": 3}),
    )
    heads = [r for r in apart.routes if apart.sites[r.site].name == "head"]
    assert all(route.window for route in heads)
    together = lower(rwkv4_graph("r", SMALL), make_chip(4, 4), 4)
    assert not any(r.window for r in together.routes if together.sites[r.site].name == "head")


def test_head_out() -> None:
    """The host gets the last LayerNorm's vector, no core holds logits, and the program says so."""
    program = lower(rwkv4_graph("r", SMALL, head="out"), make_chip(8, 8))
    assert dict(program.mapping)["head"] == "out"
    answers = {
        r.site for i, r in enumerate(program.routes) if program.host in program.destinations(i)
    }
    assert {
        program.sites[site].name for site in answers if program.sites[site].kind != "credit"
    } == {"head"}
    assert not any(region.tensor == "head.weight" for region in program.regions)
    with pytest.raises(InputError, match="head is 'no'; expected in or out"):
        rwkv4_graph("r", SMALL, head="no")


def test_more_cores_are_used_where_they_help() -> None:
    graph = published("169m")
    few = choose(graph, make_chip(15, 15), MapSettings(bits="int4"))
    many = choose(graph, make_chip(40, 40), MapSettings(bits="int4"))
    fast = choose(graph, make_chip(40, 40), MapSettings(bits="int4", goal="latency"))
    assert few.cores <= 225 < many.cores <= fast.cores <= 1600
    assert few.cycles() > many.cycles() >= fast.cycles()


def test_capacity_says_what_would_fit() -> None:
    """Layer, bits there and needed, and the smallest core count at each precision, which fits."""
    graph = published("169m")
    with pytest.raises(CapacityError) as caught:
        choose(graph, load_chip("seneca-8x8").chip, MapSettings(bits="int8"))
    text = str(caught.value)
    weights = 13 * 768**2 * 12 * 8
    assert f"its weights alone are {weights:,} bits, the chip has {64 * 2**21:,}" in text
    assert "layer blocks.0 needs residual 16" in text
    tail = r"core count that fits is (\d+) at bf16, (\d+) at int8, (\d+) at int4; mapping\.fit="
    found = re.search(tail, text)
    assert found, text
    for bits, cores in zip(("bf16", "int8", "int4"), map(int, found.groups()), strict=True):
        assert choose(graph, make_chip(cores, 1), MapSettings(bits=bits)).cores <= cores
        with pytest.raises(CapacityError):
            choose(graph, make_chip(cores - 1, 1), MapSettings(bits=bits))


def test_capacity_where_nothing_fits() -> None:
    chip = make_chip(8, 8, data_memory_bits=2**13)
    with pytest.raises(
        CapacityError, match="group residual: its smallest slice, 8 channels, needs"
    ):
        choose(rwkv4_graph("r", SMALL), chip, MapSettings(strategy="grouped"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "rows"}, "mapping.strategy is 'rows'; expected auto, output-split, grouped"),
        ({"goal": "fast"}, "mapping.goal is 'fast'; expected energy-delay, latency"),
        ({"bits": "int2"}, "weights.bits is 'int2'; expected one of bf16, int8, int4"),
        ({"batch": 0}, "mapping.batch is 0; expected at least 1"),
        (
            {"cores": {"atention": 3}},
            "mapping.cores.atention: no such group; did you mean 'attention'",
        ),
        (
            {"cores": {"key": 41}},
            "mapping.cores.key is 41; layer blocks.0 has 40 slices of 8 channels",
        ),
        ({"tiles": {"ffn.val": 999}}, "ffn.val"),
        ({"placement": "spiral"}, "mapping.placement is 'spiral'; expected one of row-major"),
        ({"place": (0, 1, 99)}, "core 2 is placed at 99, but chip test has cores 0 to 63"),
        ({"place": (0, 1, 1)}, "two cores are placed at 1; expected each router once"),
        ({"place": (0, 1)}, "2 cores are placed, but the mapping has"),
    ],
)
def test_bad_settings(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mapped(rwkv4_graph("r", SMALL), make_chip(8, 8), MapSettings(**given))  # type: ignore[arg-type]


def test_layers_never_share_cores() -> None:
    plan = choose(published("169m"), Chip("c"), fewest(published("169m"), "int4"))
    cores = [core for parts in plan.mapping.layers for core in cores_of(parts)]
    assert sorted(cores) == list(range(plan.cores))
