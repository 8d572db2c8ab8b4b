"""Run an engine on scenarios and say what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.mesh import links
from seneca_sim.conformance.scenario import Run, Scenario, all_scenarios
from seneca_sim.cost.ops import OPS
from seneca_sim.engine.activity import PACKET_FIELDS, Activity
from seneca_sim.engine.counts import Counts, counts
from seneca_sim.errors import SenecaError

Simulate = Callable[..., Activity]
_KEY = ("route", "token", "sequence", "destination")
_TIMES = ("created", "injected", "arrived", "started", "done")


@dataclass(frozen=True)
class Failure:
    """One thing that an engine got wrong in one scenario."""

    scenario: str
    rules: tuple[str, ...]
    what: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        cited = ", ".join(self.rules)
        return f"{self.scenario} ({cited}): {self.what} is {self.found}, expected {self.expected}"


def run_conformance(
    simulate: Simulate, scenarios: Iterable[Scenario] | None = None
) -> list[Failure]:
    """Run `simulate` on scenarios, by default on all, and return what differs.

    Args:
        simulate: called as ``simulate(chip, program, stream, mode=…, window_cycles=…,
            log_packets=True)``; returns an `Activity` or raises a `SenecaError`. Any other
            exception goes through.
        scenarios: which; `all_scenarios()` if left out.
    """
    chosen = all_scenarios() if scenarios is None else scenarios
    return [failure for scenario in chosen for failure in _failures(simulate, scenario)]


def _failures(simulate: Simulate, scenario: Scenario) -> list[Failure]:
    run = scenario.run
    return [
        Failure(scenario.name, scenario.rules, what, expected, found)
        for what, expected, found in _compare(simulate, run)
        if not _same(expected, found)
    ]


def _compare(simulate: Simulate, run: Run) -> list[tuple[str, Any, Any]]:
    try:
        activity = simulate(
            run.chip, run.program, run.stream,
            mode=run.mode, window_cycles=run.window_cycles, log_packets=True,
        )  # fmt: skip
    except SenecaError as error:
        return [("error", run.expected.get("error"), _error(run, error))]
    if "error" in run.expected:
        return [("error", run.expected["error"], None)]
    mine = [(k, v, _read(run.chip, activity, k, v)) for k, v in run.expected.items()]
    return mine + _closed_form(run, activity)


def _error(run: Run, error: SenecaError) -> tuple[str, ...]:
    """The error in the form that is expected, or as it is where it does not match."""
    wanted = run.expected.get("error")
    if wanted and type(error).__name__ == wanted[0] and all(w in str(error) for w in wanted[1:]):
        return tuple(wanted)
    return type(error).__name__, str(error)


def _closed_form(run: Run, activity: Activity) -> list[tuple[str, Any, Any]]:
    """What does not depend on time is known without a scenario's help."""
    known = counts(run.chip, run.program, run.stream)
    return [
        (f"{f.name} (closed form)", getattr(known, f.name), getattr(activity, f.name))
        for f in fields(Counts)
    ]


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, np.ndarray):
        return bool(np.array_equal(expected, found))
    return bool(expected == found)


def _read(chip: Chip, activity: Activity, key: str, like: Any) -> Any:
    """A field of an activity in the form in which `like` is written."""
    if key in ("packets", "hops"):
        log = _log(activity, key)
        return {packet: log.get(packet) for packet in like}
    values = getattr(activity, key)
    if key.endswith("_ops"):
        return {row: _ops(values[row]) for row in like}
    if key.startswith("link_"):
        return {hop: int(n) for hop, n in zip(links(chip), values, strict=True) if n}
    if isinstance(like, Mapping):
        return {i: int(n) for i, n in enumerate(values) if n}
    return values.tolist() if isinstance(values, np.ndarray) else values


def _ops(row: Any) -> dict[str, int]:
    return {op: int(n) for op, n in zip(OPS, row, strict=True) if n}


def _log(activity: Activity, key: str) -> dict[tuple[int, ...], Any]:
    if activity.packets is None:
        return {}
    at = PACKET_FIELDS.index
    rows = activity.packets.tolist()
    if key == "hops":
        return {tuple(row[at(k)] for k in _KEY): row[at("hops")] for row in rows}
    return {tuple(row[at(k)] for k in _KEY): tuple(row[at(t)] for t in _TIMES) for row in rows}
