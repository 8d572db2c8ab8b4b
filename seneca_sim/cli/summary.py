"""What a program looks like from outside: sizes, memory, balance."""

from __future__ import annotations

from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.program import Program
from seneca_sim.program.passes import load_of, parts_of
from seneca_sim.program.verify_memory import code_bits
from seneca_sim.results.ids import content_hash
from seneca_sim.units import si


def program_summary(program: Program, chip: Chip) -> dict[str, Any]:
    """Plain numbers about a program on its chip."""
    used = [program.memory_bits.get(core, 0) for core in range(program.cores)]
    code = code_bits(program, chip)
    holds = [bits for bits in used if bits]
    fullest = max(range(program.cores), key=lambda core: used[core])
    weights = sum(r.bits for r in program.regions if r.name.startswith("weight:"))
    return {
        "schema": "seneca-program-summary/1",
        "program": program.name,
        "program_hash": content_hash(program),
        "chip": chip.name,
        "cores": program.cores,
        "cores_used": len(holds),
        "mapping": dict(program.mapping),
        "shape": dict(program.shape),
        **({"passes": _passes(program, chip)} if program.passes else {}),
        "sites": len(program.sites),
        "routes": len(program.routes),
        "consumers": len(program.consumers),
        "stages": len(program.stages),
        "memory_bits_there_per_core": chip.core.data_memory_bits,
        "memory_bits_fullest_core": used[fullest],
        "fullest_core": fullest,
        "memory_bits_mean": sum(holds) // max(1, len(holds)),
        "weight_bits": weights,
        "bank_bits": chip.core.bank_bits,
        "banks_per_core": -(-chip.core.data_memory_bits // chip.core.bank_bits),
        "banks_fullest_core": -(-used[fullest] // chip.core.bank_bits),
        "code_bits_fullest_core": max(code.values(), default=0),
        "code_bits_there_per_core": chip.core.instruction_memory_bits,
    }


def _passes(program: Program, chip: Chip) -> dict[str, Any]:
    """Loads of the passes; their time is that of the slowest channel."""
    loads = [load_of(part, chip) for part in parts_of(program)]
    return {
        "layers": dict(program.mapping).get("passes", "").split(),
        "reload": "ahead" if program.ahead else "before",
        "load_bits": [load.bits for load in loads],
        "load_cycles": [load.cycles for load in loads],
        "load_s": sum(load.cycles for load in loads) / chip.clock_hz,
    }


def _passes_line(found: dict[str, Any]) -> str:
    """Where the model is cut, and what each turn through all passes loads."""
    overlap = "while the pass before runs" if found["reload"] == "ahead" else "before each pass"
    return (
        f"passes   {len(found['layers'])}: layers {', '.join(found['layers'])}; a turn loads "
        f"{sum(found['load_bits']):,} bits in {si(found['load_s'], 's')}, {overlap}"
    )


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The same for people."""
    there, full = summary["memory_bits_there_per_core"], summary["memory_bits_fullest_core"]
    shape = ", ".join(f"{key} {value}" for key, value in summary["shape"].items())
    mapping = summary["mapping"]
    groups = [f"groups   {mapping['groups']} cores in layer 0"] if "groups" in mapping else []
    return [
        f"{summary['program']} ({shape}) fits {summary['chip']}: "
        f"{summary['cores_used']} of {summary['cores']} cores, "
        f"{mapping['cores_per_layer']} a layer, {mapping['strategy']}, "
        f"{mapping['weights']} weights, head {mapping.get('head', 'in')}",
        *groups,
        *([_passes_line(summary["passes"])] if "passes" in summary else []),
        f"memory   fullest core {summary['fullest_core']}: {full:,} of {there:,} bits "
        f"({100 * full / there:.0f} %), mean {summary['memory_bits_mean']:,}; "
        f"weights {summary['weight_bits']:,} bits in all",
        f"banks    {summary['banks_fullest_core']} of {summary['banks_per_core']} on the fullest "
        f"core; code {summary['code_bits_fullest_core']:,} of "
        f"{summary['code_bits_there_per_core']:,} bits of instruction memory",
        f"program  {summary['sites']} sites, {summary['routes']} routes, "
        f"{summary['consumers']} consumers, {summary['stages']} stages; "
        f"id {summary['program_hash'][:12]}",
    ]
