"""`area`: what a core and a chip measure, part by part, beside the published core."""

from __future__ import annotations

from typing import Any

import click

from seneca_sim.cli.options import chip_option, json_option, set_option

PUBLISHED_MM2 = "0.47"


@click.command("area")
@chip_option
@set_option
@click.option("--table", "table_name", default="seneca-gf22", show_default=True,
              help="Area table, or a YAML file.")  # fmt: skip
@json_option
def command(chip: str, sets: tuple[str, ...], table_name: str, as_json: bool) -> None:
    """Show the area of a core and of the chip, in GF 22 nm, from densities and assumed logic."""
    from seneca_sim.chip.area import chip_um2, core_area, core_um2, load_area
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.settings import parse_settings

    loaded, table = load_chip(chip, parse_settings(sets).chip), load_area(table_name)
    total = core_um2(loaded.chip, table)
    report: dict[str, Any] = {
        "schema": "seneca-area-report/1",
        "chip": loaded.chip.name,
        "table": table.name,
        "cores": loaded.chip.cores,
        "core_mm2": float(total / 10**6),
        "chip_mm2": float(chip_um2(loaded.chip, table) / 10**6),
        "parts": [
            {
                "part": item.part,
                "count": item.count,
                "unit": item.unit,
                "um2_each": float(item.um2_each),
                "um2": float(item.um2),
                "mark": str(item.mark),
                "source": item.source,
            }
            for item in core_area(loaded.chip, table)
        ],
    }
    if as_json:
        import json

        click.echo(json.dumps(report, indent=2))
        return
    for line in _lines(report):
        click.echo(line)


def _lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    from seneca_sim.report.layout import aligned

    rows = [["part", "count", "µm² each", "µm²", "share", "mark"]]
    total = report["core_mm2"] * 1e6
    for part in report["parts"]:
        count = f"{part['count']:,} {part['unit']}".strip()
        share = f"{100 * part['um2'] / total:.1f} %"
        each, area = f"{part['um2_each']:,g}", f"{part['um2']:,.0f}"
        rows.append([part["part"], count, each, area, share, part["mark"]])
    cores, chip = report["cores"], report["chip_mm2"]
    return [
        f"A core of {report['chip']}: {report['core_mm2']:.3f} mm²; {cores} cores: {chip:.1f} mm²",
        *aligned(rows),
        f"Published for a core with 2 Mib and 256 Kib: {PUBLISHED_MM2} mm², which its memories",
        "alone exceed at the published, rounded density; see `seneca-sim validate`.",
    ]
