"""The compiled RWKV-4 with synthesised traces: oracle, one-packet queues, order, wake-ups."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from builders import make_chip
from test_engine_properties import assert_counts

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.bound import counts, lower_bounds, token_paths
from seneca_sim.engine.reference import simulate
from seneca_sim.program import EventStream, Program
from workloads.compiler import event_stream, lower, rwkv4_graph
from workloads.traces import synthesise
from workloads.traces.sites import BLOCK_SITES

SMALL = {"layers": 2, "width": 32, "ffn": 128, "vocab": 50}
LARGE = {"layers": 6, "width": 256, "ffn": 1024, "vocab": 1000}
ONE_PACKET = {
    "input_queue_flits": 17,
    "output_queue_flits": 17,
    "queue_flits": 17,
    "buffer_flits": 17,
}


@cache
def compiled(size: str, tokens: int) -> tuple[Program, EventStream]:
    """Queues change nothing in a program, so one serves all chips of a size."""
    shape, chip, cores = (SMALL, small_chip(), 4) if size == "small" else (LARGE, large_chip(), 8)
    program = lower(rwkv4_graph(f"rwkv4-{size}", shape), chip, cores)
    densities = dict.fromkeys(BLOCK_SITES, 0.4)
    trace = synthesise({"family": "rwkv4", **shape}, densities, tokens=tokens, seed=3)  # type: ignore[typeddict-item]
    return program, event_stream(program, trace)


def small_chip(**values: Any) -> Chip:
    return make_chip(4, 3, **values)


def large_chip(**values: Any) -> Chip:
    return make_chip(8, 8, **values)


def checked(chip: Chip, size: str, tokens: int, mode: str, **options: Any) -> Activity:
    """Run and compare with the oracle; every token is answered and every event taken."""
    program, stream = compiled(size, tokens)
    activity = simulate(chip, program, stream, mode=mode, **options)  # type: ignore[arg-type]
    assert_counts(counts(chip, program, stream), activity)
    for name, cycles in lower_bounds(chip, program, stream, mode).items():
        assert activity.cycles >= cycles, name
    paths = token_paths(chip, program, stream)
    assert np.all(activity.token_done - activity.token_start >= paths)
    assert np.all(activity.stage_done >= 0)
    return activity


@pytest.mark.parametrize(("mode", "tokens"), [("generation", 1), ("pipelined", 4)])
def test_small_with_one_packet_queues(mode: str, tokens: int) -> None:
    """S5, S6, S13: stalls move from the sinks back to the sources, and nothing is lost."""
    wide = checked(small_chip(), "small", tokens, mode)
    narrow = checked(small_chip(**ONE_PACKET), "small", tokens, mode)
    assert narrow.item_npe_cycles.tolist() == wide.item_npe_cycles.tolist()
    assert narrow.input_peak.max() <= 17 < wide.input_peak.max()
    assert narrow.link_blocked.sum() > wide.link_blocked.sum()
    assert narrow.output_blocked.sum() > wide.output_blocked.sum()


def test_small_with_one_task_and_slow_links() -> None:
    """S9, S14: as tight as it goes, window and task FIFO of one, half-width links."""
    tight = {**ONE_PACKET, "window": 1, "task_fifo": 1, "link_bits": 16, "group_size": 1}
    chip = small_chip(**tight)
    program = lower(rwkv4_graph("rwkv4-small", SMALL), chip, 4)
    _, stream = compiled("small", 4)
    activity = simulate(chip, program, stream, mode="pipelined")
    assert_counts(counts(chip, program, stream), activity)
    assert activity.controller_blocked.sum() > 0


def test_6x256_on_64_cores() -> None:
    """One token, default queues and one-packet queues."""
    wide = checked(large_chip(), "large", 1, "generation")
    narrow = checked(large_chip(**ONE_PACKET), "large", 1, "generation")
    assert narrow.link_blocked.sum() > wide.link_blocked.sum()


def test_pipelining_gains() -> None:
    """S15: four tokens at once are faster than one after another, and every token slower."""
    alone = checked(small_chip(), "small", 4, "generation")
    together = checked(small_chip(), "small", 4, "pipelined")
    assert together.cycles < alone.cycles
    assert np.all(
        together.token_done - together.token_start >= alone.token_done - alone.token_start
    )


@pytest.mark.parametrize("shuffle", range(10))
def test_order_of_processes(shuffle: int) -> None:
    """S2: every field, the packet log included, is the same whatever the order."""
    program, stream = compiled("small", 2)
    chip = small_chip(**ONE_PACKET)

    def run(seed: int | None) -> Activity:
        return simulate(chip, program, stream, mode="pipelined", log_packets=True, shuffle=seed)

    assert run(None).differences(run(shuffle)) == []


def test_wakeups_for_each_packet_hop() -> None:
    """A speed guard without a clock: what SimPy schedules for one packet over one router."""
    program, stream = compiled("small", 4)
    activity = simulate(small_chip(), program, stream, mode="pipelined")
    assert activity.wakeups < 7 * activity.packet_hops
    program, stream = compiled("large", 1)
    activity = simulate(large_chip(), program, stream)
    assert activity.wakeups < 7 * activity.packet_hops


def test_wakeups_grow_with_packets_and_not_with_time() -> None:
    """Units sleep: tasks that take 100 times as long wake nobody more often."""
    program, stream = compiled("small", 1)
    quick = simulate(small_chip(), program, stream)
    slow = simulate(small_chip(task_setup_cycles=10_000), program, stream)
    assert slow.cycles > 50 * quick.cycles
    assert abs(slow.wakeups - quick.wakeups) < 0.01 * quick.wakeups
    more, longer = compiled("small", 4)
    many = simulate(small_chip(), more, longer)
    assert 3 * quick.wakeups < many.wakeups < 5 * quick.wakeups
