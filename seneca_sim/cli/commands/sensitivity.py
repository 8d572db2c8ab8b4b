"""`sensitivity`: which assumptions matter, on a workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seneca_sim.cli.options import (
    DEFAULT_ENERGY,
    chip_option,
    inputs_of,
    json_option,
    need_torch,
    set_option,
    workload_options,
)
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.cli.settings import Settings
    from seneca_sim.program import EventStream, Program
    from workloads.job import Inputs
    from workloads.traces import ActivationTrace

TOKENS = 2
MEASURES = ("energy-delay", "energy", "latency", "energy gain", "latency gain")


@click.command("sensitivity")
@workload_options
@chip_option
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--trace", "traces", multiple=True, type=click.Path(path_type=Path),
              help="Replay a trace; a second one is compared with the first.")  # fmt: skip
@click.option("--only", multiple=True, metavar="PATH", help="Only this parameter; repeatable.")
@click.option("--by", type=click.Choice(MEASURES), default=MEASURES[0], show_default=True,
              help="Rank by the change of this.")  # fmt: skip
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write every point.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it: .svg, .png or .pdf.")
@click.option("--processes", type=click.IntRange(1), help="Side by side; default: all processors.")
@click.option("--all", "everything", is_flag=True, help="Print every parameter.")
@json_option
def command(
    workload: str | None, text: Path | None, recipe: Path | None, rescaled: str | None, chip: str,
    sets: tuple[str, ...], energy: str, traces: tuple[Path, ...], only: tuple[str, ...], by: str,
    csv_path: Path | None, plot: Path | None, processes: int | None, everything: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Vary each assumed number over its range on WORKLOAD and rank what changes.

    Two tokens of the model that ships by default (--set workload.tokens=16 for more).
    """
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.compiling import fitted_chip
    from seneca_sim.cli.progress import progress
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.files import write_text
    from seneca_sim.sensitivity import choose, parameters_of, run_study
    from seneca_sim.sensitivity.plot import check_path, write_tornado
    from seneca_sim.sensitivity.text import csv_text, json_of, lines_of

    settings = parse_settings((f"workload.tokens={TOKENS}", *sets))
    loaded, table = load_chip(chip, settings.chip), load_energy(energy, settings.energy)
    parameters = choose(parameters_of(loaded, table), only)
    for path in (plot, csv_path):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: folder {path.parent} does not exist")
    if plot is not None:
        check_path(plot)
    if traces and (workload is not None or recipe is not None or text is not None):
        raise InputError("--trace replays a trace: leave WORKLOAD, --text and --recipe out")
    variants = (
        _replayed(traces, parse_settings(sets))
        if traces
        else _recorded(lambda: inputs_of(workload, text, recipe, settings, rescaled))
    )
    shape = next(iter(variants.values())).shape
    loaded = fitted_chip("workload", shape, loaded, chip, settings)
    with progress("simulating") as tell:
        study = run_study(
            loaded, table, parameters, _Builder(variants, settings),
            mode=settings.mode, processes=processes, progress=lambda a, b: tell(a, b, ""),
        )  # fmt: skip
    if csv_path is not None:
        write_text(csv_path, csv_text(study, by))
    if plot is not None:
        write_tornado(study, plot, by)
    if as_json:
        import json

        click.echo(json.dumps(json_of(study, by), indent=2))
        return
    for line in lines_of(study, by, everything):
        click.echo(line)


def _recorded(inputs: Callable[[], Inputs]) -> dict[str, ActivationTrace]:
    need_torch("running a model")
    from seneca_sim.cli.pipeline import with_dense
    from seneca_sim.cli.progress import progress
    from workloads.job.prepare import prepare

    with progress("recording") as tell:
        found = prepare(inputs(), tell).traces
    return found if len(found) > 1 else with_dense(found)


def _replayed(paths: tuple[Path, ...], settings: Settings) -> dict[str, ActivationTrace]:
    """Traces by file name; a single one is compared with nothing skipped."""
    from seneca_sim.cli.pipeline import with_dense
    from seneca_sim.cli.replay import replayed
    from workloads.traces import read_trace

    found = {path.stem: replayed(read_trace(path), settings) for path in paths}
    if len(found) < len(paths) or len(paths) > 2:
        raise InputError("--trace: expected one trace, or two with different names")
    shapes = {str(trace.shape) for trace in found.values()}
    if len(shapes) > 1:
        raise InputError("--trace: two traces of different shapes cannot be compared")
    return found if len(found) > 1 else with_dense(found)


class _Builder:
    """Compiles the workload for a chip, and streams its traces through the program."""

    def __init__(self, traces: Mapping[str, ActivationTrace], settings: Settings) -> None:
        self.traces, self.settings = traces, settings

    def __call__(self, chip: Chip) -> tuple[Program, dict[str, EventStream]]:
        from seneca_sim.cli.compiling import compile_shape
        from workloads.compiler import event_stream

        shape = next(iter(self.traces.values())).shape
        program = compile_shape("workload", shape, chip, self.settings)
        return program, {name: event_stream(program, t) for name, t in self.traces.items()}
