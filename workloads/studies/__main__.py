"""`python -m workloads.studies NAME`: run what is missing of a study, print its tables.

NAME is a study file beside this one, `path` (latency by critical path) or `speed`. With
``--picture FILE`` a scaling study is drawn, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seneca_sim.errors import InputError, SenecaError
from workloads.studies.picture import check_picture, draw_scaling
from workloads.studies.tables import VIEWS

HERE = Path(__file__).parent
SWEEP = (sys.executable, "-m", "seneca_sim.cli.main", "sweep")


def main(arguments: Sequence[str]) -> int:
    """Run one study; further arguments go to `seneca-sim sweep`, as in ``--store DIR``."""
    try:
        rest, picture = _picture(arguments)
        for line in lines_of(rest, picture):
            print(line)
    except SenecaError as error:
        print(f"workloads.studies: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _picture(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Arguments without ``--picture FILE``, and the file.

    Raises:
        InputError: no file behind it, or one that cannot be drawn.
    """
    rest = list(arguments)
    if "--picture" not in rest:
        return rest, None
    at = rest.index("--picture")
    if at + 1 == len(rest):
        raise InputError("--picture needs a file, as in --picture scaling.svg")
    path = Path(rest[at + 1])
    check_picture(path)
    return rest[:at] + rest[at + 2 :], path


def lines_of(arguments: Sequence[str], picture: Path | None = None) -> list[str]:
    """The tables of a study; with `picture` a scaling study is drawn.

    Raises:
        InputError: no such study, its sweep failed, or it has no picture.
    """
    name = arguments[0] if arguments else ""
    if name in ("path", "speed"):
        from workloads.studies.measure import paths, speeds

        return paths() if name == "path" else speeds()
    file = HERE / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(found.stem for found in HERE.glob("*.yaml")))
        raise InputError(f"study {name!r} is not here; there are {known}, path, speed")
    kind = next((part for part in VIEWS if part in name), "gains")
    if picture and kind != "scaling":
        raise InputError(f"--picture: {name} has no picture; only scaling studies are drawn")
    rows = points(file, arguments[1:])
    if picture:
        draw_scaling(rows, picture)
    return [line for view in VIEWS[kind] for line in [*view(rows), ""]][:-1]


def points(file: Path, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run a study in one process and read its points; those in the store are not run again."""
    _sweep("run", file, "--jobs", "1", *arguments, show=False)
    found = _sweep("table", file, "--json", *arguments, show=True)
    rows: list[dict[str, Any]] = json.loads(found)["rows"]
    return rows


def _sweep(what: str, file: Path, *arguments: str, show: bool) -> str:
    """What a `seneca-sim sweep` command prints; progress and errors go where they always go."""
    command = [*SWEEP, what, str(file), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise InputError(f"{file.name}: sweep {what} ended with exit code {done.returncode}")
    return done.stdout if show else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
