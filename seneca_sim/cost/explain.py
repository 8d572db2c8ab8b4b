"""A row of an energy table taken apart: what it is, what it is multiplied by, and why."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from seneca_sim.chip.spec import Chip
from seneca_sim.config import Mark
from seneca_sim.cost.energy import EnergyTable, hardware_factor
from seneca_sim.cost.scaling import Scaling, scaling_of

_COUNTS: Final = {
    "npe.": "one instruction issued to all NPEs of a core, its data-memory access included",
    "evg.": "one event made by the event generator, on top of capturing it",
    "ctrl.instruction": "one instruction of the RISC-V controller, its fetch included",
    "ctrl.memory": "one 32-bit access of the controller to data memory, on top of its instruction",
    "dm.": "one 16-bit word written to or read from data memory by the event generator",
    "noc.flit_hop": "one flit over one router output, the last one into the core included",
    "noc.boundary_bit": "one bit over a link from chip to chip",
    "mem.": "one bit fetched from off-core memory",
    "idle.": "one core for one cycle in which nothing in it works",
    "leak.": "one core for one cycle",
}
CLOCK: Final = {"leak.": "leakage power over the clock: half the clock, twice the energy a cycle"}


@dataclass(frozen=True)
class Part:
    """One class of hardware: the table's value (fJ, or fW/b) and what multiplies it."""

    name: str
    table_value: Fraction
    factor: Fraction
    factor_text: str
    fj: Fraction


@dataclass(frozen=True)
class Explanation:
    """What one count of `op` costs on a chip, and where that comes from.

    `per_npe_fj` is the published form of instructions: all classes over the number of NPEs.
    """

    op: str
    counts: str
    unit: str
    parts: tuple[Part, ...]
    mark: Mark
    table_mark: Mark
    source: str
    range: tuple[Fraction, Fraction] | None
    scaling: Scaling
    clock: str
    per_npe_fj: Fraction | None

    @property
    def total_fj(self) -> Fraction:
        """All parts together."""
        return sum((part.fj for part in self.parts), Fraction(0))


def explain(table: EnergyTable, op: str, chip: Chip) -> Explanation:
    """Take the row of `op` apart.

    Raises:
        InputError: the table has no such row.
    """
    row, found = table.row(op, chip), table.table_row(op)
    parts = tuple(
        Part(
            name,
            value,
            hardware_factor(op, name, chip),
            _factor_text(op, name, chip),
            row.parts[name],
        )
        for name, value in found.parts.items()
    )
    return Explanation(
        op=op,
        counts=next(text for start, text in _COUNTS.items() if op.startswith(start)),
        unit="fW/b" if op.startswith("leak.") else "fJ",
        parts=parts,
        mark=row.mark,
        table_mark=found.mark,
        source=found.source,
        range=found.range,
        scaling=scaling_of(op, chip.voltage_mv, table.voltage_mv),
        clock=next((text for start, text in CLOCK.items() if op.startswith(start)), "none"),
        per_npe_fj=row.total / chip.core.npes if op.startswith("npe.") else None,
    )


def _factor_text(op: str, part: str, chip: Chip) -> str:
    """Say in words what a part is multiplied by."""
    core, megahertz = chip.core, chip.clock_hz / 1e6
    if op.startswith("npe.") and part in ("npe", "memory"):
        return f"{core.npes} NPEs"
    if op == "noc.flit_hop":
        return f"{chip.noc.flit_bits} of 32 bits"
    if op == "leak.sram":
        bits = core.data_memory_bits + core.instruction_memory_bits
        return f"{bits:,} b / {megahertz:g} MHz"
    if op == "leak.registers":
        return f"{core.npes} NPEs x {core.register_words} x 16 b / {megahertz:g} MHz"
    return "1"
