"""The compiled program: who hears whom, and where everything lies."""

from collections import defaultdict
from itertools import pairwise

import pytest
from builders import make_chip

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from seneca_sim.program import HOST_STAGE, NO_ROUTE, Program
from workloads.compiler import lower, rwkv4_graph
from workloads.traces.sites import BLOCK_SITES

SHAPES = {
    "even": ({"layers": 2, "width": 32, "ffn": 128, "vocab": 64}, 4),
    "odd": ({"layers": 3, "width": 24, "ffn": 90, "vocab": 50}, 3),
    "narrow": ({"layers": 1, "width": 5, "ffn": 7, "vocab": 3}, 1),
    "empty slices": ({"layers": 1, "width": 64, "ffn": 16, "vocab": 20}, 8),
}
CHIPS = {"8 lanes": make_chip(4, 4), "4 lanes": make_chip(4, 4, npes=4, line_bits=64)}
programs = pytest.mark.parametrize(
    ("shape", "chip"), [(s, c) for s in SHAPES for c in CHIPS], ids=lambda x: x
)


def compiled(shape: str, chip: str) -> tuple[Program, Chip, int]:
    sizes, cores = SHAPES[shape]
    return lower(rwkv4_graph("r", sizes), CHIPS[chip], cores), CHIPS[chip], cores


def reached(program: Program, name: str) -> dict[int, set[int]]:
    """Destination -> channels of a site that are sent to it."""
    found: dict[int, set[int]] = defaultdict(set)
    for i, route in enumerate(program.routes):
        if program.sites[route.site].name == name:
            for core in program.destinations(i):
                new = set(range(route.low, route.high))
                assert not new & found[core]
                found[core] |= new
    return found


@programs
def test_every_site_reaches_who_must_get_it(shape: str, chip: str) -> None:
    """A block's sites go whole to all of its cores, the moments to the owner, slices to peers."""
    program, _, cores = compiled(shape, chip)
    sizes = SHAPES[shape][0]
    for layer in range(sizes["layers"]):
        here = set(range(layer * cores, (layer + 1) * cores))
        owner = layer * cores + cores // 2
        for kind in BLOCK_SITES:
            whole = set(range(sizes["ffn" if kind == "ffn.val" else "width"]))
            assert reached(program, f"blocks.{layer}.{kind}") == dict.fromkeys(here, whole)
        for norm in ("ln0", "ln1", "ln2") if layer == 0 else ("ln1", "ln2"):
            name = f"blocks.{layer}.{norm}"
            assert reached(program, f"{name}.partial") == {owner: set(range(2 * cores))}
            assert reached(program, f"{name}.stat") == {core: {0, 1} for core in here}
        entry = reached(program, "emb" if layer == 0 else f"blocks.{layer}.x")
        assert set(entry) == here
        assert sorted(c for part in entry.values() for c in part) == list(range(sizes["width"]))
    head = set(range(sizes["layers"] * cores, (sizes["layers"] + 1) * cores))
    assert reached(program, "head") == {core: set(range(sizes["width"])) for core in head}
    assert reached(program, "logits") == {program.host: set(range(sizes["vocab"]))}


@programs
def test_windows_and_credits(shape: str, chip: str) -> None:
    """Only ways into a layer are windowed; the core's last stage of the layer answers."""
    program, _, _ = compiled(shape, chip)
    for i, route in enumerate(program.routes):
        name = program.sites[route.site].name
        assert route.window == (name == "emb" or name.endswith(".x")), name
        assert (route.stage == HOST_STAGE) == (name == "emb")
        answers = [r for r in program.routes if r.acknowledges == i]
        if route.window:
            assert sorted(r.source for r in answers) == sorted(program.destinations(i))
        for answer in answers:
            last = [s for s in program.stages if s.core == answer.source][-1]
            assert program.stages[answer.stage] == last
            assert last.name in ("ffn.gate", "head.logits")
    assert {r.stage for r in program.routes if r.acknowledges != NO_ROUTE} <= set(
        range(len(program.stages))
    )


@programs
def test_memory_map(shape: str, chip: str) -> None:
    """Each region starts at a line, holds its columns, and ends before the next."""
    program, hardware, _ = compiled(shape, chip)
    line, by_core = hardware.core.line_bits, defaultdict(list)
    for region in program.regions:
        assert region.address_bits % line == region.stride_bits % line == 0
        assert region.rows * region.word_bits <= region.stride_bits
        by_core[region.core].append(region)
    for regions in by_core.values():
        ordered = sorted(regions, key=lambda r: (r.address_bits, r.bits))
        for before, after in pairwise(ordered):
            assert before.address_bits + before.bits <= after.address_bits
        assert ordered[-1].address_bits + ordered[-1].bits <= hardware.core.data_memory_bits


@programs
def test_every_weight_is_somewhere_once(shape: str, chip: str) -> None:
    """Matrices by rows, parameters by channels: each tensor is covered exactly."""
    program, _, _ = compiled(shape, chip)
    sizes = SHAPES[shape][0]
    rows: dict[str, list[int]] = defaultdict(list)
    columns = {}
    for region in program.regions:
        if region.high > region.low and region.tensor:
            rows[region.tensor] += range(region.low, region.high)
            columns[region.tensor] = region.columns
    tall = {"ffn.key.weight": sizes["ffn"], "head.weight": sizes["vocab"]}
    for tensor, found in rows.items():
        size = next((n for name, n in tall.items() if tensor.endswith(name)), sizes["width"])
        assert sorted(found) == list(range(size)), tensor
    words = sum(len(found) * columns[tensor] for tensor, found in rows.items())
    width, ffn, vocab = sizes["width"], sizes["ffn"], sizes["vocab"]
    block = 5 * width**2 + 2 * width * ffn + (4 + 5 + 3) * width
    assert words == sizes["layers"] * block + 2 * width + (vocab + 2) * width


def test_names_of_weights_are_those_of_the_checkpoint() -> None:
    program, _, _ = compiled("even", "8 lanes")
    tensors = {r.tensor for r in program.regions if r.tensor and r.low < r.high}
    assert {t for t in tensors if "blocks." not in t} == {
        "head.weight",
        "ln_out.weight",
        "ln_out.bias",
    }
    assert {f"blocks.1.{t}" for t in ("ln1.weight", "att.key.weight", "ffn.time_mix_k")} < tensors
    assert "blocks.0.ln0.weight" in tensors
    assert "blocks.1.ln0.weight" not in tensors


def test_shape_is_checked() -> None:
    with pytest.raises(InputError, match="shape of r: ffn is 0; expected a positive number"):
        rwkv4_graph("r", {"layers": 1, "width": 8, "vocab": 8})


@pytest.mark.parametrize("window", [1, 3])
def test_each_token_in_flight_has_its_own_place(window: int) -> None:
    """Accumulators, groups, stored vectors and output buffers, once for each token in flight."""
    program = lower(rwkv4_graph("r", SHAPES["even"][0]), make_chip(4, 4, window=window), 4)
    for region in program.regions:
        per_token = region.name.startswith(("acc:", "group:", "in:", "out:"))
        assert region.copies == (window if per_token else 1), region.name
        assert region.bits == region.columns * region.stride_bits * region.copies
