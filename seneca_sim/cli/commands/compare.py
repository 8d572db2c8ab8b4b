"""`compare`: two runs, goldens or stores: what moved, and why as far as inputs differ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.results.compare.folder import Snapshot
    from seneca_sim.results.compare.stores import RecordLike

STORE = "store.json"


@click.command("compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it as Markdown, too.")
@click.option("--all", "everything", is_flag=True, help="Print everything that moved.")
@json_option
def command(old: Path, new: Path, markdown: Path | None, everything: bool, as_json: bool) -> int:
    """Compare two run folders, two stores or two goldens, the largest changes first.

    Exit code 1 if an integer of a run, or a metric of a point, differs.
    """
    from seneca_sim.files import write_text
    from seneca_sim.report.compare import MOST

    most = None if everything else MOST
    same, lines, text, data = _compared(old, new, most)
    if markdown is not None:
        write_text(markdown, text)
    if as_json:
        import json

        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines))
    return 0 if same else 1


def _compared(
    old: Path, new: Path, most: int | None
) -> tuple[bool, list[str], str, dict[str, Any]]:
    """Whether they agree; the comparison as text, Markdown and plain data."""
    stores = [(path / STORE).is_file() for path in (old, new)]
    if any(stores):
        if not all(stores):
            raise InputError(f"{old} and {new}: a store can only be compared with a store")
        from seneca_sim.report import compare_stores as how
        from seneca_sim.results.compare.stores import compare_stores

        found = compare_stores(_records(old), _records(new), (str(old), str(new)))
        return (
            found.same,
            how.lines_of(found, most),
            how.markdown_of(found, most),
            how.json_of(found),
        )
    from seneca_sim.report import compare as said
    from seneca_sim.results.compare.comparison import compare

    runs = compare(_snapshot(old), _snapshot(new))
    return runs.same, said.lines_of(runs, most), said.markdown_of(runs, most), said.json_of(runs)


def _snapshot(path: Path) -> Snapshot:
    """A run folder, or what a golden holds."""
    from seneca_sim.results.compare.folder import Snapshot, read_run
    from seneca_sim.results.folder import SUMMARY

    if path.is_dir() or path.name == SUMMARY or not path.exists():
        return read_run(path)
    from seneca_sim.golden import read_golden

    golden = read_golden(path)
    return Snapshot(str(path), golden.inputs, golden.numbers, {})


def _records(path: Path) -> Iterable[RecordLike]:
    from seneca_sim.results.store import Store

    return Store(path)
