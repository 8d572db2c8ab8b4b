"""The largest models compile, are verified and run: minutes, so not with every test run."""

from math import isqrt
from time import perf_counter

import pytest
from builders import make_chip

from seneca_sim.chip import Chip
from seneca_sim.engine.compiled import simulate
from seneca_sim.program.file import parse_program, program_text
from workloads import zoo
from workloads.compiler import MapSettings, event_stream, lower, rwkv4_graph, smallest_cores
from workloads.job.drawn import Drawing, draw_variant


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["rwkv4-3b", "rwkv4-14b"])
def test_largest(name: str) -> None:
    """Prints seconds; the program goes through its file, and a token runs from end to end."""
    trace = draw_variant(zoo.load_shape(name), "dense", Drawing(1))
    sizes = {key: int(value) for key, value in trace.shape.items() if key != "family"}  # type: ignore[call-overload]
    how = MapSettings(bits="int4", fewest=True)
    graph = rwkv4_graph(name, sizes, head="out")
    cores = smallest_cores(graph, Chip("c"), how)
    columns = isqrt(cores - 1) + 1
    chip = make_chip(columns, -(-cores // columns))
    start = perf_counter()
    program = lower(graph, chip, settings=how)
    print(f"{name}: {cores} cores, compiled and verified in {perf_counter() - start:.1f} s")
    assert parse_program(program_text(program)) == program
    start = perf_counter()
    activity = simulate(chip, program, event_stream(program, trace))
    print(
        f"one token, dense: {activity.cycles} cycles, simulated in {perf_counter() - start:.1f} s"
    )
    assert activity.token_done[0] == activity.cycles or activity.cycles > 0
