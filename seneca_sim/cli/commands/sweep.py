"""`sweep`: run a study, and look at what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seneca_sim.cli.options import json_option
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seneca_sim.cli.sweeping import Opened
    from seneca_sim.sweep.runners import Runner
    from seneca_sim.sweep.study import Direction

STORES = "seneca-sweeps"


class _Sweep(click.Group):
    """`sweep STUDY` is `sweep run STUDY`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front unless a subcommand or help is asked for."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("sweep", cls=_Sweep)
def command() -> None:
    """Run a study over many points: `sweep STUDY.yaml`; resume by the same command.

    Every point is kept in a store as soon as it is done. STUDY is a file, or one that ships.
    """


_STORE_HELP = f"Where the points are kept; default: {STORES}/NAME."
_EXPORT_HELP = "Write all points: .csv or .parquet; repeatable."
_PLOT_HELP = "Draw points and Pareto front: .svg, .png or .pdf."
_FILE = click.Path(path_type=Path)


def _common(function: Callable[..., None]) -> Callable[..., None]:
    """Add STUDY, --store, --export, --json."""
    function = json_option(function)
    function = click.option(
        "--export", "exports", multiple=True, metavar="FILE", type=_FILE, help=_EXPORT_HELP
    )(function)
    function = click.option("--store", metavar="DIR", type=_FILE, help=_STORE_HELP)(function)
    return click.argument("study")(function)


_plot_option = click.option("--plot", metavar="FILE", type=_FILE, help=_PLOT_HELP)


@command.command("run")
@_common
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: all processors.")
@click.option("--dask", is_flag=False, flag_value="local", metavar="[ADDRESS]",
              help="Run on a Dask cluster: a scheduler's address, or a local one.")  # fmt: skip
@click.option("--shard", metavar="I/N", help="Run part I of N, for array jobs on one store.")
@click.option("--search", type=click.IntRange(1), metavar="TRIALS",
              help="Guided search over the axes in place of all points.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Check and compile everything, run nothing.")
@_plot_option
def run(
    study: str, store: Path | None, exports: tuple[Path, ...], as_json: bool, jobs: int | None,
    dask: str | None, shard: str | None, search: int | None, dry_run: bool, plot: Path | None,
) -> None:  # fmt: skip
    """Run the points of STUDY that the store does not have yet."""
    from seneca_sim.cli.sweeping import open_study
    from seneca_sim.sweep.run import parse_shard

    part = parse_shard(shard) if shard else None
    if search and (part or dry_run):
        raise InputError("--search chooses its points itself: leave --shard and --dry-run out")
    if dask and jobs and dask != "local":
        raise InputError("--jobs is for this machine; a cluster has the workers that it has")
    _check_files(exports, plot)
    with _runner(jobs, dask, idle=dry_run) as runner:
        opened = open_study(study, trials=search)
        if dry_run:
            _dry(opened, as_json)
            return
        folder = store or Path(STORES) / opened.study.name
        slots = jobs or _processors()
        opened.run(folder, runner, slots, part)
    _show(opened, as_json, exports, plot, "run")


@command.command("table")
@_common
@_plot_option
@click.option("--rows", type=click.IntRange(1), default=1000, help="Rows to print at most.")
def table(
    study: str, store: Path | None, exports: tuple[Path, ...], as_json: bool, plot: Path | None,
    rows: int,
) -> None:  # fmt: skip
    """Print the points of STUDY that are in the store, in the order of the study."""
    _look(study, store, exports, plot)(as_json, "table", rows)


@command.command("pareto")
@_common
@_plot_option
@click.option("--minimize", multiple=True, metavar="METRIC", help="Objective; repeatable.")
@click.option("--maximize", multiple=True, metavar="METRIC", help="Objective; repeatable.")
def pareto(
    study: str, store: Path | None, exports: tuple[Path, ...], as_json: bool, plot: Path | None,
    minimize: tuple[str, ...], maximize: tuple[str, ...],
) -> None:  # fmt: skip
    """Print the points of STUDY that no other point beats; objectives default to the study's."""
    objectives = _objectives(minimize, maximize)
    _look(study, store, exports, plot, objectives)(as_json, "pareto", 1000)


