"""The pieces of the compiled engine against independent truth: trees, heap, cache, effort."""

import heapq
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from builders import make_chip, single, stream_of
from click.testing import CliRunner
from test_engine_rwkv import compiled, large_chip

from seneca_sim.chip.mesh import multicast_tree, neighbour
from seneca_sim.cli.commands.bench import command, d1024
from seneca_sim.engine.compiled import cache, effort, simulate
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.parts import BITS, LOWEST, pop_far, push_far
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
    targets = [rnd.sample(ends, rnd.randint(1, min(12, len(ends)))) for _ in sources]
    starts = np.cumsum([0, *map(len, targets)])
    flat = np.array([t for some in targets for t in some])
    roots, places, nodes = trees_of(chip, np.array(sources), starts, flat)
    for source, some, root in zip(sources, targets, roots, strict=True):
        at_node = chip.host_node if source == chip.cores else source
        assert planted(chip, int(root), places, at_node) == multicast_tree(chip, source, some)
        assert nodes[root] == at_node


def test_bits_of_masks() -> None:
    for mask in range(1, 64):
        assert BITS[mask] == bin(mask).count("1")
        assert mask >> LOWEST[mask] & 1
        assert mask & ((1 << LOWEST[mask]) - 1) == 0


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


def test_the_cache_sees_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Numba's own cache would miss an edit in a function that another file calls."""
    before = cache.cache_folder()
    assert {p.name for p in cache.sources()} >= {"loop.py", "core.py", "parts.py", "timing.py"}
    for number, path in enumerate(cache.sources()):
        edited = tmp_path / f"{number}.py"
        edited.write_bytes(path.read_bytes() + b"\n")
        files = tuple(edited if p == path else p for p in cache.sources())
        with monkeypatch.context() as patch:
            patch.setattr(cache, "sources", lambda files=files: files)
            cache.cache_folder.cache_clear()
            assert cache.cache_folder() != before
    cache.cache_folder.cache_clear()
    assert cache.cache_folder() == before


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
    """A run of ten million cycles in which little happens has few wake-ups."""
    chip = make_chip(2, 1, task_setup_cycles=50_000)
    tokens = 100
    stream = stream_of([1] * tokens, [1] * tokens, [0] * tokens)
    activity = simulate(chip, single(chip), stream)
    assert activity.cycles >= 10_000_000
    assert activity.wakeups < 3000


def test_bench_command() -> None:
    """JSON with counters, seconds and the ratio of both engines, which give the same numbers."""
    arguments = ["--quick", "--tokens", "2", "--repeats", "1", "--json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    document = json.loads(result.output)
    assert document["schema"] == "seneca-bench/1"
    (row,) = document["runs"]
    assert row["differences"] == []
    assert row["wakeups_per_packet_hop"] <= 4
    assert row["times_the_reference"] > 1
