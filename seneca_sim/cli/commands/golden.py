"""`golden`: record a run's integers in a committed file, check that they hold, move them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import (
    DEFAULT_CHIP,
    DEFAULT_ENERGY,
    chip_option,
    json_option,
    set_option,
    workload_options,
)
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.engine.choose import Engine
    from seneca_sim.golden import Golden

_LARGE = 1_000_000  # bytes
engine_option = click.option(
    "--engine", type=click.Choice(["auto", "reference", "compiled"]), default="auto",
    show_default=True, help="Both engines give the same numbers.",
)  # fmt: skip


@click.group("golden")
def command() -> None:
    """Hold the integers of a run still in a committed file."""


@command.command("record")
@workload_options
@chip_option
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--trace", type=click.Path(path_type=Path), help="Replay a trace; needs no torch.")
@click.option("--program", type=click.Path(path_type=Path), help="Run a program file.")
@click.option("--events", type=click.Path(path_type=Path),
              help="Its events: JSON, a list of counts per route, one a token.")  # fmt: skip
@click.option("--variant", "variants", multiple=True, metavar="NAME",
              help="Only this variant (dense, natural, sparsified); repeatable.")  # fmt: skip
@click.option("--live", is_flag=True,
              help="Open model or trace anew in each check, keep no masks.")  # fmt: skip
@click.option("--tolerance", "tolerances", multiple=True, metavar="KEYS=SIZE:REASON",
              help="What may move, by how much, and why; repeatable.")  # fmt: skip
@click.option("--name", help="What to call the golden; default: the file's name.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@engine_option
@json_option
def record_(
    workload: str | None, text: Path | None, recipe: Path | None, rescaled: str | None, chip: str,
    sets: tuple[str, ...], energy: str, trace: Path | None, program: Path | None,
    events: Path | None, variants: tuple[str, ...], live: bool, tolerances: tuple[str, ...],
    name: str | None, output: Path, engine: Engine, as_json: bool,
) -> None:  # fmt: skip
    """Record a golden from WORKLOAD, a trace or a program, or from a run folder in its place.

    The masks of a shape (as in rwkv4-169m) are drawn anew in each check.
    """
    from seneca_sim.cli.golden_files import program_spec, record_file
    from seneca_sim.golden.tolerance import parse_tolerance

    asked: dict[str, Any] = {
        "chip": chip, "energy": energy, "sets": list(sets), "workload": workload,
        "text": _plain(text), "recipe": _plain(recipe), "rescaled": rescaled,
        "trace": _plain(trace),
    }  # fmt: skip
    given = [workload is not None, trace is not None, program is not None]
    if sum(given) > 1 or (program is None) != (events is None):
        raise InputError("give one of WORKLOAD, --trace FILE, and --program FILE with --events")
    folder = Path(workload) if workload and (Path(workload) / "summary.json").is_file() else None
    if folder is not None:
        asked = _asked_of(folder, asked)
    if program is not None and events is not None:
        asked |= program_spec(program, events)
    else:
        asked["kind"] = _kind_of(asked)
    if output.is_dir():
        raise InputError(f"{output}: is a folder; name a file in it, as in {output / 'NAME.json'}")
    output = output if output.suffix else output.with_suffix(".json")
    golden = record_file(
        output, asked | {"variants": list(variants)}, name=name, live=live, engine=engine,
        tolerances=[parse_tolerance(text) for text in tolerances],
        confirm=lambda found: _same_as(folder, found),
    )  # fmt: skip
    _tell(output, golden, "recorded", as_json)


@command.command("check")
@click.argument("files", nargs=-1)
@click.option("--variant", "variants", multiple=True, metavar="NAME",
              help="Only this variant; repeatable.")  # fmt: skip
@click.option("--keys", multiple=True, metavar="PATTERN",
              help="Only numbers like this, as in 'energy.*'; repeatable.")  # fmt: skip
@click.option("--markdown", type=click.Path(path_type=Path),
              help="Write a comment for a pull request.")  # fmt: skip
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML.")
@click.option("--all", "everything", is_flag=True, help="Print every number that moved.")
@engine_option
@json_option
def check_(
    files: tuple[str, ...], variants: tuple[str, ...], keys: tuple[str, ...],
    markdown: Path | None, junit: Path | None, everything: bool, engine: Engine, as_json: bool,
) -> int:  # fmt: skip
    """Run goldens again (files, folders, patterns; default: the folder goldens) and compare.

    Exit code 0 if every number holds, 1 if one moved, 2 if a golden could not be run.
    """
    from seneca_sim.cli.golden_files import check_files, expand
    from seneca_sim.cli.progress import progress
    from seneca_sim.files import write_text
    from seneca_sim.golden.check import Selection
    from seneca_sim.golden.junit import junit_of
    from seneca_sim.golden.text import exit_code, json_of, lines_of, markdown_of
    from seneca_sim.report.compare import MOST

    paths = expand(files)
    with progress("checking") as tell:
        outcomes = check_files(
            paths, Selection(variants, keys), engine, lambda done: tell(done, len(paths), "")
        )
    most = None if everything else MOST
    if markdown is not None:
        write_text(markdown, markdown_of(outcomes, most))
    if junit is not None:
        write_text(junit, junit_of(outcomes))
    if as_json:
        _echo_json(json_of(outcomes))
    else:
        click.echo("\n".join(lines_of(outcomes, most)))
    return exit_code(outcomes)


@command.command("update")
@click.argument("files", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why the numbers moved; kept in the file.")
@engine_option
@json_option
def update_(files: tuple[str, ...], reason: str, engine: Engine, as_json: bool) -> None:
    """Write the numbers of now into goldens, with the reason, for whoever reads the history."""
    from seneca_sim.cli.golden_files import expand, update_files
    from seneca_sim.golden.keep import check_reason

    check_reason(reason)
    moved = update_files(expand(files), reason, engine)
    if as_json:
        told = [{"file": str(p), "written": bool(m), "moved": list(m)} for p, m in moved.items()]
        _echo_json({"schema": "seneca-golden-update/1", "reason": reason, "goldens": told})
        return
    for path, lines in moved.items():
        click.echo(f"{path}: {'written' if lines else 'holds, nothing written'}")
        for line in lines:
            click.echo(f"  {line}")


@command.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Say what a golden holds, and its history."""
    from seneca_sim.golden import read_golden

    golden = read_golden(file)
    _tell(file, golden, "holds", as_json)
    if not as_json:
        for entry in golden.history:
            click.echo(f"  {entry.when} {entry.version}: {entry.reason}")
            for line in entry.moved:
                click.echo(f"    {line}")


