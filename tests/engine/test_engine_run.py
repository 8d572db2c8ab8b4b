"""The public function: its options, and what it says when nothing can move."""

import re

import pytest
from builders import Builder, make_chip, single, stream_of

from seneca_sim.chip import Chip
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import DeadlockError
from seneca_sim.program import HOST_STAGE, Program


def entangled(chip: Chip) -> Program:
    """Two stages of core 0 share its output buffer, and the first can lock the second in.

    A sends r (windowed) to B on core 1. B also needs q from C on core 0, which waits for D on
    core 1, which is slow. So r of token 1 is before q of token 0, for which B of token 0 waits.
    """
    b = Builder(chip)
    x, w, r, p, q, y = (b.site(name) for name in "xwrpqy")
    first = b.stage(0, [b.stored(0, x)], name="A")
    slow = b.stage(1, [b.stored(1, w)], ("send_dense", 1000), name="D")
    later = b.stage(0, [b.stored(0, p)], name="C")
    last = b.stage(1, [b.stored(1, r), b.stored(1, q)], name="B")
    b.stored(b.host, y)
    entries = [b.route(x, HOST_STAGE, [0], window=True), b.route(w, HOST_STAGE, [1], window=True)]
    windowed = b.route(r, first, [1], window=True)
    b.route(p, slow, [0])
    b.route(q, later, [1])
    b.route(y, last, [b.host])
    b.credits(entries[0], [first])
    b.credits(entries[1], [slow])
    b.credits(windowed, [last])
    return b.build()


def test_deadlock_says_who_waits() -> None:
    """S13: only the head of the output buffer is looked at; a program can lock itself."""
    chip = make_chip(2, 1, window=1)
    program = entangled(chip)
    stream = stream_of(*[[1, 1]] * 6, *[[0, 0]] * 3)
    with pytest.raises(DeadlockError) as caught:
        simulate(chip, program, stream, mode="pipelined")
    assert re.fullmatch(
        r"deadlock in cycle \d+: 0 of 2 tokens done; waiting: core 0 output of r, token 1",
        str(caught.value),
    )
    assert simulate(chip, program, stream).token_done[1] > 0  # one after another it works


def test_progress_and_packets() -> None:
    chip, seen = make_chip(), list[int]()
    stream = stream_of([1] * 3, [2] * 3, [0] * 3)
    activity = simulate(chip, single(chip), stream, mode="pipelined", progress=seen.append)
    assert seen == [1, 2, 3]
    assert activity.packets is None
    logged = simulate(chip, single(chip), stream, mode="pipelined", log_packets=True)
    assert logged.packets is not None
    assert len(logged.packets) == logged.deliveries == 9
    assert activity.differences(logged) == ["packets"]


def test_differences_name_fields() -> None:
    chip = make_chip()
    one, two = (simulate(chip, single(chip), stream_of(n, 2, 0)) for n in (1, 2))
    assert one != two
    assert one != "activity"
    assert {"cycles", "item_ops", "link_flits"} <= set(one.differences(two))
    assert "packet_hops" not in one.differences(two)


def test_power_windows_cover_the_run() -> None:
    """S16: there are as many windows as the cycles fill."""
    chip = make_chip()
    for width in (1, 7, 100, 101, 1000):
        activity = simulate(chip, single(chip), stream_of(1, 2, 0), window_cycles=width)
        assert activity.window_cycles == width
        assert len(activity.window_ops) == -(-101 // width)
