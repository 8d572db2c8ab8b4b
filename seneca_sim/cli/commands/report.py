"""`report`: what a finished run says, as text, or a run or a study as one page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seneca_sim.cli.options import json_option
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.report.page import Points


@click.command("report")
@click.argument("what", metavar="RUN|STUDY")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write a page (.html) with charts and tables; needs no network.")  # fmt: skip
@click.option("--store", metavar="DIR", type=click.Path(path_type=Path),
              help="Where a study's points are kept; default: seneca-sweeps/NAME.")  # fmt: skip
@json_option
def command(what: str, output: Path | None, store: Path | None, as_json: bool) -> None:
    """Print the report of a run again, or write the page of a run or a study.

    RUN is a run folder or its summary.json; STUDY a study, its file, or its store.
    """
    if output is not None:
        _write(what, store, output, as_json)
        return
    if store is not None or _is_study(Path(what)):
        raise InputError(f"{what}: a study's report is a page; say where with -o FILE.html")
    if as_json:
        from seneca_sim.results.folder import read_summary, summary_text

        click.echo(summary_text(read_summary(what)), nl=False)
        return
    from seneca_sim.report.text import render_report

    for line in render_report(what):
        click.echo(line)


def _write(what: str, store: Path | None, output: Path, as_json: bool) -> None:
    from seneca_sim.files import write_bytes

    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: a report is an HTML page; give a name that ends in .html")
    page = _page(what, store).encode()
    write_bytes(output, page)
    if as_json:
        import json

        click.echo(json.dumps({"file": str(output), "bytes": len(page)}))
    else:
        click.echo(f"{output}: {len(page) / 1e6:.2f} MB", err=True)


def _page(what: str, store: Path | None) -> str:
    path = Path(what)
    if store is None and not _is_study(path):
        from seneca_sim.report.page import run_page

        return run_page(path)
    from seneca_sim.report.page import store_points, study_page

    if (path / "store.json").is_file():
        return study_page(store_points(path))
    return study_page(_study_points(what, store))


def _study_points(name: str, folder: Path | None) -> Points:
    """What a study's store has of its points, less those that break a constraint."""
    from seneca_sim.cli.commands.sweep import STORES
    from seneca_sim.cli.sweeping import open_study
    from seneca_sim.report.page import Points
    from seneca_sim.sweep.view import holding, row_of

    opened = open_study(name)
    opened.look(folder or Path(STORES) / opened.study.name)
    held = {id(one) for one in holding(opened.seen, opened.study.constraints)}
    kept = [one for one in opened.seen if id(one) in held or not one.record.ok]
    return Points(
        name=opened.study.name,
        rows=[row_of(opened.sweep.plan, one) for one in kept],
        axes=opened.study.axes,
        objectives=opened.study.pareto,
        report=[scalar.text for scalar in opened.study.report],
        left_out=len(opened.seen) - len(kept),
    )


def _is_study(path: Path) -> bool:
    """A store, a study's file, or the name of a study that ships; all else is taken for a run."""
    if path.exists():
        return (path / "store.json").is_file() or path.suffix.lower() in (".yaml", ".yml")
    from seneca_sim.sweep.study import LIBRARY

    return (LIBRARY.folder / f"{path}.yaml").is_file()
