"""`noc`: load and latency of the network alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option, set_option
from seneca_sim.cli.progress import progress
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.sweep.noc_study import Curve

COLUMNS = (
    "pattern", "packet_flits", "offered_flits_per_node_cycle", "accepted_flits_per_node_cycle",
    "mean_latency_cycles", "p95_latency_cycles", "packets", "unfinished",
)  # fmt: skip


@click.command("noc")
@click.argument("study", default="load-latency")
@set_option
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write all points here.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the curves (.svg, .png, .pdf).")
@json_option
def command(
    study: str, sets: tuple[str, ...], csv_path: Path | None, plot: Path | None, as_json: bool
) -> None:
    """Run STUDY (load-latency, which ships, or a YAML file): load against latency, saturation."""
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.files import write_text
    from seneca_sim.sweep.noc_study import read_noc_study, run_noc_study

    plan = read_noc_study(study)
    chip = load_chip(plan.chip, parse_settings(sets).chip).chip
    for path in (plot, csv_path):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: folder {path.parent} does not exist")
    if plot is not None:
        from seneca_sim.report.noc_plot import check_picture

        check_picture(plot)
    with progress("loads") as tell:
        curves = run_noc_study(chip, plan, progress=lambda done, total: tell(done, total, ""))
    if csv_path is not None:
        write_text(csv_path, _csv(curves))
    if plot is not None:
        from seneca_sim.report.noc_plot import draw_curves

        draw_curves(chip, curves, plot)
    if as_json:
        import json

        click.echo(json.dumps(_plain(chip, curves), indent=2))
        return
    for line in _lines(chip, curves):
        click.echo(line)


def _rows(curves: Sequence[Curve]) -> list[tuple[Any, ...]]:
    return [
        (
            curve.pattern, curve.flits, p.load.offered, round(p.accepted, 4),
            round(p.mean_latency, 2), p.p95_latency, p.packets, p.unfinished,
        )
        for curve in curves
        for p in curve.points
    ]  # fmt: skip


def _csv(curves: Sequence[Curve]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(curves))
    return out.getvalue()


def _plain(chip: Chip, curves: Sequence[Curve]) -> dict[str, Any]:
    from seneca_sim.sweep.noc_study import capacity

    return {
        "schema": "seneca-noc/1",
        "chip": chip.name,
        "curves": [
            {
                "pattern": c.pattern,
                "packet_flits": c.flits,
                "lowest_load_latency_cycles": c.zero_load,
                "saturation_flits_per_node_cycle": c.saturation,
                "capacity_flits_per_node_cycle": capacity(chip, c.pattern),
            }
            for c in curves
        ],
        "points": [dict(zip(COLUMNS, row, strict=True)) for row in _rows(curves)],
    }


def _lines(chip: Chip, curves: Sequence[Curve]) -> list[str]:
    from seneca_sim.report.layout import NONE
    from seneca_sim.sweep.noc_study import SATURATED, capacity

    noc = chip.noc
    lines = [
        f"{chip.name}: {chip.columns} x {chip.rows} {noc.topology}, {noc.hop_cycles} cycles a hop, "
        f"{noc.link_bits} b links, {noc.buffer_flits} flits a buffer, {noc.arbitration}",
        "pattern    flits  latency at lowest load  saturates at  capacity  (flits a node, cycle)",
    ]
    for c in curves:
        beyond = f"> {c.points[-1].load.offered}"
        point = beyond if c.saturation is None else f"{c.saturation:.3f}"
        limit = capacity(chip, c.pattern)
        lines.append(
            f"{c.pattern:<10} {c.flits:>5}  {c.zero_load:>15.1f} cycles  {point:>12}  "
            f"{NONE if limit is None else f'{limit:.3f}':>8}"
        )
    lines.append(
        f"saturation: mean latency {SATURATED} x that of the lowest load; "
        "capacity: what the busiest link could carry (mesh, XY)"
    )
    return lines
