"""`trace`: record, draw and show activation traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seneca_sim.cli.options import inputs_of, json_option, need_torch, set_option, workload_options
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.traces import ChannelStats


@click.group("trace")
def command() -> None:
    """Record a model's activations, draw them for a shape, or look at a trace."""


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
    from seneca_sim.files import check_output

    check_output(output)
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
    trace = record(
        model, list(inputs.windows[0]), inputs.context, thresholds, variant, values=values
    )
    write_trace(output, trace)
    click.echo(f"{output}: {len(trace.tokens)} tokens, {variant}, id {trace.content_hash[:12]}")


@command.command("synth")
@click.argument("shape")
@click.option("--variant", default="sparsified", show_default=True,
              help="dense, or one that the shape has densities for.")  # fmt: skip
@click.option("--tokens", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--token-correlation", type=float, default=0.0, show_default=True,
              help="Of a channel's bits at neighbouring tokens, 0 to 1.")  # fmt: skip
@click.option("--hot-channels", type=float, default=0.0, show_default=True,
              help="0: all channels alike; 1: each always or never fires.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def synth(
    shape: str,
    variant: str,
    tokens: int,
    seed: int,
    token_correlation: float,
    hot_channels: float,
    output: Path,
) -> None:
    """Draw a trace for SHAPE (a zoo name or a shape file) from the densities of its sites."""
    from seneca_sim.files import check_output
    from workloads import zoo
    from workloads.job.drawn import Drawing, draw_variant
    from workloads.traces import write_trace

    check_output(output)
    card = zoo.load_shape(shape)
    how = Drawing(tokens, seed, token_correlation, hot_channels)
    trace = draw_variant(card, variant, how)
    write_trace(output, trace)
    mark = card.densities(variant).mark
    click.echo(
        f"{output}: {tokens} tokens of {card.name}, {variant} (densities {mark}), "
        f"id {trace.content_hash[:12]}"
    )


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
    click.echo(
        f"{file}: {trace.variant}, {facts['tokens']} tokens of {_short(trace.model)} ({shape})"
    )
    for site, share in mean_sparsity(trace).items():
        click.echo(f"  {site:<8} {100 * share:5.1f} % zeros")
    click.echo(
        f"  average  {100 * average_sparsity(trace):5.1f} %, "
        f"{macs.per_token():,.0f} block MACs survive per token"
    )


def _short(model: str) -> str:
    """The head of a content hash, or a name without how it was drawn."""
    return model.partition(" (")[0] if " (" in model else model[:16]


@command.command("stats")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def stats(file: Path, as_json: bool) -> None:
    """Show how activity is spread: by site, over channels and from token to token."""
    import json

    from workloads.traces import average_sparsity, channel_stats, count_macs, read_trace

    trace = read_trace(file)
    rows, macs = channel_stats(trace), count_macs(trace)
    if as_json:
        facts = {
            "schema": "seneca-trace-stats/1",
            "trace": trace.content_hash,
            "tokens": len(trace.tokens),
            "sites": [asdict(row) for row in rows],
            "average_sparsity": average_sparsity(trace),
            "macs_skipped": macs.sparsity,
            "macs_per_token": {"blocks": macs.per_token(), "all": macs.per_token(head=True)},
        }
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"{file}: {len(trace.tokens)} tokens of {trace.model}")
    for line in _table(rows):
        click.echo(line)
    click.echo(
        f"average sparsity {100 * average_sparsity(trace):.2f} %, {100 * macs.sparsity:.2f} % of "
        f"block MACs skipped; {macs.per_token():,.0f} survive per token, "
        f"{macs.per_token(head=True):,.0f} with the head"
    )


def _table(rows: Sequence[ChannelStats]) -> list[str]:
    """One line for each site; a dash where there is nothing to estimate from."""
    heads = ("zeros %", "gini", "variance", "always %", "never %", "correlation", "hot")
    lines = [" ".join([f"{'site':<14}", *(f"{head:>11}" for head in heads)])]
    for row in rows:
        fitted = (row.token_correlation, row.hot_channels)
        cells = [
            f"{100 * (1 - row.density):.2f}",
            f"{row.gini:.3f}",
            f"{row.variance:.4f}",
            f"{100 * row.always:.2f}",
            f"{100 * row.never:.2f}",
            *("-" if value is None else f"{value:.3f}" for value in fitted),
        ]
        lines.append(" ".join([f"{row.site:<14}", *(f"{cell:>11}" for cell in cells)]))
    return lines
