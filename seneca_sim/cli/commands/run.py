"""`run`: the main job, from a model and text, or from a recorded trace, to joules per token."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import (
    DEFAULT_ENERGY,
    chip_option,
    drawing_of,
    inputs_of,
    json_option,
    need_torch,
    order_options,
    set_option,
    with_order,
    workload_options,
)
from seneca_sim.cli.settings import Settings, parse_settings
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.engine.activity import Mode
    from seneca_sim.engine.choose import Engine
    from seneca_sim.results import RunResult
    from workloads.job import Inputs
    from workloads.traces import ActivationTrace

RUNS_FOLDER = "seneca-runs"


@dataclass
class Source:
    """Where the traces come from, what is known of their accuracy, and how long it took."""

    name: str
    traces: dict[str, ActivationTrace]
    workload: dict[str, Any]
    measure: Callable[[], dict[str, float]] = dict  # bits per byte by variant
    warnings: tuple[str, ...] = ()


@click.command("run")
@workload_options
@chip_option
@set_option
@order_options
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--engine", type=click.Choice(["auto", "reference", "compiled"]), default="auto",
              show_default=True, help="Both engines give the same numbers.")  # fmt: skip
@click.option("--trace", type=click.Path(path_type=Path),
              help="Replay a recorded trace; needs no torch. Beside a shape, in place of drawn "
              "masks.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path),
              help=f"Run folder; default: {RUNS_FOLDER}/NAME-ID.")  # fmt: skip
@click.option("--packets", is_flag=True, help="Also write the per-packet log, packets.csv.")
@click.option("--no-accuracy", is_flag=True, help="Do not measure bits per byte.")
@json_option
def command(
    workload: str | None,
    text: Path | None,
    recipe: Path | None,
    rescaled: str | None,
    chip: str,
    sets: tuple[str, ...],
    batch: int | None,
    mode: Mode | None,
    energy: str,
    engine: Engine,
    trace: Path | None,
    out: Path | None,
    packets: bool,
    no_accuracy: bool,
    as_json: bool,
) -> None:
    """Simulate WORKLOAD (a zoo name, a checkpoint or a shape file; default: the shipped model).

    Prints energy and latency per token, dense, natural and sparsified, and writes a run folder.
    """
    started = time.perf_counter()
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.compiling import compile_shape, fitted_chip
    from seneca_sim.cli.pipeline import (
        Machine,
        resolved_inputs,
        simulate_variants,
        with_dense,
    )
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.results.folder import check_writable
    from workloads.compiler.stream import check_context

    sets = with_order(sets, batch, mode)
    settings = parse_settings(sets)
    loaded, table = load_chip(chip, settings.chip), load_energy(energy, settings.energy)
    check_writable(out or RUNS_FOLDER)
    source = source_of(
        workload, trace, settings, lambda: inputs_of(workload, text, recipe, settings, rescaled),
        others=text is not None or recipe is not None, measure=not no_accuracy,
    )  # fmt: skip
    last = list(source.traces.values())[-1]  # the sparsest: what work is balanced by
    loaded = fitted_chip(source.name, last.shape, loaded, chip, settings)
    program = compile_shape(source.name, last.shape, loaded.chip, settings, last)
    check_context(program, last)
    machine = Machine(loaded, table, program, settings.mode, packets, engine)
    bits = source.measure()  # slow the first time, so only for what compiles
    prepared = time.perf_counter()
    results = simulate_variants(machine, with_dense(source.traces))
    simulated = time.perf_counter()
    resolved = resolved_inputs(machine, settings, source.workload)
    resolved["asked"] = {
        "workload": workload or "", "text": str(text or ""), "recipe": str(recipe or ""),
        "rescaled": rescaled or "", "trace": str(trace or ""), "chip": chip, "energy": energy,
        "sets": list(sets),
    }  # fmt: skip
    wall = {"prepare_s": prepared - started, "simulate_s": simulated - prepared}
    _finish(source, bits, results, resolved, wall, out, as_json)


def source_of(
    workload: str | None,
    trace: Path | None,
    settings: Settings,
    inputs: Callable[[], Inputs],
    *,
    others: bool,
    measure: bool,
) -> Source:
    """Where the traces come from: a file, a shape's densities, or a model that is run.

    `others`: options were given that only make sense for a model that is run.
    """
    from workloads import zoo

    shape = workload if workload is not None and zoo.is_shape(workload) else None
    if trace is not None and (others or workload != shape):
        raise InputError(
            "--trace replays a trace: leave --text and --recipe out, and WORKLOAD unless it is a "
            "shape"
        )
    if shape is not None and others:
        raise InputError(f"{shape} is a shape without weights: leave --text and --recipe out")
    if trace is not None:
        return _replay(trace, shape, settings)
    if shape is not None:
        return _draw(shape, settings)
    return _record(inputs(), measure)


def _draw(workload: str, settings: Settings) -> Source:
    from workloads import zoo
    from workloads.job.drawn import description, drawn_traces, notice

    card, how = zoo.load_shape(workload), drawing_of(settings)
    workload_of = description(card, how)
    traces = drawn_traces(card, how)
    workload_of["traces"] = {label: trace.content_hash for label, trace in traces.items()}
    return Source(card.name, traces, workload_of, warnings=(notice(card),))


def _replay(path: Path, shape: str | None, settings: Settings) -> Source:
    from seneca_sim.cli.replay import replayed
    from workloads.traces import read_trace

    trace = read_trace(path)
    if shape is not None:
        from workloads import zoo
        from workloads.job.drawn import check_trace

        check_trace(zoo.load_shape(shape), trace, path)
    trace = replayed(trace, settings)
    workload = {
        "trace": trace.content_hash,
        "model": trace.model,
        "variant": trace.variant,
        "shape": dict(trace.shape),
        "tokens": len(trace.tokens),
    }
    return Source(path.stem, {trace.variant: trace}, workload)


def _record(inputs: Any, measure: bool) -> Source:
    import hashlib

    need_torch("running a model")
    from seneca_sim.cli.progress import progress
    from workloads.job.prepare import accuracy, prepare

    with progress("recording") as tell:
        prepared = prepare(inputs, tell)

    def bits_per_byte() -> dict[str, float]:
        with progress("measuring bits per byte") as tell:
            return accuracy(prepared.model, inputs, tell)

    trace = next(iter(prepared.traces.values()))
    workload = {
        "name": inputs.name,
        "model": trace.model,
        "shape": dict(trace.shape),
        "context": inputs.context,
        "tokens": inputs.tokens,
        "text_sha256": hashlib.sha256(inputs.window).hexdigest(),
        "evaluation_bytes": len(inputs.evaluation) if measure else 0,
        "evaluation_sha256": hashlib.sha256(inputs.evaluation).hexdigest(),
        "loss_inc": inputs.recipe.loss_inc if inputs.recipe else None,
        "traces": {label: t.content_hash for label, t in prepared.traces.items()},
    }
    return Source(inputs.name, prepared.traces, workload, bits_per_byte if measure else dict)


def _finish(
    source: Source,
    bits: dict[str, float],
    results: Sequence[RunResult],
    resolved: Mapping[str, Any],
    wall: dict[str, float],
    out: Path | None,
    as_json: bool,
) -> None:
    from seneca_sim.cli.kept import kept_traces
    from seneca_sim.report.text import render_report
    from seneca_sim.results.folder import read_summary, summary_text, write_run
    from seneca_sim.results.summary import run_id_of

    if "natural" in bits:
        bits = {"dense": bits["natural"], **bits}  # the same values, only nothing is skipped
    folder = out or Path(RUNS_FOLDER) / f"{source.name}-{run_id_of(results)[:12]}"
    extra: dict[str, Any] = {"workload": source.workload, "bits_per_byte": bits, "wall": wall}
    if source.warnings:
        extra["warnings"] = list(source.warnings)
    if bits:
        extra["text_bytes"] = source.workload["evaluation_bytes"]
    files = kept_traces(source.traces, [result.label for result in results])
    write_run(folder, results, resolved, extra, files)
    if as_json:
        click.echo(summary_text(read_summary(folder)), nl=False)
        return
    for line in render_report(folder):
        click.echo(line)
