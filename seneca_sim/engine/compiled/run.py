"""The public function of the compiled engine: lays out the arrays, runs the loop, reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seneca_sim.chip import Chip
from seneca_sim.engine.activity import (
    POWER_WINDOW_CYCLES,
    WHOLE_RUN,
    Activity,
    LogWindow,
    Mode,
)
from seneca_sim.engine.checks import check_inputs
from seneca_sim.engine.compiled import layout as at
from seneca_sim.engine.compiled.build import (
    build,
    more_nodes,
    more_packets,
    more_tasks,
    more_windows,
    prepare,
)
from seneca_sim.engine.compiled.logs import Logs
from seneca_sim.engine.compiled.loop import run
from seneca_sim.engine.compiled.machine import Machine
from seneca_sim.engine.compiled.read import activity_of
from seneca_sim.engine.compiled.standstill import waiting_text
from seneca_sim.errors import DeadlockError, InputError
from seneca_sim.program import EventStream, Program

Ints = NDArray[np.int64]


def simulate(
    chip: Chip,
    program: Program,
    stream: EventStream,
    *,
    mode: Mode = "generation",
    window_cycles: int = POWER_WINDOW_CYCLES,
    log_packets: bool = False,
    log_slices: bool = False,
    log_window: LogWindow = WHOLE_RUN,
    shuffle: int | None = None,
    progress: Callable[[int], None] | None = None,
    first_cycle: int = 0,
) -> Activity:
    """Run a program's event stream on a chip, cycle by cycle: `reference.simulate`, compiled.

    Args:
        chip: the hardware.
        program: compiled for `chip.cores` cores.
        stream: events per route and token.
        mode: ``generation`` (a token enters when the last one's answer is out) or ``pipelined``
            (a token enters as soon as the window of the first stage allows).
        window_cycles: width of the windows of `Activity.window_ops`.
        log_packets: also return `Activity.packets`.
        log_slices: also return `Activity.slices`.
        log_window: cycles of the logs, and how many rows they may have.
        shuffle: not used; there are no processes whose order could matter.
        progress: called with the number of tokens done, after each.
        first_cycle: in which the run begins; everything is that much later, nothing else differs.

    Raises:
        InputError: program and chip or stream do not fit each other.
        CapacityError: a log would have more rows than `log_window` allows.
        DeadlockError: nothing can move and tokens are left.
    """
    logs = Logs(log_packets, log_slices, log_window)
    return _run(chip, program, stream, mode, window_cycles, logs, progress, first_cycle)[0]


def effort(chip: Chip, program: Program, stream: EventStream, mode: Mode) -> dict[str, int]:
    """How much the loop does for a run, counted without a clock.

    `wakeups` are events that go through the wheel or the heap, as `Activity.wakeups`; `turns` are
    the looks of cores and outputs at their queues in START and ARBITRATE, which need no event.
    `packets` are those that are made, with unicast one for each destination.
    """
    activity, z = _run(chip, program, stream, mode, POWER_WINDOW_CYCLES, Logs(), None)
    return {
        "wakeups": activity.wakeups,
        "turns": int(z[at.Z_TURNS]),
        "packet_hops": activity.packet_hops,
        "packets": int(z[at.Z_MADE]),
    }


def _run(
    chip: Chip,
    program: Program,
    stream: EventStream,
    mode: Mode,
    window_cycles: int,
    logs: Logs,
    progress: Callable[[int], None] | None,
    first_cycle: int = 0,
) -> tuple[Activity, Ints]:
    check_inputs(chip, program, stream, mode, window_cycles)
    prepared = prepare(chip, program)
    prepared.tasks.check_groups(stream)
    machine = build(
        prepared,
        stream,
        generation=mode == "generation",
        window_cycles=window_cycles,
        log_packets=logs.packets is not None,
        log_slices=logs.slices is not None,
        log_window=logs.window,
        progress=progress is not None,
        first_cycle=first_cycle,
    )
    machine = _drive(chip, program, machine, logs, progress)
    done = int(machine.z[at.Z_DONE])
    if done < stream.tokens:
        raise DeadlockError(
            f"deadlock in cycle {int(machine.z[at.Z_NOW])}: {done} of {stream.tokens} tokens done; "
            f"{waiting_text(chip, program, machine)}"
        )
    return activity_of(prepared, stream, machine, logs), machine.z


def _drive(
    chip: Chip,
    program: Program,
    machine: Machine,
    logs: Logs,
    progress: Callable[[int], None] | None,
) -> Machine:
    """Call the loop until it is through, and do what it asks for in between."""
    while True:
        why = run(machine)
        logs.take(machine)
        if progress is not None:
            _tell(machine, progress)
        if why == at.FINISHED:
            return machine
        if why == at.MORE_NODES:
            machine = more_nodes(machine, machine.nodes.size // at.NODE)
        elif why == at.MORE_TASKS:
            machine = more_tasks(machine, machine.tasks.size // at.TASK_SIZE)
        elif why == at.MORE_PACKETS:
            machine = more_packets(machine, machine.packets.size // at.PACKET_SIZE)
        elif why == at.MORE_WINDOWS:
            machine = more_windows(machine)
        elif why == at.WINDOW_BROKEN:
            raise InputError(_broken(chip, program, machine))


def _tell(machine: Machine, progress: Callable[[int], None]) -> None:
    z = machine.z
    for done in range(int(z[at.Z_TOLD]) + 1, int(z[at.Z_DONE]) + 1):
        progress(done)
    z[at.Z_TOLD] = z[at.Z_DONE]


def _broken(chip: Chip, program: Program, machine: Machine) -> str:
    """S14: which vector has come too early."""
    item, token = int(machine.z[at.Z_ITEM]), int(machine.z[at.Z_SEEN])
    stage = program.stage_of[item]
    finished = int(machine.stages[stage * at.STAGE_SIZE + at.S_FINISHED])
    consumer = program.consumers[item]
    return (
        f"program {program.name}: token {token} of {program.sites[consumer.site].name} reaches "
        f"core {consumer.core} while token {finished} is still there (window "
        f"{chip.core.window}); a windowed route must guard this site"
    )
