"""`report`: the text of a finished run, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import click

from seneca_sim.cli.options import json_option


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def command(run: Path, as_json: bool) -> None:
    """Print the report of RUN (a run folder or its summary.json) again."""
    if as_json:
        from seneca_sim.results.folder import read_summary, summary_text

        click.echo(summary_text(read_summary(run)), nl=False)
        return
    from seneca_sim.report.text import render_report

    for line in render_report(run):
        click.echo(line)
