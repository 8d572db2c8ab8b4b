"""`evaluate`: bits per byte, sparsity and tasks of a model, with and without thresholds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option, need_torch, rescaled_option
from seneca_sim.cli.progress import progress
from seneca_sim.cli.tables import check_outputs, csv_option, csv_text, plot_option, read_text

if TYPE_CHECKING:
    from workloads.job.opened import Opened
    from workloads.sparsity.curve import Point
    from workloads.sparsity.recipe import Recipe
    from workloads.sparsity.tasks import Task

EVALUATION_BYTES = 32 * 1024 + 1
PRECISIONS = {"fp32": 0, "bf16": 16, "int8": 8, "int4": 4}


@click.command("evaluate")
@click.argument("model", required=False)
@click.option("--recipe", type=click.Path(path_type=Path),
              help="Thresholds; default: those that ship with the model.")  # fmt: skip
@click.option("--text", type=click.Path(path_type=Path), help="Text; default: held-out, shipped.")
@click.option("--bytes", "length", type=click.IntRange(min=2), default=EVALUATION_BYTES,
              show_default=True, help="Take so many bytes of the text.")  # fmt: skip
@click.option("--task", "tasks", multiple=True, metavar="NAME|FILE",
              help="continuation, cloze, or a .jsonl[.xz] file; repeatable.")  # fmt: skip
@click.option("--items", type=click.IntRange(min=1), help="Only the first items of each task.")
@click.option("--precision", type=click.Choice(list(PRECISIONS)), default="fp32",
              show_default=True,
              help="Also what the chip would answer with weights of this kind.")  # fmt: skip
@csv_option
@plot_option
@rescaled_option
@json_option
def command(
    model: str | None,
    recipe: Path | None,
    text: Path | None,
    length: int,
    tasks: tuple[str, ...],
    items: int | None,
    precision: str,
    csv_file: Path | None,
    plot: Path | None,
    rescaled: str | None,
    as_json: bool,
) -> None:
    """Measure MODEL (a zoo name, a checkpoint or smollm2; default: the shipped one)."""
    need_torch("evaluating a model")
    check_outputs(csv_file, plot)
    if plot is not None:
        from seneca_sim.report.sparsity_plot import check_picture

        check_picture(plot)
    from workloads.job.opened import open_model
    from workloads.sparsity.curve import measure_points, settings_of
    from workloads.sparsity.tasks import find_task

    read = [find_task(task).first(items) for task in tasks]
    data = evaluation_text(text, length)
    opened = open_model(model, rescaled or "")
    chosen = checked_recipe(opened, recipe)
    recipes, labels = ([chosen], ["sparsified"]) if chosen else ([], [])
    settings = settings_of(recipes, labels)
    tokens = opened.tokens(data)
    with progress("evaluating") as tell:
        points = measure_points(opened.model, tokens, settings, read, opened.reader, progress=tell)
    on_chip = _on_chip(opened, data, settings, precision)
    rows = [point_row(p, len(data) - 1, {}) | on_chip.get(p.label, {}) for p in points]
    write_outputs(rows, points, csv_file, plot)
    if as_json:
        report = {"schema": "seneca-evaluation/1", "model": opened.name,
                  "model_hash": opened.model.fingerprint(), "text_bytes": len(data),
                  "precision": precision, "variants": rows}  # fmt: skip
        click.echo(json.dumps(report, indent=2))
        return
    for line in lines(opened.name, len(data), rows, points, read):
        click.echo(line)


def evaluation_text(text: Path | None, length: int) -> bytes:
    """The text to measure on: a file, or the held-out text that ships."""
    from workloads import zoo

    return zoo.evaluation_text()[:length] if text is None else read_text(text, length)


def checked_recipe(opened: Opened, path: Path | None) -> Recipe | None:
    """A recipe file, or the model's own; refused if it is of another model."""
    from workloads.sparsity.recipe import read_recipe

    found = opened.own_recipe() if path is None else read_recipe(path)
    if found is not None:
        found.check_model(opened.model.fingerprint())
    return found


