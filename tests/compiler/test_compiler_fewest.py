"""The fewest cores: what the search finds for real shapes, never below what is there to be held."""

from functools import cache
from importlib import import_module
from itertools import pairwise, product

import numpy as np
import pytest
from builders import make_chip

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError
from workloads.compiler import (
    LayerGraph,
    Linear,
    MapSettings,
    choose,
    opt_graph,
    rwkv4_graph,
    rwkv7_graph,
    smallest_cores,
    stack,
)
from workloads.compiler.fill import Filling
from workloads.compiler.fit import Fit
from workloads.compiler.graph import GraphSite, Group, Layer, Matrix
from workloads.compiler.groups import Groups
from workloads.compiler.mapping import Parts, cores_of
from workloads.compiler.memory import LayerMemory, Options
from workloads.compiler.pack import packed, saving_most
from workloads.compiler.precision import precision
from workloads.compiler.sizes import Sizes
from workloads.zoo import load_shape

BITS = {"int4": 4, "int8": 8, "bf16": 16}
FEWEST = {
    ("rwkv4-169m", "int4"): 194, ("rwkv4-1.5b", "int4"): 2_860, ("rwkv4-3b", "int4"): 5_573,
    ("opt-125m", "int4"): 254, ("rwkv7-0.1b", "int4"): 218, ("rwkv7-0.4b", "int4"): 674,
    ("rwkv7-1.5b", "int4"): 2_807,
}  # fmt: skip
SLOWER = {
    ("rwkv4-7b", "int4"): 14_664, ("rwkv4-14b", "int4"): 27_770, ("rwkv4-14b", "int8"): 55_490,
    ("opt-2.7b", "int8"): 10_949, ("opt-6.7b", "int4"): 14_696, ("opt-6.7b", "int8"): 28_360,
    ("opt-6.7b", "bf16"): 55_656, ("rwkv7-0.1b", "bf16"): 711, ("rwkv7-0.4b", "int8"): 1_322,
    ("rwkv7-1.5b", "bf16"): 10_994, ("rwkv7-2.9b", "int4"): 5_445,
}  # fmt: skip
TINY = {
    "layers": 2, "width": 64, "ffn": 192, "vocab": 40, "heads": 4, "rank_decay": 16,
    "rank_rate": 8, "rank_value": 8, "rank_gate": 24,
}  # fmt: skip


@cache
def graph_of(name: str) -> LayerGraph:
    sizes = {k: int(v) for k, v in load_shape(name).shape.stated().items() if k != "family"}
    if name.startswith("opt"):
        return opt_graph(name, sizes, head="out", context=384 if "6.7b" in name else 512)
    return (rwkv4_graph if name.startswith("rwkv4") else rwkv7_graph)(name, sizes, head="out")


def check(name: str, bits: str, cores: int) -> None:
    """The number that is told, not below that of the weights alone."""
    graph = graph_of(name)
    weights = sum(m.rows * m.columns for layer in graph.layers for m in layer.matrices)
    found = smallest_cores(graph, Chip("c"), MapSettings(bits=bits))
    bound = -(-weights * BITS[bits] // Chip("c").core.data_memory_bits)
    assert bound < found <= cores
    assert found == cores, "fewer: a result; docs/compiler.md and the changelog tell these numbers"


@pytest.mark.parametrize(("name", "bits"), FEWEST)
def test_fewest(name: str, bits: str) -> None:
    check(name, bits, FEWEST[name, bits])


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "bits"), SLOWER)
def test_fewest_of_the_largest(name: str, bits: str) -> None:
    check(name, bits, SLOWER[name, bits])


def test_numbers_by_hand_are_kept() -> None:
    """Rwkv7-1.5b took 3,147 cores when 2,809 did, with these numbers by hand."""
    cores = {"gate": 8, "decay": 3, "rate": 3, "mix": 2}
    plan = choose(
        graph_of("rwkv7-1.5b"), Chip("c"), MapSettings(bits="int4", fewest=True, cores=cores)
    )
    assert plan.cores <= 2_809
    for parts in plan.mapping.layers[1:-1]:
        assert {name: len(parts[name].cores) for name in cores} == cores


def whole(layer_width: dict[str, int], parts: Parts) -> None:
    """Every group's channels lie somewhere once, in order."""
    for name, part in parts.items():
        assert len(set(part.cores)) == len(part.cores)
        assert part.slices[0][0] == 0
        assert part.slices[-1][1] == layer_width[name]
        assert all(a[1] == b[0] and a[0] < a[1] for a, b in pairwise(part.slices))


@pytest.mark.parametrize("memory", [70_000, 90_000])
@pytest.mark.parametrize("bits", ["bf16", "int4"])
def test_what_is_filled_fits(memory: int, bits: str) -> None:
    """Whole, within every core's memory, no site twice on a core, never more than one by one."""
    graph = rwkv7_graph("tiny", TINY, head="out")
    options = Options(make_chip(1, 1, data_memory_bits=memory), precision(bits))
    fit = Fit(graph, options)
    groups = Groups.fewest(fit, graph)
    for layer, alone in zip(graph.layers, groups.plan("grouped").mapping.layers, strict=True):
        parts = Filling.of(fit, layer, alone, ()).search(10**9)
        assert parts is not None
        whole(layer.widths, parts)
        memory_map = LayerMemory(graph, layer, parts, options)
        for core, roles in memory_map.roles().items():
            assert memory_map.place(core, roles).used_bits <= memory
            sites = [m.site for m in layer.matrices if m.group in roles]
            assert len(set(sites)) == len(sites)
        chosen = len(cores_of(packed(fit, layer, alone)))
        assert chosen == min(len(cores_of(saving_most(fit, layer, alone))), len(cores_of(parts)))
        assert len(cores_of(parts)) <= len(cores_of(alone))
        assert sorted(cores_of(parts)) == list(
            range(min(cores_of(alone)), max(cores_of(parts)) + 1)
        )


