"""The pieces of the compiled engine against independent truth: trees, heap, cache, effort."""

import ast
import heapq
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
from builders import make_chip, single, stream_of
from click.testing import CliRunner
from test_engine_rwkv import compiled, large_chip

from seneca_sim.bench.hand import d1024, idle
from seneca_sim.chip.mesh import links, multicast_tree, neighbour
from seneca_sim.cli.commands.bench import command
from seneca_sim.engine.compiled import cache, effort, prepare, simulate
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.machine import aligned
from seneca_sim.engine.compiled.network import network_of
from seneca_sim.engine.compiled.parts import BITS, pop_far, push_far
from seneca_sim.engine.compiled.pointers import lowest
from seneca_sim.engine.compiled.trees import trees_of


def planted(chip, root: int, places: np.ndarray, source: int) -> dict[int, tuple[int, ...]]:
    """Walk a tree of places from its root: node -> ports."""
    found: dict[int, tuple[int, ...]] = {}
    todo = [(root, source)]
    while todo:
        place, node = todo.pop()
        ports = tuple(p for p in range(6) if int(places[place]) >> p & 1)
        assert node not in found
        found[node] = ports
        child = int(places[place]) >> 6
        for port in ports:
            target = neighbour(chip, node, port)
            if target is not None and port < 4:
                todo.append((child, target))
                child += 1
    return found


@pytest.mark.parametrize("topology", ["mesh", "torus"])
@pytest.mark.parametrize("seed", range(15))
def test_trees_are_those_of_the_mesh(topology: str, seed: int) -> None:
    """S7, S19: random sources and destinations, the host among them."""
    rnd = Random(seed)
    columns, rows = rnd.randint(1, 7), rnd.randint(1, 7)
    chip = make_chip(
        columns, rows, x=rnd.randrange(columns), y=rnd.randrange(rows), topology=topology,
        buffer_flits=40,
    )  # fmt: skip
    ends = range(chip.cores + 1)
    sources = [rnd.choice(ends) for _ in range(20)]
    # Groups of sources that send to the same destinations; in a torus each is by itself.
    alone = topology == "torus"
    first = np.arange(21) if alone else np.array([0, 1, 3, 3, 8, 20])
    targets = [rnd.sample(ends, rnd.randint(1, min(12, len(ends)))) for _ in first[1:]]
    starts = np.cumsum([0, *map(len, targets)])
    flat = np.array([t for some in targets for t in some])
    roots, places = trees_of(chip, first, np.array(sources), starts, flat)
    for tree, (source, root) in enumerate(zip(sources, roots, strict=True)):
        some = targets[int(np.searchsorted(first, tree, side="right")) - 1]
        at_node = chip.host_node if source == chip.cores else source
        assert planted(chip, int(root), places, at_node) == multicast_tree(chip, source, some)


def test_trees_of_a_mesh_share_their_branches() -> None:
    """S7: everybody to everybody takes places by the routers, not by routers times senders."""
    chip = make_chip(8, 8)
    everybody = np.arange(64)
    _, places = trees_of(chip, np.array([0, 64]), everybody, np.array([0, 64]), everybody)
    assert places.size <= 64 * 12


