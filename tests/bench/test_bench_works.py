"""The programs of `bench`: what they are, and how much an engine has to do for them."""

from itertools import pairwise

import numpy as np
import pytest

from seneca_sim.bench import hand, llm
from seneca_sim.bench.measure import measure, sweeps
from seneca_sim.bench.work import Target, Work
from seneca_sim.engine import reference
from seneca_sim.engine.compiled import effort, simulate
from seneca_sim.engine.compiled.floors import bare_heap, bare_wheel
from seneca_sim.program import verify as rules
from seneca_sim.program.verify_memory import fetches_have_a_channel

TINY = llm.Shape("tiny", 2, 128, (2, 2, 3), 4, 4)
WITHOUT_MEMORY = (
    rules.chip_is_the_right_one, rules.stages_are_local, rules.routes_are_sent_once,
    fetches_have_a_channel,
)  # fmt: skip


def tiny(tokens: int = 3) -> Work:
    return llm.rwkv(TINY, "3B sparsified", tokens)


EFFORT = {
    "d1024": (lambda: hand.d1024(16, "tree", 2), (14294, 10920, 244, 6640)),
    "unicast": (lambda: hand.d1024(16, "unicast", 2), (22688, 19297, 3394, 11914)),
    "connected": (lambda: hand.fully_connected(16), (66283, 50565, 1018, 31096)),
    "idle": (lambda: hand.idle(10), (160, 161, 30, 60)),
    "tiny": (tiny, (4603, 3651, 304, 1435)),
    "169M": (lambda: llm.rwkv(llm.SMALL, "169M sparsified", 1), (203531, 163164, 4088, 66233)),
}
"""How to make a work, and its events, turns, packets and packet-hops."""


@pytest.mark.parametrize("name", EFFORT)
def test_effort(name: str) -> None:
    """A slow-down by extra work is seen without a clock."""
    make, counters = EFFORT[name]
    work = make()
    found = effort(work.chip, work.program, work.stream, work.mode)
    assert tuple(found[n] for n in ("wakeups", "turns", "packets", "packet_hops")) == counters
    assert found["wakeups"] <= 4 * found["packet_hops"]


def test_synthetic_blocks_are_a_program() -> None:
    """The rules that do not speak of memory hold, and both engines give the same answer."""
    work = tiny()
    for rule in WITHOUT_MEMORY:
        assert list(rule(work.program, work.chip)) == []
    assert simulate(*parts(work)).differences(reference.simulate(*parts(work))) == []


def parts(work: Work) -> tuple[object, ...]:
    return work.chip, work.program, work.stream


def test_shares_cover_the_width_in_whole_units() -> None:
    for width, cores in ((2560, 80), (10_240, 54), (768, 5)):
        found = llm.shares(width, cores)
        assert found[0][0] == 0
        assert found[-1][1] == width
        assert all(a[1] == b[0] for a, b in pairwise(found))
        sizes = [high - low for low, high in found]
        assert max(sizes) - min(sizes) <= llm.UNIT
        assert all(size % llm.UNIT == 0 for size in sizes)


def test_the_large_shape_is_the_published_one() -> None:
    """32 blocks of 174 cores hold 2.73 G weights of 4 bits in 2 Mib each, LayerNorm aside."""
    residual, attention, keys = llm.LARGE.groups
    assert llm.LARGE.layers * (residual + attention + keys) == 5568 <= 75 * 75
    d = llm.LARGE.width
    for cores, columns, rows in ((residual, 6 * d, d), (attention, 3 * d, d), (keys, d, 4 * d)):
        largest = max(high - low for low, high in llm.shares(rows, cores))
        assert largest * columns * 4 <= 2**21


def test_draws_keep_the_densities() -> None:
    work = tiny(50)
    sites = {site.name: i for i, site in enumerate(work.program.sites)}
    chosen = [r.site == sites["att.key"] for r in work.program.routes]
    widths = [r.high - r.low for r in work.program.routes]
    events = work.stream.counts[np.array(chosen)].sum()
    assert events / (sum(np.array(widths)[chosen]) * 50) == pytest.approx(0.384, abs=0.03)


def test_rows_say_what_they_are_compared_with() -> None:
    target = Target("packet_hops", 1, at_least=False)
    work = hand.idle(2)
    row = measure(
        Work(work.name, work.chip, work.program, work.stream, sweep="s", targets=(target,)), 1
    )
    (told,) = row["targets"]
    assert told == {"figure": "packet_hops", "limit": 1, "at_least": False, "met": False}
    (sweep,) = sweeps([row, {**row, "name": "b", "nanoseconds_per_packet_hop": 1e9}])
    assert sweep["max_by_min"] == pytest.approx(1e9 / row["nanoseconds_per_packet_hop"])
    assert not sweep["met"]


def test_values_are_carried_beside_the_peers_workload() -> None:
    row = measure(hand.fully_connected(16), 1)
    assert row["values_seconds"] > 0
    spent = row["seconds"] + row["values_seconds"]
    assert row["events_handled_per_second"] == pytest.approx(16_000 / spent)


def test_bare_queues_ring() -> None:
    assert bare_wheel(1000, 10) >= 1000
    assert bare_heap(1000, 10) == 1000
