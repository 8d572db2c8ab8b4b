"""What a scenario is, and how the files in `cases` declare theirs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import Mode
from seneca_sim.program import EventStream, Program

CASES = (
    "core", "queues", "groups", "network", "arbitration",
    "tokens", "counting", "memory", "torus", "options",
)  # fmt: skip
"""Modules of `cases`, in the order of the list."""


@dataclass(frozen=True)
class Run:
    """What to simulate, and what must come out.

    `expected` has any fields of `Activity`, as integers and lists. Shorter forms: ``link_*`` fields
    are {(node, port): value} and name every link that is not 0; a dict for another field names
    every index that is not 0; ``*_ops`` are {row: {op: count}}, whole rows but not all of them.
    ``packets`` is {(route, token, sequence, destination): (created, injected, arrived, started,
    done)} and ``hops`` has the same keys; both may name some packets only. ``error`` is
    (exception, words in its text), and then nothing else is expected.
    """

    chip: Chip
    program: Program
    stream: EventStream
    expected: Mapping[str, Any]
    mode: Mode = "generation"
    window_cycles: int = 5_000


@dataclass(frozen=True)
class Scenario:
    """A run with its name, the rules that it cites and the computation by hand."""

    name: str
    rules: tuple[str, ...]
    why: str
    run: Run


_DECLARED: list[tuple[tuple[str, ...], Callable[[], Run]]] = []


def scenario(*rules: str) -> Callable[[Callable[[], Run]], Callable[[], Run]]:
    """Declare a scenario; the function's docstring is the computation by hand."""

    def declare(make: Callable[[], Run]) -> Callable[[], Run]:
        _DECLARED.append((rules, make))
        return make

    return declare


@cache
def all_scenarios() -> tuple[Scenario, ...]:
    """All scenarios that ship, in a fixed order."""
    for module in CASES:
        import_module(f"seneca_sim.conformance.cases.{module}")
    return tuple(
        Scenario(make.__name__, rules, inspect.getdoc(make) or "", make())
        for rules, make in _DECLARED
    )
