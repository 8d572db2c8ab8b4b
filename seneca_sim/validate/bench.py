"""A bench for small programs: host -> one core -> host, run on the engine and priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.cost.energy import EnergyTable, price
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import NPE_OPS, OP_INDEX, OPS
from seneca_sim.engine.activity import Activity
from seneca_sim.program import (
    HOST_STAGE,
    NO_REGION,
    Consumer,
    EventStream,
    Program,
    Region,
    Route,
    Site,
    Stage,
    Step,
)
from seneca_sim.program.verify import verify

ANSWER_WIDTH = 32
WORD_BITS = {"bf16": 16, "int8": 8, "int4": 4}
LEAKS = ("leak.sram", "leak.registers")


@dataclass(frozen=True)
class Bench:
    """A chip cut down to a few cores of its kind, and the table that prices what runs on it."""

    chip: Chip
    table: EnergyTable

    def sized(self, columns: int = 1, rows: int = 1, **core: Any) -> Bench:
        """Return the bench with so many cores, the host at node (0, 0), and fields of the core."""
        chip = replace(
            self.chip,
            columns=columns,
            rows=rows,
            host=replace(self.chip.host, x=0, y=0),
            core=replace(self.chip.core, **core),
        )
        return replace(self, chip=chip)

    def controlled(self, **controller: int) -> Bench:
        """Return the bench with other fields of the controller."""
        core = replace(self.chip.core, controller=replace(self.chip.core.controller, **controller))
        return replace(self, chip=replace(self.chip, core=core))

    def run(self, program: Program, *counts: Sequence[int], log: bool = False) -> Activity:
        """Simulate; `counts` are events of each route, token by token."""
        from seneca_sim.engine.reference import simulate

        stream = EventStream(np.array(counts, np.int64))
        return simulate(self.chip, program, stream, log_packets=log)

    def energy_fj(self, activity: Activity, *classes: str) -> int:
        """Dynamic energy of a run, of all classes or of some."""
        counts = dict(zip(OPS, activity.item_ops.sum(axis=0).tolist(), strict=True))
        return _sum(price(counts, self.table, self.chip), classes)

    def op_fj(self, activity: Activity, op: str) -> int:
        """Energy of one op in a run."""
        count = int(activity.item_ops[:, OP_INDEX[op]].sum())
        return _sum(price({op: count}, self.table, self.chip), ())

    def consumer_fj(self, activity: Activity, consumer: int = 0) -> int:
        """Energy of the NPE instructions of one consumer, loop buffer and data memory included."""
        counts = dict(zip(OPS, activity.item_ops[consumer].tolist(), strict=True))
        mine = {op: count for op, count in counts.items() if op in NPE_OPS}
        return _sum(price(mine, self.table, self.chip), ())

    def leakage_fj(self, activity: Activity) -> int:
        """Leakage of all cores over a run."""
        cycles = self.chip.cores * activity.cycles
        return _sum(price(dict.fromkeys(LEAKS, cycles), self.table, self.chip), ())


def _sum(priced: dict[str, dict[str, int]], classes: Sequence[str]) -> int:
    return sum(
        energy
        for parts in priced.values()
        for name, energy in parts.items()
        if not classes or name in classes
    )


def one_core(
    chip: Chip,
    *,
    core: int = 0,
    kernel: str = "",
    neurons: int = 8,
    width: int = 64,
    word_bits: int = 16,
    step: tuple[str, int] = ("send_acc", 1),
    shared: bool = False,
) -> Program:
    """Host -> `core` (route 0), which applies `kernel` or stores, runs `step`, answers (route 1).

    Args:
        chip: where it runs.
        core: which core.
        kernel: applied to groups of events; "" stores them.
        neurons: outputs of the weight slice.
        width: channels of the input.
        word_bits: of a weight.
        step: the stage's micro-kernel and its rows.
        shared: whether the weights lie in off-core memory.
    """
    line = chip.core.line_bits
    rows = load_kernel(kernel, chip.core.npes).rows_for(neurons) if kernel else 0
    sizes = ((neurons, width, word_bits),) if kernel else ()
    regions: list[Region] = []
    for rows_, columns, bits in (*sizes, (neurons if kernel else width, 1, 16)):
        stride = -(-rows_ * bits // line) * line
        end = regions[-1].address_bits + regions[-1].bits if regions else 0
        name = f"region{len(regions)}"
        away = shared and bool(kernel) and not regions  # the weights come first
        regions.append(
            Region(core, name, end, rows_, columns, bits, stride, low=0, high=rows_, shared=away)
        )
    target = len(regions) - 1
    weights = target - 1 if kernel else NO_REGION
    program = Program(
        name="bench",
        cores=chip.cores,
        sites=(Site("x", 0, width, "events"), Site("y", 0, ANSWER_WIDTH, "events")),
        core_sets=((core,), (chip.cores,)),
        routes=(
            Route(0, chip.cores, 0, 0, width, HOST_STAGE),
            Route(1, core, 1, 0, ANSWER_WIDTH, 0),
        ),
        consumers=(
            Consumer(core, 0, kernel, rows, neurons if kernel else 0, weights, target),
            Consumer(chip.cores, 1, "", 0, 0),
        ),
        stages=(Stage(core, 0, "answer", (0,), (Step(*step),), (1,)),),
        regions=tuple(regions),
    )
    verify(program, chip)
    return program


def probe(name: str) -> str:
    """Path of one of this package's own micro-kernels, as `load_kernel` takes it."""
    return str(Path(__file__).parent / "probes" / f"{name}.npe")