@pytest.mark.parametrize("topology", ["mesh", "torus"])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 2), (5, 3)])
def test_ports_are_the_links_of_the_mesh(topology: str, size: tuple[int, int]) -> None:
    """S5, S19: which outputs exist, and into whose input they lead."""
    chip = make_chip(*size, topology=topology, buffer_flits=40)
    network = network_of(chip)
    known = links(chip)
    assert [(int(n) // 6, int(n) % 6) for n in network.links] == list(known)
    for node, port in known:
        sink = int(network.ports[node * 6 + port, at.P_SINK])
        if port < 4:
            assert sink // at.BUFFER // 6 == neighbour(chip, node, port)
            assert network.buffers[sink // at.BUFFER, at.B_UPSTREAM] == (6 * node + port) * 16


def test_bits_of_masks() -> None:
    for mask in range(1, 64):
        assert BITS[mask] == bin(mask).count("1")
        assert mask >> lowest(mask) & 1
        assert mask & ((1 << lowest(mask)) - 1) == 0


def test_records_begin_at_cache_lines() -> None:
    for size in (0, 1, 7, 1000):
        for dtype in (np.int32, np.int64):
            made = aligned(size, dtype, -1)
            assert made.ctypes.data % 64 == 0
            assert made.size == max(1, size)
            assert (made == -1).all()


def test_a_program_is_laid_out_once() -> None:
    """Streams of one program share it; another chip or program has its own."""
    chip = make_chip(2, 1)
    program = single(chip)
    known = prepare(chip, program)
    assert prepare(make_chip(2, 1), program) is known
    assert prepare(chip, single(chip)) is not known
    assert prepare(make_chip(2, 1, hop_cycles=7), program) is not known


def test_heap_against_heapq() -> None:
    """As plain Python, so that its lines are covered, too."""
    push, pop = getattr(push_far, "py_func", push_far), getattr(pop_far, "py_func", pop_far)
    rnd = Random(1)
    heap, z, known = np.zeros(4000, np.int64), np.zeros(32, np.int64), []
    for number in range(1500):
        if known and rnd.random() < 0.4:
            time, _ = heapq.heappop(known)
            assert heap[0] == time
            node = int(pop(heap, z))
            assert node // 10_000 == time
        else:
            time = rnd.randrange(500)
            heapq.heappush(known, (time, number))
            push(heap, z, time, 10_000 * time + number)
        assert z[at.Z_HEAP] == len(known)


def test_the_cache_sees_every_source() -> None:
    """Numba's own cache would miss an edit in a function that another file calls."""
    assert {p.name for p in cache.sources()} >= {"loop.py", "controller.py", "timing.py"}
    folder = Path(cache.__file__).parent
    compiled_here = {p.name for p in folder.glob("*.py") if "cache import" in p.read_text()}
    assert compiled_here <= {p.name for p in cache.sources()}


NO_CONSTANTS = {
    "seneca_sim.chip": {"Chip"},
    "seneca_sim.chip.spec": {"Chip"},
    "seneca_sim.compile_cache": {"Compiler", "config"},
    "seneca_sim.errors": {"InputError"},
    "seneca_sim.program": {"Program"},
}
"""Names that compiled functions may see without their file being hashed: types, and the compiler
itself, whose cache does not depend on them."""


def test_every_constant_in_compiled_code_is_hashed() -> None:
    """A name that a hashed file takes from elsewhere in the project is of a hashed file, too."""
    files = {path.resolve() for path in cache.sources()}
    seen = 0
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert not isinstance(node, ast.Import) or "seneca_sim" not in ast.unparse(node)
            for name in names:
                assert isinstance(node, ast.ImportFrom)
                assert node.level == 0
                if not (node.module or "").startswith("seneca_sim"):
                    continue
                seen += 1
                module = f"{node.module}.{name}"
                spec = find_spec(module) if _is_package(node.module) else None
                spec = spec or find_spec(str(node.module))
                assert spec is not None
                hashed = Path(str(spec.origin)).resolve() in files
                known = NO_CONSTANTS.get(str(node.module), set())
                assert hashed or name in known, f"{path.name} takes {name} from {node.module}"
    assert seen > 30


def _is_package(module: str | None) -> bool:
    spec = find_spec(str(module))
    return spec is not None and spec.submodule_search_locations is not None


def test_the_first_result_is_soon_there() -> None:
    """Compiled code is on disk by now; a fresh process loads it instead of compiling."""
    simulate(make_chip(2, 1), single(make_chip(2, 1)), stream_of([1], [1], [0]))
    code = """
import sys
from seneca_sim.engine.compiled.loop import run
from seneca_sim.engine.compiled import simulate
sys.path.insert(0, sys.argv[1])
from builders import make_chip, single, stream_of
chip = make_chip(2, 1)
simulate(chip, single(chip), stream_of([1], [1], [0]))
hits = sum(getattr(run, "stats").cache_hits.values())
assert hits == 1, run.stats
"""
    folder = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", code, folder], check=True, timeout=100)


def test_simpy_and_the_compiler_are_loaded_only_when_needed() -> None:
    code = """
import sys
import seneca_sim, seneca_sim.engine
assert "numba" not in sys.modules and "simpy" not in sys.modules
import seneca_sim.engine.compiled
assert "simpy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_effort_on_the_shipped_shape() -> None:
    """Slower by extra work is seen without a clock: at most 4 events a hop."""
    program, stream = compiled("large", 2)
    found = effort(large_chip(), program, stream, "generation")
    assert found["wakeups"] <= 4 * found["packet_hops"]
    assert found["turns"] <= 4 * found["packet_hops"]
    activity = simulate(large_chip(), program, stream)
    assert (activity.wakeups, activity.packet_hops) == (found["wakeups"], found["packet_hops"])


def test_public_workload() -> None:
    """D1024: firings, messages and weights applied, as its definition has them for T = 100."""
    work = d1024(16, "tree")
    fired = [route.high - route.low > 1 for route in work.program.routes]
    firings = int(work.stream.counts[np.array(fired)].sum())
    assert firings == 10_244
    activity = simulate(work.chip, work.program, work.stream)
    go, answers, credits = 16 * 100, 100, 16 * 100
    assert activity.deliveries == firings * 16 + go + answers + credits
    assert activity.item_events_in.sum() == firings * 16 + go


def test_idle_time_costs_nothing() -> None:
    """A run of ten million cycles in which little happens has few events."""
    work = idle()
    found = effort(work.chip, work.program, work.stream, "generation")
    assert simulate(work.chip, work.program, work.stream).cycles >= 10_000_000
    assert found["wakeups"] <= 20 * 100


def test_bench_command() -> None:
    """JSON with counters, seconds and the ratio of both engines, which give the same numbers."""
    arguments = ["--quick", "--tokens", "2", "--repeats", "1", "--json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    document = json.loads(result.output)
    assert document["schema"] == "seneca-bench/2"
    (row,) = document["runs"]
    assert row["differences"] == []
    assert row["wakeups_per_packet_hop"] <= 4
    assert row["times_the_reference"] > 1
