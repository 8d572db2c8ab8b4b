"""What a count costs: the energy table, its rows for a chip, and pricing.

A row's parts are energies of one *class* of hardware each (`CLASSES`), per count of an op:

- ``npe.*``: one instruction issued to all NPEs of a core. The parts `npe` and `memory` are per
  NPE and are multiplied by the chip's NPEs; `loop_buffer` and `event_generator` are per core.
- ``noc.flit_hop``: one flit over one router output, ejection included; per 32 bits of the flit.
- ``leak.*``: one core for one cycle; the part is a power per bit.
- all others: as they stand.

Energies are exact `Fraction`s of femtojoules until `price` rounds each (op, class) once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from seneca_sim.chip.spec import Chip
from seneca_sim.config import Document, Library, Mark, parse_document, read_document
from seneca_sim.config.check import (
    check_keys,
    mark_and_source,
    nearest,
    quantity_of,
    table_of,
    text_of,
)
from seneca_sim.config.document import Scalar, Table
from seneca_sim.config.write import yaml_text
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import InputError, InternalError
from seneca_sim.units import exact_text

LIBRARY = Library("seneca-energy/1", "energy table", Path(__file__).parent / "tables")
CLASSES = (
    "npe",
    "loop_buffer",
    "memory",
    "event_generator",
    "controller",
    "noc",
    "leakage",
)
_EVENT_BITS = 32  # T23's NoC energy is per 32-bit event
_REGISTER_BITS = 16


@dataclass(frozen=True)
class TableRow:
    """One row as the table has it: parts in fJ, or in fW/b for leakage."""

    op: str
    parts: Mapping[str, Fraction]
    mark: Mark
    source: str


@dataclass(frozen=True)
class Row:
    """What one count of `op` costs on a certain chip: fJ by class."""

    op: str
    parts: Mapping[str, Fraction]
    mark: Mark
    source: str

    @property
    def total(self) -> Fraction:
        """All parts together, in fJ."""
        return sum(self.parts.values(), Fraction(0))


@dataclass(frozen=True)
class EnergyTable:
    """An energy table: its rows by op, and the hash of the text that was read."""

    name: str
    rows: Mapping[str, TableRow]
    sha256: str

    def row(self, op: str, chip: Chip) -> Row:
        """The cost of one count of `op` on `chip`.

        Raises:
            InputError: the table has no such row.
        """
        found = self.rows.get(op)
        if found is None:
            raise InputError(
                f"energy table {self.name} has no row for '{op}'{nearest(op, self.rows)}"
            )
        parts = {part: value * _scale(op, part, chip) for part, value in found.parts.items()}
        return Row(op, parts, found.mark, found.source)


def _scale(op: str, part: str, chip: Chip) -> Fraction:
    """What a part is multiplied by on `chip`."""
    core = chip.core
    if op.startswith("npe.") and part in ("npe", "memory"):
        return Fraction(core.npes)
    if op == "noc.flit_hop":
        return Fraction(chip.noc.flit_bits, _EVENT_BITS)
    if op == "leak.sram":
        return Fraction(core.data_memory_bits + core.instruction_memory_bits, chip.clock_hz)
    if op == "leak.registers":
        return Fraction(core.npes * core.register_words * _REGISTER_BITS, chip.clock_hz)
    return Fraction(1)


def price(counts: Mapping[str, int], table: EnergyTable, chip: Chip) -> dict[str, dict[str, int]]:
    """Price counts: op -> class -> fJ, each rounded once, half to even.

    Ops with a count of zero are left out.

    Raises:
        InputError: a counted op without a row; it is never taken as free.
        InternalError: a negative count.
    """
    priced: dict[str, dict[str, int]] = {}
    for op, count in counts.items():
        if count < 0:
            raise InternalError(f"count of '{op}' is {count}: a count cannot be negative")
        if count:
            parts = table.row(op, chip).parts
            priced[op] = {part: round(int(count) * value) for part, value in parts.items()}
    return priced


def load_energy(
    name_or_path: str | Path = "seneca-gf22", overrides: Mapping[str, str] | None = None
) -> EnergyTable:
    """Read a shipped table or a YAML file, then set single parts.

    Args:
        name_or_path: "seneca-gf22", or the path of a file.
        overrides: "op.class" -> text, as in {"noc.flit_hop.noc": "1 pJ"}.

    Raises:
        InputError: with file, line and column.
    """
    table = _load(read_document(name_or_path, LIBRARY))
    for path, text in (overrides or {}).items():
        table = _override(table, path, text)
    return table


def parse_energy(text: str, name: str = "<text>") -> EnergyTable:
    """Read an energy table from YAML text."""
    return _load(parse_document(text, name, LIBRARY))


def _load(document: Document) -> EnergyTable:
    """Build the table of a merged document."""
    top = document.table
    check_keys(top, ("name", "ops"), "")
    for key in ("name", "ops"):
        if key not in top.items:
            raise InputError(f"{top.where}: '{key}' is missing")
    ops = table_of(top.items["ops"], "ops")
    check_keys(ops, OPS, "ops")
    rows = {op: _row(table_of(node, op), op) for op, node in ops.items.items()}
    return EnergyTable(text_of(top.items["name"], "name"), rows, document.sha256)


def _row(table: Table, op: str) -> TableRow:
    """Read one row: parts, mark, source."""
    check_keys(table, ("parts", "mark", "source"), op)
    parts = table_of(table.items.get("parts", table), f"{op}.parts")
    if "parts" not in table.items or not parts.items:
        raise InputError(f"{table.where}: {op} has no parts")
    check_keys(parts, CLASSES, f"{op}.parts")
    values = {
        part: quantity_of(node, f"{op}.{part}", _dimension(op))
        for part, node in parts.items.items()
    }
    return TableRow(op, values, *mark_and_source(table, op))


def _dimension(op: str) -> str:
    """The dimension of the parts of a row."""
    return "power per bit" if op.startswith("leak.") else "energy"


def _override(table: EnergyTable, path: str, text: str) -> EnergyTable:
    """Replace one part; the row is the user's own from then on."""
    where = f"--set {path[:60]}={text[:60]}"
    known = {f"{op}.{part}": row for op, row in table.rows.items() for part in row.parts}
    if path not in known:
        raise InputError(f"{where}: no part '{path}' in {table.name}{nearest(path, known)}")
    row, part = known[path], path.rpartition(".")[2]
    value = quantity_of(Scalar(where, text), path, _dimension(row.op))
    new = TableRow(row.op, {**row.parts, part: value}, Mark.USER, where)
    return replace(table, rows={**table.rows, row.op: new})


def resolved_energy(table: EnergyTable) -> dict[str, Any]:
    """Everything in a table as plain mappings that read back to the same rows."""
    ops = {
        op: {
            "parts": {part: exact_text(v, _dimension(op)) for part, v in row.parts.items()},
            "mark": str(row.mark),
            "source": row.source,
        }
        for op, row in table.rows.items()
    }
    return {"schema": LIBRARY.schema, "name": table.name, "ops": ops}


def energy_yaml(table: EnergyTable) -> str:
    """Write a table as YAML that `parse_energy` reads back to the same rows."""
    return yaml_text(resolved_energy(table))
