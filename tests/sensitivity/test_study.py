"""Effects against runs made one by one, and what is simulated again."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from small_workload import build

import seneca_sim.sensitivity.study as study_module
from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.program import EventStream, Program
from seneca_sim.results import price_run
from seneca_sim.sensitivity import Effect, Study, parameters_of, run_study
from seneca_sim.sensitivity.parameters import changed

REPRICED = (
    "clock_hz",
    "voltage_mv",
    "core.gating",
    "core.controller.code_bits",
    "energy.noc.flit_hop",
)


def effect(study: Study, path: str) -> Effect:
    return next(e for e in study.effects if e.parameter.path == path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("core.group_size", 1),
        ("core.gating", "none"),
        ("clock_hz", 200_000_000),
        ("voltage_mv", 600),
        ("energy.noc.flit_hop", 4000),
        ("noc.event_flits", 2),
    ],
)
def test_costs_are_those_of_a_run_by_itself(
    study: Study, loaded: LoadedChip, table: EnergyTable, path: str, value: int | str
) -> None:
    other, energies = changed(loaded, table, path, value)
    program, streams = build(other.chip)
    point = next(p for p in effect(study, path).points if p.value == value)
    for name, stream in streams.items():
        activity = simulate(other.chip, program, stream)
        alone = price_run(other, energies, program, stream, activity, label=name, mode="generation")
        assert point.costs[name].energy_fj * 2 == alone.energy_fj
        cycles = sum(alone.tokens.latency_cycles)
        assert point.costs[name].latency_s == Fraction(cycles, 2 * other.chip.clock_hz)


def test_prices_alone_are_not_simulated_again(study: Study) -> None:
    for e in study.effects:
        simulated = [point.simulated for point in e.points]
        assert not any(simulated) if e.parameter.path in REPRICED else any(simulated), e.parameter
    points = sum(len(e.points) for e in study.effects if e.parameter.path not in REPRICED)
    assert study.simulations <= 2 * (points + 1)


def test_only_what_is_asked_for_is_simulated(
    loaded: LoadedChip, table: EnergyTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = study_module.simulate_many

    def counting(runs, **options):  # type: ignore[no-untyped-def]
        asked.extend(runs)
        return real(runs, **options)

    monkeypatch.setattr(study_module, "simulate_many", counting)
    wanted = [p for p in parameters_of(loaded, table) if p.path in REPRICED]
    found = run_study(loaded, table, wanted, build, processes=1)
    assert (found.simulations, len(asked)) == (2, 2)


def test_changes_and_ranks_by_hand(study: Study) -> None:
    clock = effect(study, "clock_hz")
    assert clock.changes("latency") == (pytest.approx(1.5), pytest.approx(5 / 7 - 1))
    assert clock.swing("latency") == pytest.approx(1.5 + 2 / 7)
    assert effect(study, "voltage_mv").changes("latency") == (0, 0)
    assert study.ranked("latency")[0] is clock
    swings = [e.swing("energy") for e in study.ranked("energy")]
    assert swings == sorted(swings, reverse=True)


def test_a_point_that_does_not_compile_is_kept_with_its_reason(
    loaded: LoadedChip, table: EnergyTable
) -> None:
    def refusing(chip: Chip) -> tuple[Program, Mapping[str, EventStream]]:
        if chip.core.group_size == 1:
            raise InputError("groups of one are not for sale")
        return build(chip)

    wanted = [p for p in parameters_of(loaded, table) if p.path == "core.group_size"]
    (found,) = run_study(loaded, table, wanted, refusing, processes=1).effects
    assert found.points[0].problem == "groups of one are not for sale"
    assert found.changes("energy")[0] is None
    assert found.points[1].costs


def test_a_point_that_cannot_go_on_does_not_stop_the_others(
    loaded: LoadedChip, table: EnergyTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = study_module.simulate_many

    def failing(runs, **options):  # type: ignore[no-untyped-def]
        if any(run.chip.noc.hop_cycles == 4 for run in runs):
            raise DeadlockError("deadlock in cycle 7")
        return real(runs, **options)

    monkeypatch.setattr(study_module, "simulate_many", failing)
    wanted = [p for p in parameters_of(loaded, table) if p.path == "noc.hop_cycles"]
    (found,) = run_study(loaded, table, wanted, build, processes=1).effects
    assert [point.problem for point in found.points] == ["", "deadlock in cycle 7"]
    assert found.points[0].costs


def test_a_nominal_chip_that_cannot_run_is_an_error(loaded: LoadedChip, table: EnergyTable) -> None:
    broken = replace(table, rows={op: r for op, r in table.rows.items() if op != "npe.add"})
    with pytest.raises(InputError, match=r"no row for 'npe\.add'"):
        run_study(loaded, broken, (), build, processes=1)
