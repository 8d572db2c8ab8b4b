"""`compare`: two runs, or two stores of runs: what moved, and why as far as inputs differ."""

from __future__ import annotations

from pathlib import Path

import click

from seneca_sim.cli.options import json_option


@click.command("compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it as Markdown, too.")
@click.option("--all", "everything", is_flag=True, help="Print every number that moved.")
@json_option
def command(old: Path, new: Path, markdown: Path | None, everything: bool, as_json: bool) -> int:
    """Compare two run folders, the largest changes first; exit code 1 if an integer differs."""
    from seneca_sim.files import write_text
    from seneca_sim.report.compare import MOST, json_of, lines_of, markdown_of
    from seneca_sim.results.compare.comparison import compare
    from seneca_sim.results.compare.folder import read_run

    comparison = compare(read_run(old), read_run(new))
    most = None if everything else MOST
    if markdown is not None:
        write_text(markdown, markdown_of(comparison, most))
    if as_json:
        import json

        click.echo(json.dumps(json_of(comparison), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines_of(comparison, most)))
    return 0 if comparison.same else 1
