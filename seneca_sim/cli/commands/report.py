"""`report`: what a finished run says, as text, or as one page to look at."""

from __future__ import annotations

from pathlib import Path

import click

from seneca_sim.cli.options import json_option


@click.command("report")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write a page (.html) with charts and tables; needs no network.")  # fmt: skip
@json_option
def command(run: Path, output: Path | None, as_json: bool) -> None:
    """Print the report of RUN (a run folder or its summary.json) again, or write its page."""
    if output is not None:
        _write(run, output, as_json)
        return
    if as_json:
        from seneca_sim.results.folder import read_summary, summary_text

        click.echo(summary_text(read_summary(run)), nl=False)
        return
    from seneca_sim.report.text import render_report

    for line in render_report(run):
        click.echo(line)


def _write(run: Path, output: Path, as_json: bool) -> None:
    from seneca_sim.errors import InputError
    from seneca_sim.files import write_bytes
    from seneca_sim.report.page import run_page

    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: a report is an HTML page; give a name that ends in .html")
    page = run_page(run).encode()
    write_bytes(output, page)
    if as_json:
        import json

        click.echo(json.dumps({"file": str(output), "bytes": len(page)}))
    else:
        click.echo(f"{output}: {len(page) / 1e6:.2f} MB", err=True)
