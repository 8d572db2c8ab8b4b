"""Every invariant fires when it is broken."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_run import LOADED, TABLE, TINY_STREAM, broken, rwkv, tiny, tiny_activity, tiny_program

from seneca_sim.cost.energy import EnergyTable
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.errors import InputError, InternalError
from seneca_sim.program import EventStream
from seneca_sim.results import price_run
from seneca_sim.results.traffic import link_loads


def plus_one(array: np.ndarray, *place: int) -> np.ndarray:
    changed = array.copy()
    changed[place] += 1
    return changed


def test_marginals_must_agree() -> None:
    ops = plus_one(tiny_activity().token_ops, 0, OP_INDEX["evg.event"])
    expected = "evg.event: 19 by item, 20 by token, 19 by window must be equal"
    with pytest.raises(InternalError, match=expected):
        tiny(activity=broken(token_ops=ops))


def test_flit_hops_are_link_flits() -> None:
    with pytest.raises(InternalError, match="64 flit-hops are counted but the links carried 65"):
        tiny(activity=broken(link_flits=plus_one(tiny_activity().link_flits, 0)))


def test_each_link_carries_what_its_routes_send() -> None:
    flits = tiny_activity().link_flits.copy()
    first, second = np.flatnonzero(flits)[:2]
    flits[first] -= 1
    flits[second] += 1
    with pytest.raises(InternalError, match=f"link {first} did not carry"):
        tiny(activity=broken(link_flits=flits))


@pytest.mark.parametrize(
    ("field", "name"),
    [("npe_busy", "NPEs"), ("controller_busy", "controller"), ("link_busy", "link")],
)
def test_no_unit_is_busier_than_time(field: str, name: str) -> None:
    busy = np.full_like(getattr(tiny_activity(), field), 10_000)
    with pytest.raises(InternalError, match=f"{name} 0: busy and stalled for 10000 of"):
        tiny(activity=broken(**{field: busy}))


def test_kernels_must_add_up_to_what_was_booked() -> None:
    index = OP_INDEX["npe.mld"]
    activity = tiny_activity()
    ops = plus_one(activity.item_ops, 3, index)
    tokens, windows = (
        plus_one(activity.token_ops, 0, index),
        plus_one(activity.window_ops, 0, index),
    )
    with pytest.raises(InternalError, match="the kernels of item 3 do not add up"):
        tiny(activity=broken(item_ops=ops, token_ops=tokens, window_ops=windows))


def test_an_op_without_a_price_is_refused() -> None:
    rows = {op: row for op, row in TABLE.rows.items() if op != "noc.flit_hop"}
    table = EnergyTable("holey", rows, "")
    with pytest.raises(InputError, match=r"holey has no row for 'noc.flit_hop'"):
        price_run(
            LOADED, table, tiny_program(), TINY_STREAM, tiny_activity(),
            label="x", mode="generation",
        )  # fmt: skip


def test_full_packets_are_counted_as_the_engine_sends_them() -> None:
    chip = replace(LOADED.chip, noc=replace(LOADED.chip.noc, packet_events=4, link_bits=16))
    # 8 events are two full packets of 5 flits, 3 events one of 4 flits, none one of 1 flit.
    flits, cycles = link_loads(chip, tiny_program(), TINY_STREAM)
    assert sorted(flits[flits > 0]) == [5, 5, 20, 20, 20]
    assert cycles.sum() == 2 * flits.sum()


@pytest.mark.parametrize("mode", ["generation", "pipelined"])
def test_closed_form_of_the_links_is_what_the_engine_counts(mode: str) -> None:
    run = rwkv(mode)
    flits, cycles = link_loads(run.chip, run.program, run.stream)
    assert np.array_equal(flits, run.activity.link_flits)
    assert np.array_equal(cycles.sum(axis=0), run.activity.link_busy)
    with pytest.raises(InternalError, match="did not carry"):
        price_run(
            run.loaded, TABLE, run.program, EventStream(run.stream.counts + 1), run.activity,
            label="x", mode=run.mode,
        )  # fmt: skip
