"""`report`: the text of a finished run, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Print the report of RUN (a run folder or its summary.json) again."""
    from seneca_sim.report.text import render_report

    for line in render_report(run):
        click.echo(line)
