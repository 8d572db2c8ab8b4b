"""Which cores hold what: the split, the choice of cores, and what is said when nothing fits."""

import re

import pytest
from builders import make_chip
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.chip import Chip
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import Program
from workloads.compiler import LayerGraph, MapSettings, lower, rwkv4_graph
from workloads.compiler.fit import Fit, even_partition
from workloads.compiler.graph import Layer
from workloads.compiler.mapping import split
from workloads.compiler.memory import LayerMemory, Options

SHAPE = {"layers": 2, "width": 64, "ffn": 256, "vocab": 64}


def lower_split(graph: LayerGraph, chip: Chip, cores: int = 0) -> Program:
    settings = MapSettings(strategy="output-split", cores_per_layer=cores)
    return lower(graph, chip, settings=settings)


def compiled(chip: Chip, cores: int = 0, **shape: int) -> Program:
    return lower_split(rwkv4_graph("r", SHAPE | shape), chip, cores)


def fullest_bits(graph: LayerGraph, layer: Layer, chip: Chip, cores: int) -> int:
    return Fit(graph, Options(chip)).bits(layer, tuple(g.name for g in layer.groups), cores)


@given(st.integers(0, 500), st.integers(1, 40), st.sampled_from((1, 4, 8, 16)))
def test_split(width: int, parts: int, lanes: int) -> None:
    """Slices cover all, in whole rows of lanes but the last, balanced within one row."""
    slices = split(width, parts, lanes)
    assert len(slices) == parts
    assert [c for low, high in slices for c in range(low, high)] == list(range(width))
    assert all(low % lanes == 0 or low == width for low, _ in slices)
    rows = [-(-(high - low) // lanes) for low, high in slices]
    assert max(rows) - min(rows) <= 1


@pytest.mark.parametrize(
    ("columns", "expected"),
    # Three layers of rows 8 (width, vocab) and 32 (ffn): n x (fullest core)^2 is smallest.
    [(3, 1), (4, 1), (6, 2), (11, 3), (12, 4), (23, 4), (24, 8), (30, 8)],
)
def test_the_smallest_estimated_cost(columns: int, expected: int) -> None:
    program = compiled(make_chip(columns, 1))
    assert dict(program.mapping)["cores_per_layer"] == str(expected)
    by_layer = [{s.core for s in program.stages if s.layer == layer} for layer in range(3)]
    assert by_layer == [set(range(i * expected, (i + 1) * expected)) for i in range(3)]


def test_the_largest_number_where_no_even_one_fits() -> None:
    # vocab 56 has 7 rows, width 64 has 8: only one core a layer is even, and that is too small.
    graph = rwkv4_graph("r", SHAPE | {"vocab": 56})
    chip = make_chip(12, 1)
    chip = make_chip(12, 1, data_memory_bits=fullest_bits(graph, graph.layers[0], chip, 3))
    assert dict(lower_split(graph, chip).mapping)["cores_per_layer"] == "4"


def test_by_hand() -> None:
    assert dict(compiled(make_chip(12, 1), 3).mapping)["cores_per_layer"] == "3"
    message = (
        "mapping: 9 cores per layer, but width 64 has only 8 rows of 8 lanes; expected at most 8"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        compiled(make_chip(8, 8), 9)
    message = (
        "mapping: 5 cores for each of 3 layers are 15, but chip test has 12; expected at most 4"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        compiled(make_chip(12, 1), 5)


def chip_of(cores: int, bits: int) -> Chip:
    return make_chip(cores, 1, data_memory_bits=bits)


@pytest.mark.parametrize("bits", [2**17, 2**18, 2**19])
def test_too_small_says_what_would_do(bits: int) -> None:
    """The count it names compiles; one core fewer does not, and no other split of it does."""
    with pytest.raises(CapacityError) as caught:
        compiled(chip_of(3, bits))
    text = str(caught.value)
    graph = rwkv4_graph("r", SHAPE)
    need = fullest_bits(graph, graph.layers[0], chip_of(3, bits), 1)
    found = re.fullmatch(
        r"r does not fit chip test \(3 cores\): layer blocks.0 on 1 cores needs "
        rf"{need:,} bits on its fullest core, which has {bits:,}; "
        r"the smallest core count that fits is (\d+) \((\d+) a layer\)",
        text,
    )
    assert found, text
    total, each = map(int, found.groups())
    assert total == 3 * each
    compiled(chip_of(total, bits))
    with pytest.raises(CapacityError):
        compiled(chip_of(total - 1, bits))
    for cores in range(1, each):
        with pytest.raises(CapacityError):
            compiled(chip_of(64, bits), cores)


def test_too_small_for_any_number_of_cores() -> None:
    with pytest.raises(CapacityError, match="no number of cores fits at this data memory; raise"):
        compiled(chip_of(64, 2**14))


def test_too_few_cores() -> None:
    message = "r does not fit chip test (2 cores): 3 layers of at least 1 cores each; the smallest"
    with pytest.raises(CapacityError, match=re.escape(message)):
        compiled(chip_of(2, 2**24))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_the_fullest_core(data: st.DataObject) -> None:
    """Also where the last slices are short, so that a core between is the fullest."""
    npes, line = data.draw(st.sampled_from((4, 8, 16))), data.draw(st.sampled_from((64, 128, 256)))
    width, ffn, vocab = (data.draw(st.integers(1, 300)) for _ in range(3))
    graph = rwkv4_graph("r", {"layers": 2, "width": width, "ffn": ffn, "vocab": vocab})
    chip = make_chip(4, 4, npes=npes, line_bits=max(line, 16 * npes))
    cores = data.draw(st.integers(1, min(12, max(1, width // npes))))
    for layer in graph.layers:
        parts = {g.name: even_partition(g.width, cores, npes) for g in layer.groups}
        memory = LayerMemory(graph, layer, parts, Options(chip))
        used = [memory.place(core, roles).used_bits for core, roles in memory.roles().items()]
        assert fullest_bits(graph, layer, chip, cores) == max(used)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_the_smallest_count_is_the_smallest(data: st.DataObject) -> None:
    """Against trying every number of cores, also where more cores need more bits."""
    width, ffn, vocab = (data.draw(st.integers(8, 120)) for _ in range(3))
    graph = rwkv4_graph("r", {"layers": 1, "width": width, "ffn": ffn, "vocab": vocab})
    chip = make_chip(1, 1)
    need = [
        max(fullest_bits(graph, layer, chip, n) for layer in graph.layers)
        for n in range(1, width // 8 + 1)
    ]
    bits = data.draw(st.sampled_from(need)) + data.draw(st.sampled_from((-128, 0)))
    fitting = [n for n, bit in enumerate(need, 1) if bit <= bits]
    with pytest.raises(CapacityError) as caught:
        lower_split(graph, chip_of(1, bits))
    if fitting:
        each = fitting[0]
        tail = f"the smallest core count that fits is {2 * each} ({each} a layer)"
    else:
        tail = "no number of cores fits at this data memory; raise core.data_memory_bits"
    assert str(caught.value).endswith(tail)
    for n in fitting:
        lower_split(graph, chip_of(2 * n, bits), n)
