"""The public function of the reference engine, and what it reads off the machine afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
from seneca_sim.engine.reference.clock import PHASES
from seneca_sim.engine.reference.machine import Machine
from seneca_sim.engine.reference.waiting import waiting_parts
from seneca_sim.errors import DeadlockError
from seneca_sim.program import EventStream, Program


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
    """Run a program's event stream on a chip, cycle by cycle.

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
        shuffle: seed for the order in which processes are created; no result depends on it.
        progress: called with the number of tokens done, after each.
        first_cycle: in which the run begins; everything is that much later, nothing else differs.

    Raises:
        InputError: program and chip or stream do not fit each other.
        CapacityError: a log would have more rows than `log_window` allows.
        DeadlockError: nothing can move and tokens are left.
    """
    check_inputs(chip, program, stream, mode, window_cycles)
    machine = Machine(
        chip,
        program,
        stream,
        generation=mode == "generation",
        window_cycles=window_cycles,
        log_packets=log_packets,
        log_slices=log_slices,
        log_window=log_window,
        first_cycle=first_cycle,
    )
    machine.host.progress = progress
    machine.start(shuffle)
    machine.env.run()
    if machine.host.done < stream.tokens:
        raise DeadlockError(
            f"deadlock in cycle {int(machine.env.now) // PHASES}: {machine.host.done} of "
            f"{stream.tokens} tokens done; {waiting_parts(machine)}"
        )
    return _activity(machine)


def _activity(machine: Machine) -> Activity:
    cycles = int(machine.env.now) // PHASES
    item_ops, token_ops, window_ops = machine.tally.marginals(cycles)
    controllers, npes, ports = machine.controllers, machine.npes, machine.ports
    return Activity(
        engine="reference",
        cycles=cycles,
        wakeups=_scheduled_events(machine),
        packet_hops=sum(p.packets for p in ports),
        deliveries=machine.deliveries,
        window_cycles=machine.tally.window_cycles,
        token_start=machine.token_start,
        token_done=machine.token_done,
        stage_done=machine.stage_cycle,
        item_ops=item_ops,
        token_ops=token_ops,
        window_ops=window_ops,
        item_events_in=_ints(machine.events_in),
        item_events_out=_ints(machine.events_out),
        item_npe_cycles=_ints(machine.npe_cycles),
        controller_busy=_ints(c.busy for c in controllers),
        controller_blocked=_ints(c.blocked for c in controllers),
        npe_busy=_ints(n.busy for n in npes),
        generator_busy=_ints(g.busy for g in machine.generators),
        npe_starved=_ints(n.starved for n in npes),
        core_active=_ints(a.cycles for a in machine.active),
        channel_busy=_ints(c.busy for c in machine.channels),
        channel_bits=_ints(c.bits for c in machine.channels),
        output_blocked=_ints(c.output_blocked for c in controllers),
        input_peak=_ints(q.peak for q in machine.inputs),
        output_peak=_ints(q.peak for q in machine.outputs),
        fifo_peak=_ints(n.peak for n in npes),
        link_flits=_ints(p.flits for p in ports),
        link_packets=_ints(p.packets for p in ports),
        link_busy=_ints(p.busy for p in ports),
        link_blocked=_ints(p.blocked for p in ports),
        packets=None if machine.packet_log is None else machine.packet_log.table(),
        slices=None if machine.slice_log is None else machine.slice_log.table(),
    )


def _ints(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), np.int64)


def _scheduled_events(machine: Machine) -> int:
    """How many wake-ups SimPy has scheduled: its own event counter is the cheapest witness."""
    return int(next(machine.env._eid))
