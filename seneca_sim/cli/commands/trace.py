"""`trace`: record and show activation traces."""

from __future__ import annotations

from pathlib import Path

import click

from seneca_sim.cli.options import inputs_of, json_option, need_torch, set_option, workload_options
from seneca_sim.errors import InputError


@click.group("trace")
def command() -> None:
    """Record a model's activations, or look at a recorded trace."""


@command.command("record")
@workload_options
@set_option
@click.option("--variant", type=click.Choice(["natural", "sparsified"]), default="natural",
              show_default=True, help="Without or with the recipe's thresholds.")  # fmt: skip
@click.option("--values/--no-values", default=True, help="Keep values, not only masks.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def record_command(
    workload: str | None,
    text: Path | None,
    recipe: Path | None,
    rescaled: str | None,
    sets: tuple[str, ...],
    variant: str,
    values: bool,
    output: Path,
) -> None:
    """Run WORKLOAD on text and write what goes into its matrices."""
    need_torch("recording a trace")
    from seneca_sim.cli.settings import parse_settings
    from workloads.job.load import load
    from workloads.models import content_hash
    from workloads.traces import write_trace
    from workloads.traces.record import record

    inputs = inputs_of(workload, text, recipe, parse_settings(sets), rescaled)
    model = load(inputs)
    thresholds = None
    if variant == "sparsified":
        if inputs.recipe is None:
            raise InputError(f"{inputs.name} has no recipe; give one with --recipe")
        inputs.recipe.check_model(content_hash(model.weights))
        thresholds = inputs.recipe.thresholds
    trace = record(model, list(inputs.window), inputs.context, thresholds, variant, values=values)
    write_trace(output, trace)
    click.echo(f"{output}: {len(trace.tokens)} tokens, {variant}, id {trace.content_hash[:12]}")


@command.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Say what is in a trace: shape, tokens, zeros per site, surviving MACs."""
    import json

    from workloads.traces import average_sparsity, count_macs, mean_sparsity, read_trace

    trace = read_trace(file)
    macs = count_macs(trace)
    facts = {
        "schema": "seneca-trace-summary/1",
        "trace": trace.content_hash,
        "model": trace.model,
        "variant": trace.variant,
        "shape": dict(trace.shape),
        "tokens": len(trace.tokens),
        "sparsity_by_site": mean_sparsity(trace),
        "average_sparsity": average_sparsity(trace),
        "block_macs_per_token": macs.per_token(),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    shape = ", ".join(f"{key} {value}" for key, value in trace.shape.items())
    click.echo(f"{file}: {trace.variant}, {facts['tokens']} tokens of {trace.model[:16]} ({shape})")
    for site, share in mean_sparsity(trace).items():
        click.echo(f"  {site:<8} {100 * share:5.1f} % zeros")
    click.echo(
        f"  average  {100 * average_sparsity(trace):5.1f} %, "
        f"{macs.per_token():,.0f} block MACs survive per token"
    )
