"""What can be varied: every assumed number with a range, of the chip and of the energy table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.config import Library, Mark, read_document
from seneca_sim.config.check import check_keys, nearest, table_of, text_of
from seneca_sim.config.document import Array, Node
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.errors import InputError
from seneca_sim.units import exact_text

LIBRARY: Final = Library("seneca-assumptions/1", "list of assumptions", Path(__file__).parent)
ASSUMPTION, OPERATING_POINT = "assumption", "operating point"
CHOICES: Final = ("columns", "rows", "host.x", "host.y", "boundary.tile_columns",
                  "boundary.tile_rows")  # fmt: skip
"""Sizes that whoever builds the chip chooses: no evidence could settle them."""
ENERGY: Final = "energy."

Value = int | Fraction | str


@dataclass(frozen=True)
class Note:
    """What `assumptions.yaml` says of a parameter."""

    kind: str = ASSUMPTION
    settle: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter, what it is now, and other values to try; `shown` writes a value with its unit.

    `path` is that of ``--set``, without the class for energies.
    """

    path: str
    nominal: Value
    others: tuple[Value, ...]
    source: str
    note: Note
    dimension: str = ""

    def shown(self, value: Value) -> str:
        """Write a value as files have it."""
        if isinstance(value, str) or not self.dimension:
            return str(value)
        return exact_text(value, self.dimension)


def notes() -> dict[str, Note]:
    """Read ``assumptions.yaml``.

    Raises:
        InputError: with file, line and column.
    """
    table = read_document("assumptions", LIBRARY).table
    check_keys(table, ("parameters",), "")
    entries = table_of(table.items["parameters"], "parameters")
    return {path: _note(node, path) for path, node in entries.items.items()}


def _note(node: Node, path: str) -> Note:
    table = table_of(node, path)
    check_keys(table, ("kind", "settle", "alternatives"), path)
    kind = text_of(table.items["kind"], f"{path}.kind") if "kind" in table.items else ASSUMPTION
    if kind not in (ASSUMPTION, OPERATING_POINT):
        raise InputError(f"{table.where}: {path}.kind is '{kind}'")
    words = table.items.get("alternatives")
    alternatives = words.items if isinstance(words, Array) else ()
    return Note(
        kind,
        text_of(table.items["settle"], f"{path}.settle"),
        tuple(text_of(word, f"{path}.alternatives") for word in alternatives),
    )


def parameters_of(loaded: LoadedChip, table: EnergyTable) -> tuple[Parameter, ...]:
    """List every assumed parameter with a range that the chip has a part for.

    Numbers marked as the user's own take part where they have a range.
    """
    known = notes()
    found = (*_numbers(loaded, known), *_words(loaded.chip, known), *_energies(table, known))
    return tuple(p for p in found if p.path not in CHOICES and _there(loaded.chip, p.path))


def _numbers(loaded: LoadedChip, known: Mapping[str, Note]) -> Iterator[Parameter]:
    for path, leaf in loaded.fields.items():
        if leaf.range is not None and leaf.mark in (Mark.ASSUMED, Mark.USER):
            others = tuple(value for value in leaf.range if value != leaf.value)
            dimension = dimension_of(path)
            note = known.get(path, Note())
            yield Parameter(path, leaf.value, others, leaf.source, note, dimension)


def _words(chip: Chip, known: Mapping[str, Note]) -> Iterator[Parameter]:
    for path, note in known.items():
        if note.alternatives:
            now = get(chip, path)
            yield Parameter(path, now, tuple(w for w in note.alternatives if w != now), "", note)


def _energies(table: EnergyTable, known: Mapping[str, Note]) -> Iterator[Parameter]:
    for op, row in table.rows.items():
        if row.range is not None and row.mark in (Mark.ASSUMED, Mark.USER):
            (value,) = row.parts.values()
            path = ENERGY + op
            others = tuple(end for end in row.range if end != value)
            unit = "power per bit" if op.startswith("leak.") else "energy"
            yield Parameter(path, value, others, row.source, known.get(path, Note()), unit)


def _there(chip: Chip, path: str) -> bool:
    """Say whether the chip has the part that a parameter describes."""
    boundary = chip.boundary.tile_columns or chip.boundary.tile_rows
    memory = chip.memory.kind.replace("-", "_")
    return not (
        (path.startswith(("boundary.", "energy.noc.boundary")) and not boundary)
        or (path.startswith("memory.") and memory == "none")
        or (path.startswith("energy.mem.") and path != f"energy.mem.{memory}_bit")
        or (path == "energy.idle.clock" and chip.core.gating != "none")
    )


def dimension_of(path: str) -> str:
    """The dimension of a field of the chip, "" if it is a plain number."""
    spec: Any = Chip
    for name in path.split("."):
        field = next(f for f in fields(spec) if f.name == name)
        spec = field.type
        if not is_dataclass(spec):
            return str(field.metadata.get("dimension", ""))
    return ""


def get(chip: Chip, path: str) -> Any:
    """A field of the chip by its dotted path."""
    value: Any = chip
    for name in path.split("."):
        value = getattr(value, name)
    return value


def changed(
    loaded: LoadedChip, table: EnergyTable, path: str, value: Value
) -> tuple[LoadedChip, EnergyTable]:
    """Return chip and table with one parameter changed.

    Buffers that could no longer hold the largest packet grow to it.

    Raises:
        InputError: a value that does not go with the rest of the chip.
    """
    if path.startswith(ENERGY):
        op = path.removeprefix(ENERGY)
        row = table.rows[op]
        new = replace(row, parts=dict.fromkeys(row.parts, Fraction(value)))
        return loaded, replace(table, rows={**table.rows, op: new})
    return replace(loaded, chip=_with(loaded.chip, path, value)), table


def _with(chip: Chip, path: str, value: Value) -> Chip:
    head, _, rest = path.partition(".")
    if not rest:
        # The field's name is only known at run time; Chip checks the value itself.
        return replace(chip, **{head: value})  # type: ignore[arg-type]
    part = _nested(getattr(chip, head), rest, value)
    if head == "noc" and part.buffer_flits < part.packet_flits:
        part = replace(part, buffer_flits=part.packet_flits)
    return replace(chip, **{head: part})


def _nested(spec: Any, path: str, value: Value) -> Any:
    head, _, rest = path.partition(".")
    return replace(spec, **{head: _nested(getattr(spec, head), rest, value) if rest else value})


def choose(parameters: Sequence[Parameter], only: Sequence[str]) -> tuple[Parameter, ...]:
    """Those that are named; all of them if none is.

    Raises:
        InputError: a name that is no parameter with a range.
    """
    known = {p.path: p for p in parameters}
    for path in only:
        if path not in known:
            tip = nearest(path, known) or f"; there are {', '.join(known)}"
            raise InputError(f"sensitivity: no assumed parameter '{path}'{tip}")
    return tuple(p for p in parameters if not only or p.path in only)