def point_row(point: Point, predicted_bytes: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """One setting as plain values."""
    bits = point.nats * point.tokens / math.log(2)
    row: dict[str, Any] = {
        "variant": point.label,
        "sparsity": point.sparsity,
        "nats_per_token": point.nats,
        "bits_per_byte": bits / predicted_bytes,
        "perplexity": math.exp(point.nats),
    }
    for score in point.scores:
        row[f"{score.task}_accuracy"] = score.accuracy
        row[f"{score.task}_stderr"] = score.stderr
        if score.normalised is not None:
            row[f"{score.task}_normalised"] = score.normalised
            row[f"{score.task}_normalised_stderr"] = score.normalised_stderr
    row |= {f"zeros_{kind}": share for kind, share in point.zeros.items()}
    return {**row, **more}


def write_outputs(
    rows: Sequence[dict[str, Any]], points: Sequence[Point], csv_file: Path | None,
    plot: Path | None,
) -> None:  # fmt: skip
    """The CSV and the picture of zeros by site."""
    from seneca_sim.files import write_text
    from seneca_sim.report.sparsity_plot import draw_zeros

    if csv_file is not None:
        write_text(csv_file, csv_text(rows))
    if plot is not None:
        draw_zeros({point.label: point.zeros for point in points}, plot)


def lines(
    name: str, text_bytes: int, rows: Sequence[dict[str, Any]], points: Sequence[Point],
    tasks: Sequence[Task],
) -> list[str]:  # fmt: skip
    """Tables for people: losses, zeros, tasks."""
    from seneca_sim.report.layout import aligned

    out = [f"{name} on {text_bytes:,} bytes of text"]
    chip = [key for key in rows[0] if key.startswith("on_chip")]
    head = ["", "bits per byte", "perplexity", "sparsity %",
            *[key.replace("on_chip_", "on chip, ") for key in chip]]  # fmt: skip
    cells = [head]
    cells += [
        [row["variant"], f"{row['bits_per_byte']:.4f}", f"{row['perplexity']:.3f}",
         f"{100 * row['sparsity']:.2f}", *[f"{row[key]:.4f}" for key in chip]]
        for row in rows
    ]  # fmt: skip
    out += aligned(cells)
    kinds = list(points[0].zeros)
    zeros = [["zeros %", *kinds]]
    zeros += [[p.label, *[f"{100 * p.zeros[k]:.2f}" for k in kinds]] for p in points]
    out += ["", *aligned(zeros)]
    return out + (["", *aligned(_task_cells(points, tasks))] if tasks else [])


def _task_cells(points: Sequence[Point], tasks: Sequence[Task]) -> list[list[str]]:
    cells = [["accuracy %", *[f"{task.name} ({len(task.items)})" for task in tasks]]]
    for point in points:
        row = [point.label]
        for score in point.scores:
            text = f"{100 * score.accuracy:.1f} ± {100 * score.stderr:.1f}"
            if score.normalised is not None:
                text += f" (norm {100 * score.normalised:.1f})"
            row.append(text)
        cells.append(row)
    return cells


def _on_chip(
    opened: Opened, data: bytes, settings: Mapping[str, Mapping[str, float]], precision: str
) -> dict[str, dict[str, float]]:
    """Bits per byte as the chip's own arithmetic gives them, by variant."""
    bits = PRECISIONS[precision]
    if not bits:
        return {}
    from workloads.job.onchip import bits_per_byte

    model = opened.forward(f"--precision {precision}")
    found = {}
    with progress(f"on the chip, {precision}") as tell:
        for done, (label, thresholds) in enumerate(settings.items(), 1):
            measured = bits_per_byte(model, data, bits, thresholds or None)
            found[label] = {f"on_chip_{precision}": measured}
            tell(done, len(settings), label)
    return found
