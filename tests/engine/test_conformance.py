"""The conformance suite: every engine passes it, every rule is in it, and it sees faults."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import stream_of

from seneca_sim.conformance import Scenario, all_scenarios, run_conformance
from seneca_sim.conformance.build import APPLY, FIRE
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.engine import compiled, reference
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.reference.links import LinkKinds
from seneca_sim.engine.reference.machine import Machine
from seneca_sim.engine.reference.network import InputBuffer, OutputPort
from seneca_sim.engine.reference.packet import Packet
from seneca_sim.errors import DeadlockError, InputError

ENGINES: dict[str, Callable[..., Activity]] = {
    "reference": reference.simulate,
    "compiled": compiled.simulate,
}
SCENARIOS = all_scenarios()
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_scenario(engine: str, scenario: Scenario) -> None:
    """S1-S21, by hand."""
    assert [str(f) for f in run_conformance(ENGINES[engine], [scenario])] == []


def test_every_rule_has_a_scenario() -> None:
    """Cited in the list of the scenario itself, whose docstring computes it."""
    rules = re.findall(r"^\*\*(S\d+)\.", (DOCS / "semantics.md").read_text(), re.M)
    cited = Counter(rule for scenario in SCENARIOS for rule in scenario.rules)
    assert sorted(cited) == sorted(rules)


def test_scenarios_are_told_apart_and_explained() -> None:
    assert len(SCENARIOS) >= 40
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS)
    for scenario in SCENARIOS:
        assert scenario.run.expected, scenario.name
        assert len(scenario.why) > 60, scenario.name


def test_documentation_lists_all_scenarios() -> None:
    """Name, rules, and the first line of what is computed."""
    lines = (DOCS / "conformance.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `")] == [
        f"| `{s.name}` | {' '.join(s.rules)} | {s.why.splitlines()[0]} |" for s in SCENARIOS
    ]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_kernels_of_the_suite(rows: int) -> None:
    """What the hand computations count on: g cycles a row, 2 cycles a row."""
    for events in (1, 2, 16):
        assert load_kernel(APPLY).cost(rows, events).cycles == rows * events
    assert load_kernel(FIRE).cost(rows, 0).cycles == 2 * rows


def test_failures_say_what_differs() -> None:
    """A wrong number, a missing error and an unexpected one; the closed form speaks up, too."""
    one = next(s for s in SCENARIOS if s.name == "one_event")
    wrong = replace(one, rules=("S3",), run=replace(one.run, expected={"cycles": 94}))
    (failure,) = run_conformance(reference.simulate, [wrong])
    assert str(failure) == "one_event (S3): cycles is 95, expected 94"
    missing = replace(one, run=replace(one.run, expected={"error": ("InputError", "no")}))
    (failure,) = run_conformance(reference.simulate, [missing])
    assert (failure.what, failure.found) == ("error", None)
    no_token = replace(one, run=replace(one.run, stream=stream_of([], [], [])))
    (failure,) = run_conformance(reference.simulate, [no_token])
    assert failure.found == ("InputError", "event stream: no token to run")

    def forgetful(*args: Any, **options: Any) -> Activity:
        activity = reference.simulate(*args, **{**options, "log_packets": False})
        return replace(activity, deliveries=activity.deliveries - 1)

    failures = {f.what: f for f in run_conformance(forgetful, [one])}
    assert set(failures) == {"packets", "deliveries (closed form)"}


# -- seeded faults: the suite is only worth what it catches ---------------------------------------


def failing() -> set[str]:
    return {f.scenario for f in run_conformance(reference.simulate)}


def test_fault_ties_by_arrival_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: the port takes the oldest request, not the first at its pointer."""

    def ask(self: OutputPort, buffer: InputBuffer) -> None:
        self.requests.pop(buffer.index, None)
        original(self, buffer)

    def choose(self: OutputPort) -> int:
        return next((i for i in self.requests if self._fits(i)), -1)

    original = OutputPort.ask
    monkeypatch.setattr(OutputPort, "ask", ask)
    monkeypatch.setattr(OutputPort, "choose", choose)
    assert failing() >= {"pointer_is_kept", "fixed_priority"}


def test_fault_lost_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """S14: the credit of token 0 is dropped, and its window never opens."""
    original = Machine.credit

    def credit(self: Machine, packet: Packet) -> None:
        if packet.token:
            original(self, packet)

    monkeypatch.setattr(Machine, "credit", credit)
    assert failing() >= {"window_of_one", "window_of_two", "credit_opens_a_window"}


def test_fault_hop_off_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """S5: a hop takes a cycle longer, on every link."""
    original = LinkKinds.of

    def of(self: LinkKinds, hop: tuple[int, int]) -> Any:
        kind = original(self, hop)
        return replace(kind, hop_cycles=kind.hop_cycles + 1)

    monkeypatch.setattr(LinkKinds, "of", of)
    assert len(failing()) > 50


def test_fault_dropped_end_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """S10: an empty packet forgets to end its vector."""
    original = Machine._packet

    def packet(self: Machine, *args: Any) -> Packet:
        made = original(self, *args)
        return replace(made, last=made.last and made.events > 0, visits={})

    monkeypatch.setattr(Machine, "_packet", packet)
    assert failing() >= {"empty_vector", "last_source_is_empty", "announced_nothing"}


def test_faults_are_errors_where_nothing_moves() -> None:
    """S13, S14, S21: the scenarios that expect an error name its type."""
    expected = {s.name: s.run.expected["error"] for s in SCENARIOS if "error" in s.run.expected}
    assert {kind for kind, *_ in expected.values()} == {
        DeadlockError.__name__,
        InputError.__name__,
    }