def matrices(units: list[int], columns: list[int], memory: int) -> tuple[Fit, Layer]:
    """A layer of matrices by themselves: `units` slices of 8 rows and `columns` columns each."""
    names = [f"g{i}" for i in range(len(units))]
    layer = Layer(
        name="l",
        entry="s0",
        groups=tuple(Group(n, 8 * u) for n, u in zip(names, units, strict=True)),
        sites=tuple(
            GraphSite(f"s{i}", c, "events", "layer", f"g{i}") for i, c in enumerate(columns)
        ),
        vectors=(),
        matrices=tuple(
            Matrix(f"w{i}", f"s{i}", 8 * u, c, f"g{i}")
            for i, (u, c) in enumerate(zip(units, columns, strict=True))
        ),
        stages=(),
    )
    graph = LayerGraph("m", 8, (layer,), "s0", ())
    return Fit(graph, Options(make_chip(1, 1, data_memory_bits=memory))), layer


def optimum(units: list[int], columns: list[int], memory: int) -> int:
    """The fewest cores of all, by going through every way to fill one core after another.

    By hand: a slice of u units has 8 u rows of 16-bit weights, two accumulators and two groups of
    16 events of 32 bits.
    """

    def bits(g: int, u: int) -> int:
        return u * (8 * 16 * columns[g] + 2 * 128) + 2 * 16 * 32 if u else 0

    fills = [
        fill
        for fill in product(*(range(u + 1) for u in units))
        if any(fill) and sum(bits(g, u) for g, u in enumerate(fill)) <= memory
    ]
    seen, now, cores = {tuple(units)}, {tuple(units)}, 0
    while not any(not any(left) for left in now):
        now = {
            tuple(a - b for a, b in zip(left, fill, strict=True))
            for left in now
            for fill in fills
            if all(b <= a for a, b in zip(left, fill, strict=True))
        } - seen
        seen |= now
        cores += 1
    return cores


def test_against_the_optimum() -> None:
    """Forty layers of three or four random groups: the optimum, or one core more where unlucky."""
    rng = np.random.default_rng(1)
    more = []
    for _ in range(40):
        n = int(rng.integers(3, 5))
        units, columns = rng.integers(1, 5, n).tolist(), (8 * rng.integers(2, 9, n)).tolist()
        memory = int(rng.integers(1, 4) * (max(columns) * 128 + 1280) + rng.integers(6_000))
        fit, layer = matrices(units, columns, memory)
        alone = Groups.fewest(fit, fit.graph).plan("grouped").mapping.layers[0]
        parts = packed(fit, layer, alone)
        whole(layer.widths, parts)
        more.append(len(cores_of(parts)) - optimum(units, columns, memory))
    assert set(more) <= {0, 1}
    assert more.count(0) >= 38


def test_the_least_bits_of_a_group_are_a_bound() -> None:
    """However a group is cut, its slices take at least so many bits: all cuts in two and three."""
    graph = rwkv7_graph("tiny", TINY, head="out")
    fit = Fit(graph, Options(make_chip(1, 1, data_memory_bits=80_000)))
    for name in ("receptance", "gate", "hidden"):
        sizes = Sizes(fit, graph.layers[1], name)
        most = sizes.most(fit.have)
        cuts = [
            (a, b, sizes.units - a - b) for a in range(sizes.units) for b in range(sizes.units - a)
        ]
        cuts = [cut for cut in cuts if max(cut) <= most]
        assert cuts or sizes.units > 3 * most
        assert all(sum(map(sizes.bits, cut)) >= sizes.least for cut in cuts)


def test_no_chip_holds_14b_at_bf16() -> None:
    """Weights alone by hand: 40 blocks of 13 D² at 16 bits, 104,000 cores of 2 Mib."""
    graph = graph_of("rwkv4-14b")
    assert smallest_cores(graph, Chip("c"), MapSettings(bits="bf16")) == 0
    assert 40 * 13 * 5120**2 * 16 // 2**21 == 104_000
    for fewest in (True, False):
        with pytest.raises(
            CapacityError, match=r"104,000 cores of 2,097,152, and .* 65,536 at most"
        ):
            choose(graph, Chip("c"), MapSettings(bits="bf16", fewest=fewest))


def test_more_cores_than_a_chip_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights alone would fit; but 67 slices of 1,024 bits, one a core, are one core too many."""
    monkeypatch.setattr(import_module("workloads.compiler.choose"), "MAX_CORES", 66)
    graph = stack("s", [Linear(8, 8 * 67)])
    chip = make_chip(1, 1, data_memory_bits=4_000)
    with pytest.raises(CapacityError, match=r"67 cores at the fewest at bf16, and a chip has 66"):
        choose(graph, chip, MapSettings(strategy="grouped", fewest=True))
    assert smallest_cores(graph, chip, MapSettings()) == 0
