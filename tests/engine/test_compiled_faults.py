"""Differential testing sees faults: each of these, put into the arrays of a run, is caught."""

from collections.abc import Callable

import numpy as np
import pytest
from test_compiled_same import first_difference, outcome, seeded

from seneca_sim.engine import reference
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled import run, simulate
from seneca_sim.engine.compiled.build import build
from seneca_sim.engine.compiled.machine import Machine

CASES = 60


def longer_hop(arrays: Machine) -> None:
    """Links take a cycle more."""
    arrays.x[at.X_HOP] += 1


def lost_credit(arrays: Machine) -> None:
    """Windows wait for one acknowledgement fewer than there are destinations."""
    arrays.x[at.X_DEPTH] += 1


def dropped_end_flag(arrays: Machine) -> None:
    """A vector is complete without its last source."""
    sources = arrays.consumers[at.U_SOURCES :: at.CONSUMER]
    sources[sources > 1] -= 1


def other_tie(arrays: Machine) -> None:
    """Ties go to the other kind of arbitration."""
    arrays.x[at.X_ROTATE] ^= 1


def leaking_room(arrays: Machine) -> None:
    """A core's input queue seems one flit larger than it is."""
    arrays.ports[at.P_ROOM :: at.PORT_SIZE] += 1


def no_bubble(arrays: Machine) -> None:
    """Every input of a torus is taken for one of the ring."""
    inside = arrays.ports.reshape(-1, at.PORT_SIZE)
    inside[inside[:, at.P_SLOT] > 0, at.P_ROOM] += inside[inside[:, at.P_SLOT] > 0, at.P_SLOT]


def late_fetch(arrays: Machine) -> None:
    """Off-core memory answers a cycle later."""
    arrays.x[at.X_LATENCY] += 1


def wrong_owner(arrays: Machine) -> None:
    """A stage's packets are charged to the stage before."""
    routes = arrays.routes.reshape(-1, at.ROUTE)
    routes[:, at.R_ITEM] = np.roll(routes[:, at.R_ITEM], 1)


@pytest.mark.parametrize(
    "fault",
    [
        longer_hop, lost_credit, dropped_end_flag, other_tie, leaking_room, no_bubble, late_fetch,
        wrong_owner,
    ],
)  # fmt: skip
def test_fault_is_caught(fault: Callable[[Machine], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> Machine:
        arrays = Machine(*(a.copy() for a in build(*args, **options)))  # type: ignore[arg-type]
        fault(arrays)
        return arrays

    monkeypatch.setattr(run, "build", broken)
    assert any(differs(number) for number in range(CASES)), fault.__doc__


def differs(number: int) -> bool:
    """Whether the engines differ on a case."""
    case, window_cycles = seeded(number)
    options = {"window_cycles": window_cycles, "log_packets": True}
    mine = outcome(simulate, case, **options)
    return bool(first_difference(mine, outcome(reference.simulate, case, **options)))
