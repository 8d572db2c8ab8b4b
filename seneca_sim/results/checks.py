"""Invariants that every run is held to; a broken one is a bug of ours, never of the input."""

from __future__ import annotations

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.ops import OP_INDEX, OPS
from seneca_sim.engine.activity import Activity, Ints
from seneca_sim.errors import InternalError
from seneca_sim.program import EventStream, Program
from seneca_sim.results.book import Book
from seneca_sim.results.tokens import Tokens
from seneca_sim.results.traffic import link_flits


def check_activity(
    chip: Chip,
    program: Program,
    stream: EventStream,
    activity: Activity,
    expected_flits: Ints | None = None,
) -> None:
    """Check that the marginals agree, that flits are counted alike, and that time adds up.

    `expected_flits` are those of `link_flits`, for those who have them already.

    Raises:
        InternalError: naming what does not agree.
    """
    totals = [a.sum(axis=0) for a in (activity.item_ops, activity.token_ops, activity.window_ops)]
    for index, op in enumerate(OPS):
        items, tokens, windows = (int(total[index]) for total in totals)
        if not items == tokens == windows:
            raise InternalError(
                f"{op}: {items} by item, {tokens} by token, {windows} by window must be equal"
            )
    hops, flits = int(totals[0][OP_INDEX["noc.flit_hop"]]), int(activity.link_flits.sum())
    if hops != flits:
        raise InternalError(f"{hops} flit-hops are counted but the links carried {flits} flits")
    if expected_flits is None:
        expected_flits = link_flits(chip, program, stream)
    wrong = np.flatnonzero(expected_flits != activity.link_flits)
    if wrong.size:
        raise InternalError(f"link {wrong[0]} did not carry the flits that its routes send")
    _check_time(activity)


def _check_time(activity: Activity) -> None:
    """Busy and stalled cycles of a unit cannot be more than there were."""
    for name, busy in (
        ("NPEs", activity.npe_busy),
        ("controller", activity.controller_busy + activity.controller_blocked),
        ("event generator", activity.generator_busy),
        ("link", activity.link_busy),
    ):
        if busy.size and int(busy.max()) > activity.cycles:
            place = int(busy.argmax())
            raise InternalError(
                f"{name} {place}: busy and stalled for {busy[place]} of {activity.cycles} cycles"
            )


def check_energy(book: Book, tokens: Tokens) -> None:
    """Check that pieces, and tokens, have all the energy and no more.

    Raises:
        InternalError: naming the sums.
    """
    total = book.total_fj
    for name, found in (
        ("pieces", int(book.energy.sum()) + book.leakage_fj),
        ("tokens", sum(tokens.energy_fj)),
    ):
        if found != total:
            raise InternalError(f"energies of {name} add up to {found} fJ of {total}")
