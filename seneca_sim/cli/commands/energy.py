"""`energy`: the table that prices counts, as a whole or one row taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import DEFAULT_ENERGY, chip_option, json_option, set_option

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.cost.energy import EnergyTable
    from seneca_sim.cost.explain import Explanation

energy_option = click.option(
    "--energy", default=DEFAULT_ENERGY, show_default=True, help="Energy table, or a YAML file."
)


@click.group("energy")
def command() -> None:
    """Show the energy table, or explain one row of it."""


@command.command("show")
@chip_option
@set_option
@energy_option
@json_option
def show(chip: str, sets: tuple[str, ...], energy: str, as_json: bool) -> None:
    """List every row: what one count costs on the chip, part by part, and its mark."""
    from seneca_sim.cost.explain import explain
    from seneca_sim.cost.ops import OPS

    spec, table = _load(chip, sets, energy)
    rows = [explain(table, op, spec) for op in OPS]
    if as_json:
        report = {
            "schema": "seneca-energy-report/1", "table": table.name, "chip": spec.name,
            "voltage_mv": spec.voltage_mv, "clock_hz": spec.clock_hz,
            "rows": [_json_row(row) for row in rows],
        }  # fmt: skip
        _echo_json(report)
        return
    click.echo(_title(table, spec))
    for line in _table(rows):
        click.echo(line)


@command.command("explain")
@click.argument("op")
@chip_option
@set_option
@energy_option
@json_option
def explain_(op: str, chip: str, sets: tuple[str, ...], energy: str, as_json: bool) -> None:
    """Take the row of OP apart: value, parts, source, mark, and how it scales."""
    from seneca_sim.cost.explain import explain

    spec, table = _load(chip, sets, energy)
    row = explain(table, op, spec)
    if as_json:
        _echo_json({"table": table.name, "chip": spec.name, **_json_row(row)})
        return
    click.echo(_title(table, spec))
    for line in _lines(row):
        click.echo(line)


def _load(chip: str, sets: tuple[str, ...], energy: str) -> tuple[Chip, EnergyTable]:
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cost.energy import load_energy

    settings = parse_settings(sets)
    return load_chip(chip, settings.chip).chip, load_energy(energy, settings.energy)


def _title(table: EnergyTable, chip: Chip) -> str:
    from seneca_sim.cost.scaling import volts

    at = f"{volts(chip.voltage_mv)}, {chip.clock_hz / 1e6:g} MHz"
    return f"{table.name} (holds at {volts(table.voltage_mv)}) on {chip.name} at {at}"


def _table(rows: Sequence[Explanation]) -> list[str]:
    from seneca_sim.report.layout import NONE, aligned

    cells = [["op", "per count", "per NPE", "parts", "mark"]]
    for row in rows:
        parts = " + ".join(f"{part.name} {_pj(part.fj)}" for part in row.parts)
        each = NONE if row.per_npe_fj is None else _pj(row.per_npe_fj)
        cells.append([row.op, _pj(row.total_fj), each, parts, str(row.mark)])
    return [*aligned(cells), "pJ for each count; `seneca-sim energy explain OP` says what it is."]


def _lines(row: Explanation) -> list[str]:
    from seneca_sim.report.layout import aligned, wrapped
    from seneca_sim.units import exact_text

    dimension = "power per bit" if row.unit == "fW/b" else "energy"
    cells = [["part", "table", "times", "voltage", "per count"]]
    for part in row.parts:
        value, voltage = exact_text(part.table_value, dimension), f"{float(row.scaling.factor):g}"
        cells.append([part.name, value, part.factor_text, voltage, f"{_pj(part.fj)} pJ"])
    each = "" if row.per_npe_fj is None else f"; {_pj(row.per_npe_fj)} pJ for each NPE"
    lines = [f"{row.op}: {_pj(row.total_fj)} pJ a count{each}", f"one count: {row.counts}"]
    lines += [*aligned(cells), f"mark: {row.mark} (in the table: {row.table_mark})"]
    lines += wrapped(f"source: {row.source}", 2)
    if row.range is not None:
        lines.append(f"range: {' to '.join(exact_text(end, dimension) for end in row.range)}")
    return [*lines, f"voltage: {row.scaling.rule}", f"clock: {row.clock}"]


def _pj(femtojoules: Any) -> str:
    return f"{float(femtojoules) / 1000:.6g}"


def _json_row(row: Explanation) -> dict[str, Any]:
    return {
        "op": row.op,
        "one_count": row.counts,
        "value_fj": float(row.total_fj),
        "unit": "fJ per count",
        "per_npe_fj": None if row.per_npe_fj is None else float(row.per_npe_fj),
        "parts": [
            {
                "class": part.name,
                "table_value": float(part.table_value),
                "table_unit": row.unit,
                "times": float(part.factor),
                "times_what": part.factor_text,
                "value_fj": float(part.fj),
            }
            for part in row.parts
        ],
        "mark": str(row.mark),
        "table_mark": str(row.table_mark),
        "source": row.source,
        "range": None if row.range is None else [float(end) for end in row.range],
        "scaling": {
            "voltage": row.scaling.rule,
            "voltage_factor": float(row.scaling.factor),
            "clock": row.clock,
        },
    }


def _echo_json(report: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(report, indent=2))
