"""Tables for a closer look: they add up, and engines that run one token alone agree."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_run import LOADED, TINY_STREAM, rwkv, tiny, tiny_activity, tiny_program

from seneca_sim.engine.reference import simulate
from seneca_sim.errors import InternalError
from seneca_sim.program import EventStream
from seneca_sim.results.detail import bounds_table, breakdown_table, npe_work, phases_table
from seneca_sim.results.tables import cores_table, layers_table


def test_every_part_of_the_energy_has_its_place() -> None:
    result = rwkv(density=0.5, label="sparse")
    frame = breakdown_table(result)
    assert int(frame.energy_fj.sum()) == result.energy_fj
    assert dict(frame.groupby("component").energy_fj.sum()) == result.by_class
    assert dict(frame.groupby("kind").energy_fj.sum()) == result.by_kind
    assert dict(frame.groupby("mark").energy_fj.sum()) == {
        str(mark): fj for mark, fj in result.by_mark.items()
    }
    places = frame.groupby(["site", "part"]).energy_fj.sum() / 1000
    layers = layers_table(result).groupby(["site", "part"]).energy_pj.sum()
    assert layers[layers > 0].to_dict() == pytest.approx(places.drop(("leakage",) * 2).to_dict())


def test_the_tiny_program_by_hand() -> None:
    """Core 1 takes 3 events in token 0 and none in token 1; its answer costs the same in both."""
    rows = phases_table(tiny()).set_index(["token", "core"])
    alone = [
        simulate(LOADED.chip, tiny_program(), EventStream(TINY_STREAM.counts[:, [token]]))
        for token in (0, 1)
    ]
    for token in (0, 1):
        assert list(rows.loc[token].npe_busy_cycles) == alone[token].npe_busy.tolist()
    activity = tiny_activity()
    assert rows.start_cycles[0, 0] == activity.token_start[0] == 0
    assert rows.end_cycles[0, 0] == rows.start_cycles[0, 1] == activity.stage_done[0, 0]
    assert rows.end_cycles[1, 1] == activity.token_done[1]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 70), min_size=1, max_size=4))
def test_work_is_that_of_each_token_alone(events: list[int]) -> None:
    counts = np.array([[8] * len(events), events, [8] * len(events)], np.int64)
    tiny_one = tiny_program()
    program = replace(
        tiny_one,
        sites=(tiny_one.sites[0], replace(tiny_one.sites[1], width=70), tiny_one.sites[2]),
        routes=(tiny_one.routes[0], replace(tiny_one.routes[1], high=70), tiny_one.routes[2]),
    )
    work = npe_work(LOADED.chip, program, EventStream(counts))
    for token in range(len(events)):
        stream = EventStream(counts[:, [token]])
        booked = simulate(LOADED.chip, program, stream).item_npe_cycles
        assert work[:, token].tolist() == booked[: len(work)].tolist()


def test_busy_cycles_add_up_to_those_of_the_cores() -> None:
    result = rwkv(density=0.5, label="sparse")
    frame = phases_table(result)
    busy = defaultdict(int, frame.groupby("core").npe_busy_cycles.sum())
    cores = cores_table(result)
    assert [busy[core] for core in cores.core] == list(cores.npe_busy_cycles)
    assert (frame.end_cycles > frame.start_cycles).all()
    assert frame.end_cycles.max() == result.activity.token_done[-1]


def test_an_engine_that_booked_otherwise_is_found() -> None:
    result = rwkv(density=0.5, label="sparse")
    wrong = result.activity.item_npe_cycles.copy()
    wrong[3] += 1
    with pytest.raises(InternalError, match="item 3"):
        phases_table(replace(result, activity=replace(result.activity, item_npe_cycles=wrong)))


def test_no_unit_needs_more_than_its_layer_had() -> None:
    result = rwkv(density=0.5, label="sparse")
    frame = bounds_table(result)
    needs = ["npe_cycles", "controller_cycles", "memory_cycles", "link_cycles"]
    assert (frame[needs].max(axis=1) <= frame.active_cycles).all()
    assert int(frame.npe_cycles.sum()) == int(result.activity.npe_busy.sum())
    assert int(frame.controller_cycles.sum()) == int(result.activity.controller_busy.sum())
    sops = layers_table(result).sops.sum()
    assert int(frame.sops.sum()) == int(sops)


def test_a_run_in_a_notebook() -> None:
    result = tiny(label="<script>alert(1)</script>")
    html = result._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<table") == html.count("</table>") == 2
    assert len(html) < 4000
    assert repr(result).startswith("<RunResult '<script>")
    assert len(repr(result)) < 200