def _plain(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _kind_of(asked: Mapping[str, Any]) -> str:
    """Where the events come from: a trace, a shape's densities, or a model that is run."""
    from workloads.zoo import is_shape

    if asked["trace"]:
        return "trace"
    name = asked["workload"]
    if not name or not is_shape(name):
        return "workload"
    for option in ("text", "recipe", "rescaled"):
        if asked.get(option):
            raise InputError(f"{name} is a shape without weights: leave --{option} out")
    return "shape"


def _asked_of(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run folder's run was asked for; options beside it would be another run."""
    from seneca_sim.results.compare.folder import read_run

    defaults = {"chip": DEFAULT_CHIP, "energy": DEFAULT_ENERGY, "sets": []}
    extra = [k for k, v in given.items() if k != "workload" and v and v != defaults.get(k)]
    if extra:
        raise InputError(f"{folder} is a finished run: leave out what would change it ({extra[0]})")
    asked = read_run(folder).asked
    if not asked:
        raise InputError(
            f"{folder}: its run does not say what it was asked for; record from the same inputs"
        )
    return dict(asked)


def _same_as(folder: Path | None, golden: Golden) -> None:
    """Refuse a golden that is not the run it was asked for: an input has changed since."""
    if folder is None:
        return
    from seneca_sim.results.compare import moves
    from seneca_sim.results.compare.folder import read_run

    run = read_run(folder)
    for label, numbers in golden.numbers.items():
        moved = moves(run.numbers[label], numbers) if label in run.numbers else ()
        if moved:
            raise InputError(
                f"{folder}: gives other numbers now ({label} {moved[0].key} is {moved[0].new}, was "
                f"{moved[0].old}): an input or the code has changed since; run it again"
            )


def _tell(file: Path, golden: Golden, verb: str, as_json: bool) -> None:
    size = file.stat().st_size
    numbers = {label: len(found.integers()) for label, found in golden.numbers.items()}
    if as_json:
        _echo_json(
            {
                "schema": "seneca-golden-summary/1",
                "file": str(file),
                "name": golden.name,
                "kind": golden.spec["kind"],
                "bytes": size,
                "numbers": numbers,
                "degenerate": list(golden.degenerate),
                "history": [asdict(entry) for entry in golden.history],
            }
        )
        return
    told = ", ".join(f"{label} {n}" for label, n in numbers.items())
    click.echo(f"{file}: {verb} {told} numbers in {size:,} bytes")
    if size > _LARGE and verb == "recorded":
        click.echo("  large: --live keeps a trace by name instead; fewer tokens do, too", err=True)
    for reason in golden.degenerate:
        click.echo(f"  proves little: {reason}", err=verb == "recorded")


def _echo_json(data: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
