"""Windows and credits: when a token may enter, by hand from docs/semantics.md."""

import pytest
from builders import Builder, log, make_chip, ops_of, single, stream_of, times

from seneca_sim.chip import Chip
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import InputError
from seneca_sim.program import HOST_STAGE, Program


def test_window_of_one() -> None:
    """S14, S15: the credit of a token is back 101 cycles after it (test_engine_single_core)."""
    chip = make_chip(window=1)
    stream = stream_of([1] * 3, [2] * 3, [0] * 3)
    for mode in ("pipelined", "generation"):
        activity = simulate(chip, single(chip), stream, mode=mode)  # type: ignore[arg-type]
        assert activity.token_start.tolist() == [0, 101, 202]
        assert activity.token_done.tolist() == [83, 184, 285]


def test_window_of_two() -> None:
    """S8, S14, S15: two tokens at once; the controller takes input before it sends."""
    chip = make_chip(window=2)
    activity = simulate(
        chip, single(chip), stream_of([1] * 4, [2] * 4, [0] * 4), mode="pipelined", log_packets=True
    )
    # Token 1 arrives in 5, is taken 45 .. 87. Then answer 0 (created 59) 87 .. 107, credit 0
    # .. 127, at the host in 129: token 2 enters. Answer 1 127 .. 147; token 2 is there since 132:
    # 147 .. 189. Credit 1 189 .. 209, at the host in 211: token 3. Answer 2 209 .. 229.
    assert activity.token_start.tolist() == [0, 0, 129, 211]
    assert activity.token_done.tolist()[:3] == [107 + 4, 147 + 4, 229 + 4]
    assert times(log(activity, 0, 1)[0]) == (0, 0, 5, 45, 87)
    assert times(log(activity, 0, 2)[0]) == (129, 129, 132, 147, 189)
    assert activity.stage_done[0].tolist()[:3] == [57, 99, 201]


def test_generation_waits_for_the_answer() -> None:
    """S15: token 1 begins in 83, when the answer is there, before the credit is."""
    chip = make_chip(window=2)
    activity = simulate(chip, single(chip), stream_of([1, 1], [2, 2], [0, 0]), log_packets=True)
    assert activity.token_start.tolist() == [0, 83]
    # It arrives in 86, while credit 0 is sent 79 .. 99; taken .. 141, stage 153, answer 155 .. 175.
    assert times(log(activity, 0, 1)[0]) == (83, 83, 86, 99, 141)
    assert activity.token_done.tolist() == [83, 179]


def windowed_chain(chip: Chip) -> Program:
    """Host -> core 0 -> core 1 -> host, both ways in windowed (routes 0, 1, 2; credits 3, 4)."""
    b = Builder(chip)
    x, mid, y = b.site("x"), b.site("mid"), b.site("y")
    first = b.stage(0, [b.stored(0, x)], ("send_dense", 1))
    second = b.stage(1, [b.weighted(1, mid)])
    b.stored(b.host, y)
    entry = b.route(x, HOST_STAGE, [0], window=True)
    way = b.route(mid, first, [1], window=True)
    b.route(y, second, [b.host])
    b.credits(entry, [first])
    b.credits(way, [second])
    return b.build()


def test_the_head_of_the_output_buffer_waits_for_its_window() -> None:
    """S13, S14: token 1's vector for core 1 waits for the credit of token 0."""
    chip = make_chip(2, 1, window=1)
    stream = stream_of([1, 1], [1, 1], [0, 0], [0, 0], [0, 0])
    activity = simulate(chip, windowed_chain(chip), stream, mode="pipelined", log_packets=True)
    # Core 0: in 3, taken 39, stage 45, event 46, credit 47; sent .. 66, credit .. 86, host 88.
    assert times(log(activity, 1)[0]) == (46, 66, 71, 71, 113)
    assert times(log(activity, 3)[0]) == (47, 86, 88, 88, 88)
    # Core 1: group 107 .. 117, stage .. 125, answer 126 .. 146, credit (127) .. 166.
    # It reaches core 0 over two outputs in 170, which takes it in 20 instructions.
    assert activity.stage_done[1, 0] == 125
    assert times(log(activity, 4)[0]) == (127, 166, 170, 170, 190)
    # Token 1: in the queue in 88, at core 0 in 91, taken .. 127, stage .. 133, event 134.
    assert times(log(activity, 0, 1)[0]) == (88, 88, 91, 91, 127)
    assert times(log(activity, 1, 1)[0]) == (134, 210, 215, 215, 257)


def test_a_credit_costs_the_stage_that_it_answers() -> None:
    """S16: 20 instructions to take it, booked with the stage that sent the windowed route."""
    chip = make_chip(2, 1, window=1)
    activity = simulate(chip, windowed_chain(chip), stream_of(1, 1, 0, 0, 0))
    # Items: three consumers, two stages, host. Stage 0 sends a vector and a credit, takes one.
    assert ops_of(activity.item_ops[3])["ctrl.instruction"] == 6 + 20 + 20 + 20
    assert ops_of(activity.item_ops[4])["ctrl.instruction"] == 6 + 20 + 20


@pytest.mark.parametrize(("window", "tokens"), [(1, 2), (2, 3)])
def test_too_many_tokens_are_refused(window: int, tokens: int) -> None:
    """S14: without a window the host floods the core; the engine refuses, and says what to do."""
    chip = make_chip(window=window)
    b = Builder(chip)
    x, y = b.site("x"), b.site("y")
    # The stage takes 4 + 1 + 3 x 99 cycles: it is not done when the next token is taken.
    stage = b.stage(0, [b.weighted(0, x)], ("send_acc", 99))
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(y, stage, [b.host])
    stream = stream_of([1] * tokens, [1] * tokens)
    assert simulate(chip, b.build(), stream).token_done[-1] > 0
    with pytest.raises(InputError, match="token"):
        simulate(chip, b.build(), stream, mode="pipelined")


def test_window_tokens_at_once_are_allowed() -> None:
    """S14: exactly `window` tokens in flight are no error, with or without a windowed route."""
    chip = make_chip(window=3)
    stream = stream_of([1] * 3, [2] * 3, [0] * 3)
    assert simulate(chip, single(chip), stream, mode="pipelined").token_start.tolist() == [0] * 3
