"""What a count costs: the energy table, its rows for a chip, and pricing.

A row's parts are energies of one *class* of hardware each (`CLASSES`), per count of an op:

- ``npe.*``: one instruction issued to all NPEs of a core. The parts `npe` and `memory` are per
  NPE and are multiplied by the chip's NPEs; `loop_buffer` and `event_generator` are per core.
- ``noc.flit_hop``: one flit over one router output, ejection included; per 32 bits of the flit.
- ``leak.*``: one core for one cycle; the part is a power per bit.
- all others: as they stand.

A table holds at one supply voltage; `cost.scaling` carries it to the chip's. Energies are exact
`Fraction`s of femtojoules until `price` rounds each (op, class) once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
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
    whole_quantity_of,
)
from seneca_sim.config.document import Array, Node, Scalar, Table
from seneca_sim.config.write import yaml_text
from seneca_sim.cost.ops import OPS
from seneca_sim.cost.scaling import NOMINAL_MV, check_voltage, scaling_of
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
    "off_core_memory",
    "leakage",
)
_EVENT_BITS = 32  # T23's NoC energy is per 32-bit event
_REGISTER_BITS = 16
_KEPT_ROWS = 10_000
_MOST = 10**12  # fJ, a millijoule for one action


@dataclass(frozen=True)
class TableRow:
    """One row as the table has it.

    Attributes:
        op: what is counted.
        parts: class of hardware -> fJ a count, or fW/b for leakage.
        mark: published, second-hand, derived, assumed or user.
        source: where the number is from.
        range: where to sweep the row's only part, in its unit.
    """

    op: str
    parts: Mapping[str, Fraction]
    mark: Mark
    source: str
    range: tuple[Fraction, Fraction] | None = None


@dataclass(frozen=True)
class Row:
    """What one count of an op costs on a certain chip.

    Attributes:
        op: what is counted.
        parts: class of hardware -> fJ.
        mark: of the table's row.
        source: of the table's row.
    """

    op: str
    parts: Mapping[str, Fraction]
    mark: Mark
    source: str

    @cached_property
    def total(self) -> Fraction:
        """All parts together, in fJ."""
        return sum(self.parts.values(), Fraction(0))


@dataclass(frozen=True)
class EnergyTable:
    """An energy table.

    Attributes:
        name: for people.
        rows: by op.
        sha256: of the text that was read.
        voltage_mv: supply at which it holds, mV.
    """

    name: str
    rows: Mapping[str, TableRow]
    sha256: str
    voltage_mv: int = NOMINAL_MV
    _rows: dict[tuple[object, ...], Row] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def row(self, op: str, chip: Chip) -> Row:
        """The cost of one count of `op` on `chip`, worked out once for chips alike in this.

        Raises:
            InputError: the table has no such row.
        """
        key = (op, *_sizes(chip))
        if key not in self._rows:
            if len(self._rows) > _KEPT_ROWS:
                self._rows.clear()
            self._rows[key] = self._row(op, chip)
        return self._rows[key]

    def _row(self, op: str, chip: Chip) -> Row:
        found = self.table_row(op)
        scaling = scaling_of(op, chip.voltage_mv, self.voltage_mv)
        parts = {
            part: value * hardware_factor(op, part, chip) * scaling.factor
            for part, value in found.parts.items()
        }
        mark = max(found.mark, scaling.mark, key=list(Mark).index)
        return Row(op, parts, mark, found.source)

    def table_row(self, op: str) -> TableRow:
        """The row as the table has it.

        Raises:
            InputError: the table has no such row.
        """
        found = self.rows.get(op)
        if found is None:
            raise InputError(
                f"energy table {self.name} has no row for '{op}'{nearest(op, self.rows)}"
            )
        return found


def _sizes(chip: Chip) -> tuple[int, ...]:
    """Every field of a chip that `hardware_factor` and `scaling_of` look at."""
    core = chip.core
    return (
        chip.voltage_mv, chip.clock_hz, chip.noc.flit_bits, core.npes, core.register_words,
        core.data_memory_bits, core.instruction_memory_bits,
    )  # fmt: skip


def hardware_factor(op: str, part: str, chip: Chip) -> Fraction:
    """What a part is multiplied by for the size of `chip`: lanes, bits, cycles."""
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
    return with_parts(_load(read_document(name_or_path, LIBRARY)), overrides or {})


def with_parts(table: EnergyTable, overrides: Mapping[str, str]) -> EnergyTable:
    """Set single parts ("op.class" -> text) of a table; their rows are the user's own then."""
    for path, text in overrides.items():
        table = _override(table, path, text)
    return table


