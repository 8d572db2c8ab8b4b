"""What there is to say about a micro-kernel: its linked program, cycles, ops and energy.

All of it is read off the kernel; the energy is counts times a table. Not in it, as it is not the
kernel's: the set-up of a task, the controller, and `evg.event` for what EVC captures.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.cost.bf16 import from_bits
from seneca_sim.cost.energy import EnergyTable, price
from seneca_sim.cost.kernel import LOOP_BUFFER_ENTRIES, REGISTERS, Kernel
from seneca_sim.cost.notation import Loop, Section
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import InputError

WORD_BITS = 16


@dataclass(frozen=True)
class Line:
    """One line of a listing; an opened block has no address.

    Attributes:
        address: entry in the loop buffer, from 0 in each section.
        line: in the kernel's file; that of the call where a kernel is inlined, 0 for constants.
        text: the instruction, indented in a block.
        times: how often it is issued in the whole task.
    """

    address: int | None
    line: int
    text: str
    times: int


@dataclass(frozen=True)
class SectionCost:
    """A section: how often it runs in a task, its instructions, and all their cycles."""

    kind: str
    runs: int
    lines: tuple[Line, ...]

    @property
    def entries(self) -> int:
        """Entries of the loop buffer."""
        return sum(line.address is not None for line in self.lines)

    @property
    def cycles(self) -> int:
        """One for each instruction issued."""
        return sum(line.times for line in self.lines)


@dataclass(frozen=True)
class Energy:
    """Energies in fJ, exact; None where the question makes no sense.

    Attributes:
        task: all of it, each (op, class) rounded once.
        row: one more row of lanes.
        event: one more event of the group, over the task's rows.
        synaptic_operation: one weight applied for one event at one neuron, in the rows alone, as
            the published figures are.
        with_values: the same with everything that the task does once.
    """

    task: int
    row: Fraction
    event: Fraction | None
    synaptic_operation: Fraction | None
    with_values: Fraction | None


def default_group(kernel: Kernel) -> int:
    """16 for kernels that work on groups of events, else 0."""
    return 16 if works_on_events(kernel) else 0


def works_on_events(kernel: Kernel) -> bool:
    """Whether its cost depends on the size of a group."""
    return bool(kernel.cycles.p1 or kernel.cycles.r1)


def check_group(kernel: Kernel, g: int) -> None:
    """Refuse a group for a kernel without one.

    Raises:
        InputError: g is not 0.
    """
    if g and not works_on_events(kernel):
        raise InputError(f"kernel {kernel.name} works on no events; leave the group out")


def synaptic_operations(kernel: Kernel, rows: int, g: int) -> int:
    """Weights applied in a task; 0 for a kernel without weights."""
    if not any(set(axes) >= {"g", "row"} for _, axes in kernel.memory):
        return 0
    return rows * kernel.width * kernel.npes * g


def listing(kernel: Kernel, rows: int, g: int) -> tuple[SectionCost, ...]:
    """The linked program, section by section, with calls inlined and constants loaded."""
    return tuple(_section(kernel, section, rows, g) for section in kernel.sections)


def _section(kernel: Kernel, section: Section, rows: int, g: int) -> SectionCost:
    runs = rows if section.kind == "row" else 1
    trips = {"G": g, "lanes": kernel.npes, "tree": kernel.npes.bit_length() - 1}
    lines: list[Line] = []
    address = 0
    for statement in section.body:
        if isinstance(statement, Loop):
            block = "tree:" if statement.trips == "tree" else f"repeat {statement.trips}:"
            lines.append(Line(None, statement.line, block, 0))
            body, times, indent = statement.body, runs * trips[statement.trips], "  "
        else:
            body, times, indent = (statement,), runs, ""
        for instruction in body:
            constant = instruction.operands[-1].startswith("$") and instruction.mnemonic == "MLD"
            text = f"{indent}{instruction.mnemonic} {', '.join(instruction.operands)}"
            lines.append(Line(address, 0 if constant else instruction.line, text, times))
            address += 1
    return SectionCost(section.kind, runs, tuple(lines))


def constants(kernel: Kernel) -> dict[str, float]:
    """Registers that hold constants, as `$4340`, and the BF16 numbers that their words are."""
    names = {
        operand
        for section in kernel.sections
        for instruction, _ in section.instructions
        for operand in instruction.operands
        if operand.startswith("$")
    }
    return {name: float(from_bits(int(name[1:], 16))) for name in sorted(names)}


def energy(kernel: Kernel, table: EnergyTable, rows: int, g: int) -> Energy:
    """What a task over `rows` rows with `g` events costs, by a table's rows for the kernel's NPEs.

    Raises:
        InputError: the table lacks a row, or the task does not fit the NPE.
    """
    line = max(128, WORD_BITS * kernel.npes)
    chip = Chip("kernel", core=CoreSpec(npes=kernel.npes, line_bits=line))
    cost = kernel.cost(rows, g)
    counts = {op: count for op, count in zip(OPS, cost.counts, strict=True) if count}
    priced = price(counts, table, chip)
    row = _energy(table, chip, [c.r0 + c.r1 * g for c in kernel.counts])
    event = _energy(table, chip, [c.p1 + rows * c.r1 for c in kernel.counts])
    operations = synaptic_operations(kernel, rows, g)
    a_row = synaptic_operations(kernel, 1, g)
    whole = _energy(table, chip, list(cost.counts))
    return Energy(
        task=sum(sum(parts.values()) for parts in priced.values()),
        row=row,
        event=event if works_on_events(kernel) else None,
        synaptic_operation=row / a_row if a_row else None,
        with_values=whole / operations if operations else None,
    )


def _energy(table: EnergyTable, chip: Chip, counts: list[int]) -> Fraction:
    pairs = zip(OPS, counts, strict=True)
    return sum((n * table.row(op, chip).total for op, n in pairs if n), Fraction(0))


def registers(kernel: Kernel, g: int) -> dict[str, int | None]:
    """Registers: fixed, for each event, used by a group of g, of how many; the largest group."""
    return {
        "fixed": kernel.registers,
        "per_event": kernel.registers_per_event,
        "used": kernel.registers + g * kernel.registers_per_event,
        "of": REGISTERS,
        "largest_group": kernel.max_group,
        "loop_buffer": LOOP_BUFFER_ENTRIES,
    }
