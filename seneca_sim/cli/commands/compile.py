"""`compile`: what the compiler makes of a model's shape on a chip."""

from __future__ import annotations

from pathlib import Path

import click

from seneca_sim.cli.options import (
    chip_option,
    inputs_of,
    json_option,
    need_torch,
    set_option,
    workload_options,
)


@click.command("compile")
@workload_options
@chip_option
@set_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the program here.")
@click.option("--trace", type=click.Path(path_type=Path), help="Take the shape from a trace.")
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
    as_json: bool,
) -> None:
    """Compile WORKLOAD (a zoo name or checkpoint) for a chip and show the mapping."""
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.compiling import compile_shape
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cli.summary import program_summary, summary_lines
    from seneca_sim.program.file import write_program

    settings = parse_settings(sets)
    loaded = load_chip(chip, settings.chip)
    if trace is not None:
        from workloads.traces import read_trace

        found = read_trace(trace)
        name, shape = found.model[:16], dict(found.shape)
    else:
        need_torch("reading a checkpoint")
        from workloads.job.load import load
        from workloads.traces.record import trace_shape

        inputs = inputs_of(workload, text, recipe, settings, rescaled)
        name, shape = inputs.name, dict(trace_shape(load(inputs)))
    program = compile_shape(name, shape, loaded.chip, settings)
    if output is not None:
        write_program(output, program)
    summary = program_summary(program, loaded.chip)
    if as_json:
        import json

        click.echo(json.dumps(summary, indent=2))
        return
    for line in summary_lines(summary):
        click.echo(line)
