"""Energy of a synaptic operation (one weight applied for one event at one neuron), by running.

Two runs of one core, with and without 64 events, differ by the events alone; their difference over
events x neurons is the cost of an operation. How much of the machine is counted is said each time.
"""

from __future__ import annotations

from dataclasses import replace

from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import NPE_OPS, OP_INDEX
from seneca_sim.engine.activity import Activity
from seneca_sim.program import Program
from seneca_sim.validate.bench import WORD_BITS, Bench, one_core
from seneca_sim.validate.rows import Measured

EVENTS, NEURONS, GROUP = 64, 1024, 16
HEADLINE = "event_binary_int4"


def synaptic(bench: Bench, kernel: str, group: int = GROUP) -> Measured:
    """NPEs, loop buffer and data memory of the consumer, in pJ per operation."""
    bench, (idle, busy) = _runs(bench, kernel, NEURONS, group)
    energy = bench.consumer_fj(busy) - bench.consumer_fj(idle)
    return Measured(energy / (EVENTS * NEURONS) / 1000)


def with_controller(bench: Bench) -> Measured:
    """The headline's run with the controller's instructions and accesses."""
    bench, (idle, busy) = _runs(bench, HEADLINE, NEURONS)
    energies = [bench.consumer_fj(run) + bench.energy_fj(run, "controller") for run in (idle, busy)]
    return Measured((energies[1] - energies[0]) / (EVENTS * NEURONS) / 1000)


def with_everything(bench: Bench, neurons: int = NEURONS) -> Measured:
    """The headline's run with all that it costs: controller, NoC, leakage."""
    bench, runs = _runs(bench, HEADLINE, neurons)
    idle, busy = (bench.energy_fj(run) + bench.leakage_fj(run) for run in runs)
    return Measured((busy - idle) / (EVENTS * neurons) / 1000)


def controller_share(bench: Bench) -> Measured:
    """Controller instructions in percent of all operations, each lane's instruction one."""
    bench, (idle, busy) = _runs(bench, HEADLINE, NEURONS)
    counts = busy.item_ops.sum(axis=0) - idle.item_ops.sum(axis=0)
    controller = int(counts[OP_INDEX["ctrl.instruction"]])
    lanes = bench.chip.core.npes * int(counts[: len(NPE_OPS)].sum())
    return Measured(100 * controller / (controller + lanes))


def _runs(
    bench: Bench, kernel: str, neurons: int, group: int = GROUP
) -> tuple[Bench, tuple[Activity, Activity]]:
    """One core with `neurons` outputs: a run without events, and one with."""
    bench = bench.sized(group_size=group)
    program = _program(bench, kernel, neurons)
    return bench, (bench.run(program, [0], [0]), bench.run(program, [EVENTS], [0]))


def _program(bench: Bench, kernel: str, neurons: int) -> Program:
    bits = WORD_BITS[kernel.removesuffix("_explicit").rpartition("_")[2]]
    program = one_core(bench.chip, kernel=kernel, neurons=neurons, width=EVENTS, word_bits=bits)
    # The neurons' sums stay where they are: what is measured is applying weights, not firing.
    assert load_kernel(kernel, bench.chip.core.npes).rows_for(neurons) == program.consumers[0].rows
    return replace(program, name=f"sop {kernel}")
