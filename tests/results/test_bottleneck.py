from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_run import rwkv, tiny

from seneca_sim.engine.activity import Activity
from seneca_sim.results import RunResult
from seneca_sim.results.bottleneck import Bottleneck
from seneca_sim.results.spans import active_cycles
from seneca_sim.results.together import share_together


def test_active_cycles_of_the_layers_are_the_latency() -> None:
    for run in (tiny(), rwkv()):
        assert sum(active_cycles(run.program, run.activity).values()) == sum(
            run.tokens.latency_cycles
        )


def test_busy_cycles_by_layer_are_the_cores_own() -> None:
    """Where each core serves one layer, its share of the layer is all its work."""
    run = rwkv()
    for stretch in run.bottleneck.stretches:
        cores = {s.core for s in run.program.stages if s.layer == stretch.layer}
        assert stretch.cores == len(cores)
        assert stretch.npe == max(int(run.activity.npe_busy[core]) for core in cores)
        assert stretch.controller == max(int(run.activity.controller_busy[core]) for core in cores)


def test_pieces_have_all_busy_cycles_of_the_npes() -> None:
    run = rwkv()
    assert sum(run.npe_cycles_by_kind.values()) == int(run.activity.npe_busy.sum())


def test_tiny_run_by_hand() -> None:
    """Core 0 runs 106 + 20 instructions a token, core 1 62 + 20 and 26 + 20."""
    first, second = tiny().bottleneck.stretches
    assert (first.cores, first.controller) == (1, 252)
    assert (second.cores, second.controller) == (1, 128)
    # Each task takes 4 cycles to set up: send_dense 4 + 2, send_acc 4 + 4, three events 4 + 14.
    assert (first.npe, second.npe) == (12, 16 + 18)
    # 9 flits reach core 0 for each token; 4 and 1 flits reach core 1.
    assert (first.link, second.link) == (18, 5)
    assert tiny().bottleneck.unit == "controller"
    assert tiny().bottleneck.waiting_cores == 0.5


def found(unit: str = "npe", **shares: float) -> Bottleneck:
    base = Bottleneck(unit, 0.94, 0.63, 0.2, 0.0, 0.06, 0.87, tiny().bottleneck.stretches)
    return replace(base, **shares)  # type: ignore[arg-type]


def test_sentence() -> None:
    assert found().sentence == (
        "The NPEs bound the run (NPEs busy 94 %, controllers 63 %, busiest link 6 % of the time in "
        "the layer at work); 1 layer of 2 works at a time, so 87 % of the cores wait."
    )
    assert found("hand-over").sentence.startswith("No unit bounds the run, hand-overs from")
    alone = replace(found("link"), stretches=found().stretches[:1])
    assert alone.sentence.endswith(
        "busiest link 6 % of the time); 87 % of the cores hold no part of the program."
    )


def test_pipelined_run_is_one_stretch() -> None:
    run = rwkv("pipelined")
    (whole,) = run.bottleneck.stretches
    assert whole.active == run.cycles
    assert run.bottleneck.npe == pytest.approx(run.activity.npe_busy.max() / run.cycles)
    assert np.array_equal(whole.link, run.activity.link_busy.max())


def moved(run: RunResult, times: dict[str, Any]) -> Activity:
    return replace(run.activity, **{name: np.array(cycles) for name, cycles in times.items()})


def test_share_of_time_together_by_hand() -> None:
    """Two tokens, two layers: from 0 to 10 and 4 to 12 in the first, 10 to 20 and 12 to 26 then."""
    run = tiny()
    times = {"token_start": [0, 4], "token_done": [20, 26], "stage_done": [[10, 12], [20, 26]]}
    activity = moved(run, times)
    # Together: 4 to 10 in the first, 12 to 20 in the second; both tokens' time, 42 cycles in all.
    assert share_together(run.program, activity) == (2 * 6 + 2 * 8) / 42
    apart = {"token_start": [0, 10], "token_done": [20, 30], "stage_done": [[10, 20], [20, 30]]}
    activity = moved(run, apart)
    assert share_together(run.program, activity) == 0


def test_a_hint_where_tokens_travel_together() -> None:
    assert found("hand-over", together=0.934).hint == (
        "Tokens travel together: they share a layer 93 % of their time; try core.window=1."
    )
    assert not found("hand-over", together=0.4).hint
    assert not found("npe", together=0.9).hint  # NPEs that are well used wait for no token
    assert tiny().bottleneck.together == 0  # one after another


def test_the_window_decides_whether_they_do() -> None:
    """The measured share falls with a window of one."""
    two, one = rwkv("pipelined"), rwkv("pipelined", window=1)
    assert two.bottleneck.together > 0.5 > share_together(one.program, one.activity)
    assert one.bottleneck.together == 0
