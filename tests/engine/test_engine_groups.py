"""Groups of events: how many, how large, whatever the packets and sources they came from."""

import pytest
from builders import Builder, make_chip, ops_of, single, stream_of

from seneca_sim.engine.reference import simulate
from seneca_sim.program import HOST_STAGE, Program

GROUP_OF = {0: 0, 1: 4 + 1 + 5, 2: 4 + 2 + 8, 3: 4 + 3 + 11, 4: 4 + 4 + 14}
"""Cycles of a group of g events over one row: set-up 4, then g + 2 + 3 g."""


@pytest.mark.parametrize(
    ("events", "groups"), [(0, ()), (1, (1,)), (4, (4,)), (5, (4, 1)), (8, (4, 4)), (11, (4, 4, 3))]
)
def test_groups_of_one_packet(events: int, groups: tuple[int, ...]) -> None:
    """S9, S10: full groups of G = 4, then the rest at the end of the vector."""
    chip = make_chip(group_size=4)
    activity = simulate(chip, single(chip), stream_of(events, 0, 0))
    counts = ops_of(activity.item_ops[0])
    assert activity.item_npe_cycles[0] == sum(GROUP_OF[g] for g in groups)
    assert counts.get("npe.mst", 0) == len(groups)
    assert counts.get("npe.mul", 0) == events
    assert counts["ctrl.instruction"] == 20 + 10 * events + 6 * len(groups)


def two_sources(chip_group: int) -> tuple[object, Program]:
    chip = make_chip(group_size=chip_group)
    b = Builder(chip)
    x, y = b.site("x", 16), b.site("y")
    stage = b.stage(0, [b.weighted(0, x)])
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0], 0, 8)
    b.route(x, HOST_STAGE, [0], 8, 16)
    b.route(y, stage, [b.host])
    return chip, b.build()


@pytest.mark.parametrize(
    ("one", "two", "groups"),
    [(3, 2, (4, 1)), (4, 0, (4,)), (0, 4, (4,)), (0, 0, ()), (1, 1, (2,)), (5, 6, (4, 4, 3))],
)
def test_groups_of_two_sources(one: int, two: int, groups: tuple[int, ...]) -> None:
    """S9, S10: the open group lives on over packets and sources, until the last end flag."""
    chip, program = two_sources(4)
    activity = simulate(chip, program, stream_of(one, two, 0))  # type: ignore[arg-type]
    counts = ops_of(activity.item_ops[0])
    assert activity.item_npe_cycles[0] == sum(GROUP_OF[g] for g in groups)
    assert counts.get("npe.mst", 0) == len(groups)
    assert counts["ctrl.instruction"] == 2 * 20 + 10 * (one + two) + 6 * len(groups)
    assert activity.item_events_in[0] == one + two


def test_a_stored_vector_forms_no_groups() -> None:
    """S9: without a micro-kernel the controller writes the values; NPEs see the stage alone."""
    chip = make_chip(group_size=2)
    b = Builder(chip)
    x, y = b.site("x"), b.site("y")
    stage = b.stage(0, [b.stored(0, x)], ("residual_add", 1), ("send_dense", 2))
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(y, stage, [b.host])
    activity = simulate(chip, b.build(), stream_of(5, 0))
    assert ops_of(activity.item_ops[0]) == {"ctrl.instruction": 20 + 50, "ctrl.memory": 5}
    # S11: set-up for each of the two steps; residual_add 1 + 5 a row, send_dense 2 a row.
    assert activity.item_npe_cycles.tolist() == [0, 0, 4 + 6 + 4 + 2 * 2, 0]


def test_a_stage_waits_for_all_its_vectors() -> None:
    """S10: the stage is pushed once, at the end of the last vector that it needs."""
    chip = make_chip()
    b = Builder(chip)
    sites = [b.site(name) for name in ("u", "v")]
    y = b.site("y")
    stage = b.stage(0, [b.stored(0, sites[0]), b.weighted(0, sites[1])])
    b.stored(b.host, y)
    for site in sites:
        b.route(site, HOST_STAGE, [0])
    b.route(y, stage, [b.host])
    activity = simulate(chip, b.build(), stream_of(1, 0, 0))
    # u: arrives 3, taken in 33. v: link free in 2, arrives 2 + 2 = 4; 33 + 20 + 6 = 59; + 4 + 4.
    assert activity.stage_done.tolist() == [[67]]