def parse_energy(text: str, name: str = "<text>") -> EnergyTable:
    """Read an energy table from YAML text."""
    return _load(parse_document(text, name, LIBRARY))


def _load(document: Document) -> EnergyTable:
    """Build the table of a merged document."""
    top = document.table
    check_keys(top, ("name", "voltage", "ops"), "")
    for key in ("name", "ops"):
        if key not in top.items:
            raise InputError(f"{top.where}: '{key}' is missing")
    ops = table_of(top.items["ops"], "ops")
    check_keys(ops, OPS, "ops")
    rows = {op: _row(table_of(node, op), op) for op, node in ops.items.items()}
    name = text_of(top.items["name"], "name")
    return EnergyTable(name, rows, document.sha256, _voltage(top))


def _voltage(top: Table) -> int:
    """Read the supply voltage at which a table holds; 0.8 V where it says none."""
    if "voltage" not in top.items:
        return NOMINAL_MV
    node = top.items["voltage"]
    value = whole_quantity_of(node, "voltage", "voltage")
    try:
        check_voltage("voltage", value)
    except InputError as error:
        raise InputError(f"{node.where}: {error}") from None
    return value


def _row(table: Table, op: str) -> TableRow:
    """Read one row: parts, mark, source."""
    check_keys(table, ("parts", "mark", "source", "range"), op)
    parts = table_of(table.items.get("parts", table), f"{op}.parts")
    if "parts" not in table.items or not parts.items:
        raise InputError(f"{table.where}: {op} has no parts")
    check_keys(parts, CLASSES, f"{op}.parts")
    values = {part: _part(node, op, part) for part, node in parts.items.items()}
    return TableRow(op, values, *mark_and_source(table, op), _range(table, op, len(values)))


def _range(table: Table, op: str, parts: int) -> tuple[Fraction, Fraction] | None:
    """Read `range: [low, high]` of a row of one part."""
    node = table.items.get("range")
    if node is None:
        return None
    if parts != 1:
        raise InputError(f"{node.where}: {op} has {parts} parts; a range needs a row of one part")
    if not isinstance(node, Array) or len(node.items) != 2:
        raise InputError(f"{node.where}: {op}.range must be [low, high]")
    low, high = (quantity_of(item, f"{op}.range", _dimension(op)) for item in node.items)
    if low > high:
        raise InputError(f"{node.where}: {op}.range must be [low, high]")
    return low, high


def _part(node: Node, op: str, part: str) -> Fraction:
    """Read one energy, or power per bit; none is anywhere near `_MOST`."""
    value = quantity_of(node, f"{op}.{part}", _dimension(op))
    if value > _MOST:
        raise InputError(f"{node.where}: {op}.{part} is far too large: surely a slip of the unit")
    return value


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
    value = _part(Scalar(where, text), row.op, part)
    new = TableRow(row.op, {**row.parts, part: value}, Mark.USER, where)
    return replace(table, rows={**table.rows, row.op: new})


def resolved_energy(table: EnergyTable) -> dict[str, Any]:
    """Everything in a table as plain mappings that read back to the same rows."""
    ops = {op: _resolved_row(row) for op, row in table.rows.items()}
    voltage = exact_text(table.voltage_mv, "voltage")
    return {"schema": LIBRARY.schema, "name": table.name, "voltage": voltage, "ops": ops}


def _resolved_row(row: TableRow) -> dict[str, Any]:
    dimension = _dimension(row.op)
    out: dict[str, Any] = {
        "parts": {part: exact_text(value, dimension) for part, value in row.parts.items()},
        "mark": str(row.mark),
        "source": row.source,
    }
    if row.range is not None:
        out["range"] = [exact_text(end, dimension) for end in row.range]
    return out


def energy_yaml(table: EnergyTable) -> str:
    """Write a table as YAML that `parse_energy` reads back to the same rows."""
    return yaml_text(resolved_energy(table))
