"""`kernel`: the micro-kernels that all computing costs are read from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import DEFAULT_ENERGY, json_option

if TYPE_CHECKING:
    from seneca_sim.cost.energy import EnergyTable
    from seneca_sim.cost.kernel import Kernel

ROWS = 16


@click.group("kernel")
def command() -> None:
    """Show the programs of the NPEs, their cycles, ops and energy."""


energy_option = click.option(
    "--energy", default=DEFAULT_ENERGY, show_default=True, help="Energy table, or a YAML file."
)
npes_option = click.option("--npes", default=8, show_default=True, help="Lanes; a power of two.")


@command.command("list")
@npes_option
@json_option
def list_kernels(npes: int, as_json: bool) -> None:
    """List all kernels with their cycles; rows are rows of lanes, G events in a group."""
    from seneca_sim.cost.kernel import kernel_names, load_kernel

    kernels = [load_kernel(name, npes) for name in kernel_names()]
    if as_json:
        rows = [_head(kernel) | {"cycles": kernel.cycles._asdict()} for kernel in kernels]
        click.echo(json.dumps({"schema": "seneca-kernels/1", "kernels": rows}, indent=2))
        return
    cycles = [_formula(kernel) for kernel in kernels]
    wide = max(map(len, cycles))
    for kernel, formula in zip(kernels, cycles, strict=True):
        click.echo(f"{kernel.name:26}  {formula:{wide}}  {kernel.doc}")
    click.echo("\nG events in a group, R rows of lanes; `seneca-sim kernel show NAME` prints one.")


@command.command("show")
@click.argument("name")
@click.option("--g", type=click.IntRange(min=0), help="Events in the group; default 16, or none.")
@click.option("--rows", type=click.IntRange(min=1), default=ROWS, show_default=True,
              help="Rows of lanes that it runs over.")  # fmt: skip
@npes_option
@energy_option
@json_option
def show(name: str, g: int | None, rows: int, npes: int, energy: str, as_json: bool) -> None:
    """Print the program of kernel NAME, and what one task of it costs."""
    from seneca_sim.cost import listing
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.cost.kernel import load_kernel

    kernel, table = load_kernel(name, npes), load_energy(energy)
    group = listing.default_group(kernel) if g is None else g
    listing.check_group(kernel, group)
    report = _report(kernel, table, rows, group)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        for line in _text(report):
            click.echo(line)


def _head(kernel: Kernel) -> dict[str, Any]:
    return {
        "name": kernel.name,
        "doc": kernel.doc,
        "mark": kernel.mark,
        "source": kernel.source,
        "error": kernel.error,
        "npes": kernel.npes,
        "width": kernel.width,
        "max_rows": kernel.max_rows,
    }


def _report(kernel: Kernel, table: EnergyTable, rows: int, g: int) -> dict[str, Any]:
    """Everything that is shown, as JSON has it."""
    from seneca_sim.cost import listing
    from seneca_sim.cost.ops import OPS

    cost, energy = kernel.cost(rows, g), listing.energy(kernel, table, rows, g)
    sections = listing.listing(kernel, rows, g)
    return {
        "schema": "seneca-kernel/1",
        **_head(kernel),
        "rows": rows,
        "g": g,
        "operands": {name: list(axes) for name, axes in kernel.memory},
        "inputs": list(kernel.inputs),
        "outputs": list(kernel.outputs),
        "registers": listing.registers(kernel, g),
        "constants": listing.constants(kernel),
        "sections": [
            {
                "kind": section.kind,
                "runs": section.runs,
                "entries": section.entries,
                "cycles": section.cycles,
                "program": [vars(line) for line in section.lines],
            }
            for section in sections
        ],
        "formula": _formula(kernel),
        "cycles": cost.cycles,
        "ops": {op: n for op, n in zip(OPS, cost.counts, strict=True) if n},
        "captures": kernel.captures,
        "synaptic_operations": listing.synaptic_operations(kernel, rows, g),
        "energy_table": table.name,
        "energy_fj": {key: _number(value) for key, value in vars(energy).items()},
    }


def _number(value: Fraction | int | None) -> float | int | None:
    return float(value) if isinstance(value, Fraction) else value


def _formula(kernel: Kernel) -> str:
    """The cycles of a task, as in `2 + G + R (2 + 3 G)`."""
    p0, p1, r0, r1, e0 = kernel.cycles
    row = _sum(r0, r1)
    rows = f"R ({row})" if " " in row else f"{row} R"
    return " + ".join(part for part in (_sum(p0 + e0, p1), rows) if part)


def _sum(fixed: int, per_event: int) -> str:
    events = f"{per_event} G" if per_event > 1 else "G" if per_event else ""
    return " + ".join(part for part in (str(fixed) if fixed else "", events) if part)


def _text(report: dict[str, Any]) -> Iterator[str]:
    neurons = report["rows"] * report["width"] * report["npes"]
    group = f", a group of {report['g']} events" if report["g"] else ""
    yield f"{report['name']}: {report['doc']}"
    rows = _count(report["rows"], "row")
    yield f"A task over {rows} on {report['npes']} NPEs: {neurons} values{group}."
    yield ""
    yield f"mark        {report['mark']}: {report['source']}"
    if report["error"]:
        yield f"error       {report['error']}"
    yield from _places(report)
    yield from _program(report)
    yield f"cycles      {report['cycles']:,} = {report['formula']}"
    yield "ops         " + ", ".join(f"{n:,} {op}" for op, n in report["ops"].items())
    yield from _energy_lines(report)
    if report["captures"]:
        yield "            not in it: evg.event for each event that EVC captures"
    yield "            not in it: set-up of the task, controller, leakage"


def _places(report: dict[str, Any]) -> Iterator[str]:
    for what in ("inputs", "outputs"):
        if report[what]:
            yield f"{what:10}  {', '.join(report[what])} (registers of the kernel that calls it)"
    operands = [
        name + (f"[{', '.join(axes)}]" if axes else "") for name, axes in report["operands"].items()
    ]
    if operands:
        yield f"memory      {'  '.join(operands)}"
    have = report["registers"]
    events = ""
    if have["per_event"]:
        events = (
            f" ({have['fixed']} and one for each event; at most {have['largest_group']} events)"
        )
    yield f"registers   {have['used']} of {have['of']}{events}"
    if report["constants"]:
        values = (f"{name} {value:.6g}" for name, value in report["constants"].items())
        yield f"constants   {', '.join(values)}"
    if report["max_rows"]:
        yield f"rows        at most {report['max_rows']}"
    yield ""


def _program(report: dict[str, Any]) -> Iterator[str]:
    """Addresses are entries of the loop buffer, lines those of the kernel's file."""
    yield "entry line  program                                   issued"
    for section in report["sections"]:
        runs = _count(section["runs"], "time") if section["kind"] == "row" else "once"
        title = f"{section['kind']}:"
        yield f"            {title:36}{runs:>12}, {section['cycles']:,} cycles"
        for line in section["program"]:
            address = "" if line["address"] is None else line["address"]
            times = "" if line["address"] is None else f"{line['times']:,}"
            yield f"{address:>5} {line['line'] or '':>4}    {line['text']:38} {times:>7}".rstrip()
    if any("~" in line["text"] for section in report["sections"] for line in section["program"]):
        yield "            ~0, ~1 …: registers of inlined kernels; their line is that of the call"
    yield ""


def _energy_lines(report: dict[str, Any]) -> Iterator[str]:
    energy = report["energy_fj"]
    yield f"energy      {_picojoule(energy['task'])} a task ({report['energy_table']})"
    values = report["width"] * report["npes"]
    yield f"            {_picojoule(energy['row'])} a row of {values} values"
    if energy["event"] is not None:
        yield f"            {_picojoule(energy['event'])} an event, over all rows"
    if energy["synaptic_operation"] is not None:
        once = f", {_picojoule(energy['with_values'])} with what the task does once"
        yield (
            f"            {_picojoule(energy['synaptic_operation'])} a synaptic operation"
            f"{once if energy['with_values'] != energy['synaptic_operation'] else ''}"
            f" ({report['synaptic_operations']:,} of them)"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _picojoule(femtojoule: float) -> str:
    value = femtojoule / 1000
    return f"{value:,.0f} pJ" if value >= 1000 else f"{value:.3g} pJ"