@command.command("best")
@_common
@click.option("--minimize", metavar="METRIC", help="Default: the study's first objective.")
@click.option("--maximize", metavar="METRIC", help="What to maximise instead.")
@click.option("--where", multiple=True, metavar="EXPRESSION",
              help="Constraint beside the study's, as in 'chip_mm2 < 20'; repeatable.")  # fmt: skip
@click.option("--rows", type=click.IntRange(1), default=10, show_default=True)
def best(
    study: str, store: Path | None, exports: tuple[Path, ...], as_json: bool,
    minimize: str | None, maximize: str | None, where: tuple[str, ...], rows: int,
) -> None:  # fmt: skip
    """Print the best points of STUDY that hold every constraint."""
    objectives = _objectives((minimize,) if minimize else (), (maximize,) if maximize else ())
    _look(study, store, exports, None, objectives, where)(as_json, "best", rows)


def _objectives(minimize: tuple[str, ...], maximize: tuple[str, ...]) -> dict[str, Direction]:
    found: dict[str, Direction] = dict.fromkeys(minimize, "minimize")
    return found | dict.fromkeys(maximize, "maximize")


def _look(
    study: str, store: Path | None, exports: tuple[Path, ...], plot: Path | None,
    objectives: Mapping[str, Direction] | None = None, where: tuple[str, ...] = (),
) -> Callable[[bool, str, int], None]:  # fmt: skip
    from seneca_sim.cli.sweeping import open_study

    _check_files(exports, plot)
    opened = open_study(study, objectives=objectives or {}, where=where)
    opened.look(store or Path(STORES) / opened.study.name)

    def show(as_json: bool, what: str, rows: int) -> None:
        _show(opened, as_json, exports, plot, what, rows)

    return show


def _check_files(exports: tuple[Path, ...], plot: Path | None) -> None:
    """Nothing is computed for a file that cannot be written afterwards."""
    if exports:
        from seneca_sim.results.store.table import check_export

        for path in exports:
            check_export(path)
    if plot is not None:
        from seneca_sim.report.noc_plot import check_picture

        if not plot.parent.is_dir():
            raise InputError(f"{plot}: folder {plot.parent} does not exist")
        check_picture(plot)


@contextmanager
def _runner(jobs: int | None, dask: str | None, *, idle: bool) -> Iterator[Runner]:
    """Processes start first and load while the study is checked."""
    from seneca_sim.sweep.runners import Processes, Serial

    count = 1 if idle else jobs or _processors()
    runner: Runner
    if dask and not idle:
        from seneca_sim.sweep.cluster import Cluster

        runner = Cluster(dask, jobs)
    else:
        runner = Serial() if count == 1 else Processes(count, ["seneca_sim.cli.warm"])
    try:
        yield runner
    except BaseException:
        runner.close(at_once=True)
        raise
    runner.close()


def _processors() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _dry(opened: Opened, as_json: bool) -> None:
    """Compile every program and say what there is to do, and what does not fit."""
    from seneca_sim.errors import Finding

    plan = opened.dry_run()
    if as_json:
        import json

        click.echo(json.dumps(plan, indent=2))
    else:
        click.echo(
            f"{plan['study']}: {plan['points']} points ({plan['left_out']} filtered out), "
            f"{plan['programs']} programs"
        )
        for problem in plan["problems"]:
            click.echo(problem)
    if plan["problems"]:
        raise Finding(f"{plan['impossible']} of {plan['points']} points cannot run")


def _show(
    opened: Opened, as_json: bool, exports: tuple[Path, ...], plot: Path | None, what: str,
    rows: int | None = None,
) -> None:  # fmt: skip
    opened.export(exports)
    if plot is not None:
        opened.plot(plot)
    if as_json:
        import json

        click.echo(json.dumps(opened.plain(what, rows), indent=2, allow_nan=False))
        return
    for line in opened.lines(what, rows):
        click.echo(line)
