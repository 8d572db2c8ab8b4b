"""What a mapping does to a chip: memory, balance of work, expected traffic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.program import EventStream, Program
from workloads.compiler.estimate import Densities
from workloads.compiler.traffic import expected_events, flits, mean_events, site_traffic

Floats = NDArray[np.float64]


def mapping_report(
    program: Program,
    chip: Chip,
    densities: Densities | None = None,
    stream: EventStream | None = None,
) -> dict[str, Any]:
    """Bits, utilisation, balance and traffic of a program, without running it.

    Args:
        program: for this chip.
        chip: the hardware.
        densities: of sparse sites, by name or kind; dense where nothing is said.
        stream: events of a trace in place of densities.
    """
    events = expected_events(program, densities) if stream is None else mean_events(stream)
    used = np.array(sorted(program.memory_bits.values()), np.int64)
    work = work_of_cores(program, chip, events)
    busy = work[work > 0]
    traffic = site_traffic(chip, program, flits(chip, events))
    return {
        "schema": "seneca-mapping-report/1",
        "cores": chip.cores,
        "cores_used": int(used.size),
        "bits_max": int(used[-1]),
        "bits_mean": float(used.mean()),
        "utilisation": float(used.sum() / (chip.cores * chip.core.data_memory_bits)),
        "work_cycles_max": float(busy.max()),
        "work_cycles_mean": float(busy.mean()),
        "balance": float(busy.max() / busy.mean()),
        "flits": sum(many for many, _ in traffic.values()),
        "flit_hops": sum(far for _, far in traffic.values()),
        "traffic": {
            name: {"flits": many, "flit_hops": far}
            for name, (many, far) in sorted(traffic.items(), key=lambda kv: -kv[1][1])
        },
    }


def work_of_cores(program: Program, chip: Chip, events: Floats) -> Floats:
    """Cycles for which each core's NPEs work on a token, expected."""
    npes, core = chip.core.npes, chip.core
    routes, _, takers = program.deliveries
    arriving = np.bincount(takers, events[routes], max(1, len(program.consumers)))
    work = np.zeros(chip.cores + 1)
    for taker, many in zip(program.consumers, arriving.tolist(), strict=False):
        if taker.kernel and many:
            kernel = load_kernel(taker.kernel, npes)
            each = core.task_setup_cycles + kernel.cost(taker.rows, core.group_size).cycles
            work[taker.core] += many / core.group_size * each
    for stage in program.stages:
        work[stage.core] += sum(
            core.task_setup_cycles + load_kernel(step.kernel, npes).cost(step.rows).cycles
            for step in stage.steps
        )
    return work[:-1]


def report_lines(report: dict[str, Any], sites: int = 6) -> list[str]:
    """The same for people; the `sites` with the most flit-hops by name."""
    share = 100 * report["utilisation"]
    lines = [
        f"mapping  utilisation {share:.0f} % of the chip's data memory; work of the fullest core "
        f"{report['balance']:.2f} times the mean ({report['work_cycles_max']:,.0f} cycles)",
        f"traffic  {report['flits']:,.0f} flits and {report['flit_hops']:,.0f} flit-hops a token, "
        "expected:",
    ]
    for name, row in list(report["traffic"].items())[:sites]:
        lines.append(f"         {name:<16} {row['flits']:>12,.0f} {row['flit_hops']:>14,.0f}")
    return lines
