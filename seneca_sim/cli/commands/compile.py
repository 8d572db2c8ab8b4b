"""`compile`: what the compiler makes of a model's shape on a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import (
    chip_option,
    inputs_of,
    json_option,
    need_torch,
    set_option,
    workload_options,
)

if TYPE_CHECKING:
    from seneca_sim.cli.settings import Settings
    from workloads.job.inputs import Inputs
    from workloads.traces import ActivationTrace


@click.command("compile")
@workload_options
@chip_option
@set_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the program here.")
@click.option("--trace", type=click.Path(path_type=Path),
              help="Take the shape, and how often channels fire, from a trace.")  # fmt: skip
@click.option("--variant", default="dense", show_default=True,
              help="Densities of a shape, for the expected traffic.")  # fmt: skip
@click.option("--smallest", is_flag=True,
              help="On the smallest mesh of this chip's cores that fits.")  # fmt: skip
@json_option
def command(
    workload: str | None,
    text: Path | None,
    recipe: Path | None,
    rescaled: str | None,
    chip: str,
    sets: tuple[str, ...],
    output: Path | None,
    trace: Path | None,
    variant: str,
    smallest: bool,
    as_json: bool,
) -> None:
    """Compile WORKLOAD (a zoo name, checkpoint or shape) for a chip and show the mapping."""
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.compiling import compile_shape, fitted_chip
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cli.summary import program_summary, summary_lines
    from seneca_sim.program.file import write_program
    from workloads.compiler.report import mapping_report, report_lines

    settings = parse_settings([*sets, *(["mapping.fit=smallest"] if smallest else [])])
    loaded = load_chip(chip, settings.chip)
    source = _source(
        workload,
        trace,
        variant,
        lambda: inputs_of(workload, text, recipe, settings, rescaled),
        settings,
    )
    loaded = fitted_chip(source.name, source.shape, loaded, chip, settings)
    program = compile_shape(source.name, source.shape, loaded.chip, settings, source.trace)
    if output is not None:
        write_program(output, program)
    summary = program_summary(program, loaded.chip)
    stream = None
    if source.trace is not None:
        from workloads.compiler import event_stream

        stream = event_stream(program, source.trace)
    report = mapping_report(program, loaded.chip, source.densities, stream)
    if as_json:
        import json

        click.echo(json.dumps({**summary, "report": report}, indent=2))
        return
    for line in [*summary_lines(summary), *report_lines(report)]:
        click.echo(line)


@dataclass(frozen=True)
class _Source:
    """What is compiled, and what is known of its events."""

    name: str
    shape: dict[str, Any]
    densities: dict[str, float] = field(default_factory=dict)
    trace: ActivationTrace | None = None


def _source(
    workload: str | None,
    trace: Path | None,
    variant: str,
    inputs: Callable[[], Inputs],
    settings: Settings,
) -> _Source:
    from workloads.zoo import is_shape

    if trace is not None:
        from seneca_sim.cli.replay import replayed
        from workloads.traces import read_trace

        found = replayed(read_trace(trace), settings)
        return _Source(found.model[:16], dict(found.shape), trace=found)
    if workload is not None and is_shape(workload):
        from workloads import zoo
        from workloads.traces import trace_shape

        assert workload is not None
        card = zoo.load_shape(workload)
        sites = card.densities(variant).by_site(card.shape)
        return _Source(card.name, dict(trace_shape(card.shape)), sites)
    need_torch("reading a checkpoint")
    from workloads.job.load import load
    from workloads.traces.record import trace_shape as model_shape

    job = inputs()
    return _Source(job.name, dict(model_shape(load(job))))
