"""Area of a core and a chip, part by part, from densities of memories and areas of logic.

A sum from the bottom up. The published core has 0.47 mm2 and its two memories alone, at the
published 0.2 um2/b, 0.472: that density is rounded, so the sum must come out above. The gap is
reported (`seneca_sim.validate`), never tuned away.

Not in it: pads, host port, power grid, memories and links outside the mesh of cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

from seneca_sim.chip.spec import Chip
from seneca_sim.config import Document, Library, Mark, Sourced, parse_document, read_document
from seneca_sim.config.check import check_keys, quantity_of, sourced, table_of, text_of
from seneca_sim.errors import InputError

LIBRARY = Library("seneca-area/1", "area table", Path(__file__).parent / "areas")
BITS: Final = ("sram", "register_file")
LOGIC: Final = ("npe", "controller", "loop_control", "event_generator", "smpu", "router")
LOOP_BUFFER_BITS: Final = 128 * 23
"""Entries x width of the loop buffer (second-hand, T23)."""
REGISTER_BITS: Final = 16
MESH_INPUTS: Final = 4
"""Input buffers of a router; the one from its own core is the output queue."""


@dataclass(frozen=True)
class AreaTable:
    """um2 per bit of each kind of memory, um2 of each kind of logic, and the hash of the text."""

    name: str
    rows: Mapping[str, Sourced[Fraction]]
    sha256: str


@dataclass(frozen=True)
class AreaItem:
    """One part of a core: `count` bits or units of `um2_each`."""

    part: str
    row: str
    count: int
    unit: str
    um2_each: Fraction
    mark: Mark
    source: str

    @property
    def um2(self) -> Fraction:
        """Area of the part, in um2."""
        return self.count * self.um2_each


def core_area(chip: Chip, table: AreaTable) -> tuple[AreaItem, ...]:
    """List the parts of one core of `chip`, its router included."""
    core, noc = chip.core, chip.noc
    queues = core.input_queue_flits + core.output_queue_flits
    parts = (
        ("data memory", "sram", core.data_memory_bits),
        ("instruction memory", "sram", core.instruction_memory_bits),
        ("NPE registers", "register_file", core.npes * core.register_words * REGISTER_BITS),
        ("loop buffer", "register_file", LOOP_BUFFER_BITS),
        ("event queues", "register_file", queues * noc.flit_bits),
        ("router buffers", "register_file", MESH_INPUTS * noc.buffer_flits * noc.flit_bits),
        ("NPEs", "npe", core.npes),
        ("controller", "controller", 1),
        ("loop control", "loop_control", 1),
        ("event generator", "event_generator", 1),
        ("SMPU", "smpu", 1),
        ("router", "router", 1),
    )
    return tuple(_item(table, *part) for part in parts)


def _item(table: AreaTable, part: str, row: str, count: int) -> AreaItem:
    found = table.rows[row]
    unit = "b" if row in BITS else ""
    return AreaItem(part, row, count, unit, found.value, found.mark, found.source)


def core_um2(chip: Chip, table: AreaTable) -> Fraction:
    """Area of one core, in um2."""
    return sum((item.um2 for item in core_area(chip, table)), Fraction(0))


def chip_um2(chip: Chip, table: AreaTable) -> Fraction:
    """Area of all cores, in um2."""
    return chip.cores * core_um2(chip, table)


def load_area(name_or_path: str | Path = "seneca-gf22") -> AreaTable:
    """Read a shipped area table or a YAML file (`extends: seneca-gf22` changes single rows).

    Raises:
        InputError: with file, line and column.

    """
    return _load(read_document(name_or_path, LIBRARY))


def parse_area(text: str, name: str = "<text>") -> AreaTable:
    """Read an area table from YAML text."""
    return _load(parse_document(text, name, LIBRARY))


def _load(document: Document) -> AreaTable:
    """Build the table of a merged document."""
    top = document.table
    check_keys(top, ("name", "bits", "logic"), "")
    rows: dict[str, Sourced[Fraction]] = {}
    for section, names, dimension in (("bits", BITS, "area per bit"), ("logic", LOGIC, "area")):
        if section not in top.items:
            raise InputError(f"{top.where}: '{section}' is missing")
        group = table_of(top.items[section], section)
        check_keys(group, names, section)
        for name in names:
            if name not in group.items:
                raise InputError(f"{group.where}: {section}.{name} is missing")
            read = partial(quantity_of, dimension=dimension)
            rows[name] = sourced(group.items[name], f"{section}.{name}", read)
    if "name" not in top.items:
        raise InputError(f"{top.where}: 'name' is missing")
    return AreaTable(text_of(top.items["name"], "name"), rows, document.sha256)
