"""Which input moved a golden's numbers, found by running with only that input changed.

A golden holds its chip and its energy table, so the recorded machine can be built again and given
one changed field, or one changed row, at a time. What is left when the recorded machine runs is
the doing of program, kernels, traces or code; what is left at the end is what changes do together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LIBRARY as CHIPS
from seneca_sim.chip.load import parse_chip, resolved
from seneca_sim.config import yaml_text
from seneca_sim.cost.energy import LIBRARY as TABLES
from seneca_sim.cost.energy import EnergyTable, parse_energy
from seneca_sim.errors import SenecaError
from seneca_sim.golden.job import Bench
from seneca_sim.results.compare import Cause, Change, Numbers, causes, changes, term_moves
from seneca_sim.results.compare.causes import ranked, row_text, rows_of
from seneca_sim.results.compare.inputs import Leaf, Sections, flat_chip
from seneca_sim.results.compare.numbers import op_of

MOST_RUNS = 8
"""Changed fields of a chip that are run one by one; more are run together."""
TOGETHER = "these changes together, beyond what each does alone"


Machine = tuple[Chip, EnergyTable]


def attribute(
    inputs: Sections,
    old: Numbers,
    new: Numbers,
    changed: Sequence[Change],
    bench: Bench,
    label: str,
) -> tuple[Cause, ...]:
    """Causes of a move from `old`, recorded with `inputs`, to `new`, what the bench gives now.

    Where the recorded machine cannot be built any more, the closed form of `causes` is what is
    left.
    """
    # A field that is gone cannot be set: its going is a change of the code.
    on_chip = [c for c in changed if c.section == "chip" and c.new is not None]
    if not on_chip:
        return causes(old, new, changed)
    try:
        chip, table = recorded_chip(inputs, bench.job.chip), recorded_table(inputs)
        start = bench.numbers(label, chip, table)
    except SenecaError:
        return causes(old, new, changed)
    others = changes(inputs, bench.inputs(chip, table))  # compiled for the recorded chip
    found = list(causes(old, start, others)) if start != old else []
    impossible = []
    for text, make in _steps(chip, table, on_chip, changed, bench):
        try:
            got = bench.numbers(label, *make())
        except SenecaError:  # two fields that only go together
            impossible.append(text)
            continue
        found += _alone(text, start, got)
    return ranked([*found, *_together(old, new, found, impossible)])


def _alone(text: str, start: Numbers, got: Numbers) -> Iterator[Cause]:
    """What a change does by itself; nothing where it moves nothing."""
    if got != start:
        moved = tuple(move.path for move in term_moves(start, got))
        yield Cause(text, got.energy_fj - start.energy_fj, got.cycles - start.cycles, moved)


def _together(
    old: Numbers, new: Numbers, found: Sequence[Cause], impossible: Sequence[str]
) -> Iterator[Cause]:
    """What is left of the move; with the changes that do not run by themselves."""
    energy = new.energy_fj - old.energy_fj - sum(cause.energy_fj for cause in found)
    cycles = new.cycles - old.cycles - sum(cause.cycles for cause in found)
    if energy or cycles or not found:
        told = f"{'; '.join(impossible)} (not possible alone), and " if impossible else ""
        yield Cause(told + TOGETHER, energy, cycles)


def _steps(
    chip: Chip,
    table: EnergyTable,
    on_chip: Sequence[Change],
    changed: Sequence[Change],
    bench: Bench,
) -> Iterator[tuple[str, Callable[[], Machine]]]:
    """Every change by itself: what it is called, and how to make the machine that has it."""
    now = bench.job
    if len(on_chip) > MOST_RUNS:
        shown = "; ".join(str(change) for change in on_chip[:MOST_RUNS])
        text = f"{shown}; and {len(on_chip) - MOST_RUNS} more"
        yield text, lambda: (now.chip, table)
    else:
        for change in on_chip:
            yield str(change), partial(_with_field, chip, now.chip, change.path, table)
    for op, parts in rows_of(changed).items():
        yield row_text(op, parts), partial(_with_row, chip, table, now.table, op)


def _with_field(chip: Chip, now: Chip, path: str, table: EnergyTable) -> Machine:
    """The recorded chip with one field as it is now.

    Raises:
        InputError: there is no such chip.
    """
    *parts, name = path.split(".")
    owners: list[Any] = [chip]
    current: Any = now
    for part in parts:
        owners.append(getattr(owners[-1], part))
        current = getattr(current, part)
    made: Any = replace(owners.pop(), **{name: getattr(current, name)})
    for part in reversed(parts):
        made = replace(owners.pop(), **{part: made})
    return made, table


def _with_row(chip: Chip, table: EnergyTable, now: EnergyTable, op: str) -> Machine:
    """The recorded machine with one row of the energy table as it is now."""
    if op == "voltage":
        return chip, replace(table, voltage_mv=now.voltage_mv)
    rows = {key: row for key, row in table.rows.items() if key != op}
    return chip, replace(table, rows=rows | ({op: now.rows[op]} if op in now.rows else {}))


def recorded_chip(inputs: Sections, now: Chip) -> Chip:
    """The chip that a golden was recorded on; fields that are new since are as they are now."""
    known = flat_chip(resolved(now))
    flat = known | {path: v for path, v in inputs["chip"].items() if path in known}
    return parse_chip(yaml_text({"schema": CHIPS.schema, "name": now.name} | _tree(flat))).chip


def recorded_table(inputs: Sections) -> EnergyTable:
    """The energies that a golden was recorded with."""
    ops: dict[str, Any] = {}
    for path, value in inputs["energy"].items():
        if path != "voltage":
            op = op_of(path)
            ops.setdefault(op, {"parts": {}})["parts"][path.rpartition(".")[2]] = value
    voltage = inputs["energy"]["voltage"]
    content = {"schema": TABLES.schema, "name": "recorded", "voltage": voltage, "ops": ops}
    return parse_energy(yaml_text(content))


def _tree(flat: Mapping[str, Leaf]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parts, name = path.split(".")
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
        node[name] = value
    return tree
