"""The second half of the main job: traces -> program -> streams -> engine -> priced results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seneca_sim.chip.load import LoadedChip, resolved
from seneca_sim.cli.progress import progress
from seneca_sim.cli.settings import Settings
from seneca_sim.cost.energy import EnergyTable, resolved_energy
from seneca_sim.engine.activity import Mode
from seneca_sim.engine.choose import Engine
from seneca_sim.results import RunResult, price_run
from seneca_sim.sweep import Run, simulate_many

if TYPE_CHECKING:
    from seneca_sim.program import Program
    from workloads.traces import ActivationTrace

DENSE = "dense"


@dataclass(frozen=True)
class Machine:
    """What every variant of a job runs on."""

    loaded: LoadedChip
    table: EnergyTable
    program: Program
    mode: Mode
    log_packets: bool = False
    engine: Engine = "auto"


def with_dense(traces: Mapping[str, ActivationTrace]) -> dict[str, ActivationTrace]:
    """Put the dense run in front: the first trace with nothing skipped."""
    if DENSE in traces:
        return dict(traces)
    first = next(iter(traces.values()))
    return {DENSE: first.dense(), **traces}


def simulate_variants(machine: Machine, traces: Mapping[str, ActivationTrace]) -> list[RunResult]:
    """Simulate and price every variant, side by side."""
    from workloads.compiler import event_stream

    chip, program = machine.loaded.chip, machine.program
    streams = [event_stream(program, trace) for trace in traces.values()]
    how = machine.mode, machine.log_packets, machine.engine
    runs = [Run(chip, program, stream, *how) for stream in streams]
    with progress("simulating") as tell:
        activities = simulate_many(runs, progress=lambda done, total: tell(done, total, ""))
    return [
        price_run(
            machine.loaded, machine.table, program, stream, activity, label=label, mode=machine.mode
        )
        for label, stream, activity in zip(traces, streams, activities, strict=True)
    ]


def resolved_inputs(
    machine: Machine, settings: Settings, workload: dict[str, Any]
) -> dict[str, Any]:
    """Every input as it was used, for resolved.yaml."""
    return {
        "schema": "seneca-run/1",
        "workload": workload,
        "settings": dict(settings.run),
        "mapping": dict(machine.program.mapping),
        "chip": resolved(machine.loaded),
        "energy": resolved_energy(machine.table),
    }
