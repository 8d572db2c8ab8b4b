"""`init`: write a working example to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from seneca_sim.cli.options import json_option
from seneca_sim.errors import InputError

FILES = {
    "README.md": "README.md",
    "chip.yaml": "chip.yaml",
    "energy.yaml": "energy.yaml",
    "shape.yaml": "shape.yaml",
    "study.yaml": "study.yaml",
    "workflow.yml": ".github/workflows/energy.yml",
    "gitignore.txt": ".gitignore",
}
"""Name in the package -> path in the example; the package holds no hidden files."""


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
@json_option
def command(directory: Path, as_json: bool) -> None:
    """Write a chip, an energy table, a workload, a study and a CI workflow to DIRECTORY."""
    import json

    _check_empty(directory)
    for name, target in FILES.items():
        _write(directory / target, files("seneca_sim.cli").joinpath("example", name).read_text())
    _folder(directory / "goldens")  # where `golden record` writes
    if as_json:
        made = {"schema": "seneca-init/1", "directory": str(directory), "files": [*FILES.values()]}
        click.echo(json.dumps(made, indent=2))
    else:
        click.echo(
            f"{directory}: {len(FILES)} files; the commands are in {directory / 'README.md'}"
        )


def _check_empty(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; give a new or an empty folder")
    if directory.is_dir() and any(directory.iterdir()):
        raise InputError(f"{directory}: is not empty; give a new or an empty folder")


def _write(path: Path, text: str) -> None:
    from seneca_sim.files import write_text

    _folder(path.parent)
    write_text(path, text)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror})") from error
