"""Identities: a run is its content, whatever engine ran it and whenever.

`activity_id` names what the engine was asked: everything that cycles and counts depend on.
`run_id` adds what the price depends on. Names, sources and engines are in neither.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, Final

from seneca_sim.chip import Chip
from seneca_sim.chip.load import LoadedChip
from seneca_sim.cost.energy import EnergyTable
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.program import EventStream, Program
from seneca_sim.program.file import plain

MODEL_VERSION: Final = 1
"""Raised with every change of the engines' rules that moves a count or a cycle."""

_IMPLIED = (("head", "in"), ("placement", "row-major"))
"""What a program's mapping says since there is a choice; without one it was so. Left out, so that
programs keep their ids."""
_CORE_PRICE_ONLY = (
    "data_memory_bits",
    "instruction_memory_bits",
    "register_words",
    "bank_bits",
    "gating",
)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the text that is hashed."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=plain
    )


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def content_hash(program: Program) -> str:
    """SHA-256 over everything in a program."""
    tables = {f.name: plain(getattr(program, f.name)) for f in fields(program)}
    del tables["name"]
    for region in tables["regions"]:
        if not region["column_low"]:
            del region["column_low"]
    if program.sequences == 1:
        del tables["sequences"]
    if not program.passes:
        del tables["passes"], tables["ahead"]
    tables["mapping"] = [list(pair) for pair in program.mapping if pair not in _IMPLIED]
    return digest(tables)


def activity_id(
    chip: Chip,
    program: Program,
    stream: EventStream,
    mode: str,
    window_cycles: int,
    *,
    program_sha256: str | None = None,
) -> str:
    """Name the activity of a run: chip as far as cycles go, kernels, program, events, mode.

    `program_sha256` is the program's `content_hash`, for those who have it already.
    """
    return digest(
        {
            "model": MODEL_VERSION,
            "chip": _cycle_fields(chip, program),
            "kernels": _kernels(program, chip.core.npes),
            "program": program_sha256 or content_hash(program),
            "stream": stream.content_hash,
            "mode": mode,
            "window_cycles": window_cycles,
        }
    )


def run_id(activity: str, loaded: LoadedChip, table: EnergyTable) -> str:
    """Name a priced run: its activity, the rest of the chip, the energies, and all marks."""
    chip = asdict(loaded.chip)
    del chip["name"]
    rows = {
        op: {"mark": str(row.mark), "parts": {part: str(v) for part, v in row.parts.items()}}
        for op, row in table.rows.items()
    }
    marks = {path: str(mark) for path, mark in loaded.marks.items()}
    return digest(
        {
            "activity": activity,
            "chip": chip,
            "marks": marks,
            "energy": rows,
            "voltage_mv": table.voltage_mv,
        }
    )


def group_id(members: Iterable[tuple[str, str]]) -> str:
    """Name several runs shown together, (label, run id) each, in their order."""
    return digest([list(member) for member in members])


def _cycle_fields(chip: Chip, program: Program) -> dict[str, Any]:
    """A chip without its name and without what moves no cycle of this program.

    That is what only leaks or turns cycles into seconds, off-core memory that the program does
    not use, and the boundaries of a chip of one reticle.
    """
    fields = asdict(chip)
    for name in ("name", "clock_hz", "voltage_mv"):
        del fields[name]
    del fields["memory"], fields["core"]["controller"]["code_bits"]
    if not (chip.boundary.tile_columns or chip.boundary.tile_rows):
        del fields["boundary"]
    if program.passes or any(region.shared for region in program.regions):
        fields["memory"] = asdict(chip.memory) | {"latency_ps": 0}
        fields["memory"]["latency_cycles"] = chip.memory_latency_cycles
    for name in _CORE_PRICE_ONLY:
        del fields["core"][name]
    return fields


def _kernels(program: Program, npes: int) -> dict[str, Any]:
    """The costs of the micro-kernels that a program runs."""
    names = {c.kernel for c in program.consumers if c.kernel}
    names |= {step.kernel for stage in program.stages for step in stage.steps}
    kernels = (load_kernel(name, npes) for name in sorted(names))
    return {k.name: [list(k.cycles), [list(c) for c in k.counts]] for k in kernels}
