"""`curve`: sparsity against loss, accuracy and, on a named chip, energy per token."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.commands.evaluate import (
    EVALUATION_BYTES,
    evaluation_text,
    lines,
    point_row,
)
from seneca_sim.cli.options import (
    DEFAULT_ENERGY,
    json_option,
    need_torch,
    rescaled_option,
    set_option,
)
from seneca_sim.cli.progress import progress
from seneca_sim.cli.tables import check_outputs, csv_option, csv_text, plot_option
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.cli.pipeline import Machine
    from workloads.job.opened import Opened
    from workloads.models.load import Loaded
    from workloads.sparsity.recipe import Recipe

LOSS_INCS = (1.0005, 1.001, 1.002, 1.005)


@click.command("curve")
@click.argument("model", required=False)
@click.option("--loss-inc", "loss_incs", type=float, multiple=True,
              help=f"Search with this budget; repeatable. Default: {LOSS_INCS}.")  # fmt: skip
@click.option("--recipe", "recipes", type=click.Path(path_type=Path), multiple=True,
              help="Measure a recipe file instead of searching; repeatable.")  # fmt: skip
@click.option("--task", "tasks", multiple=True, metavar="NAME|FILE",
              help="continuation, cloze, or a .jsonl[.xz] file; repeatable.")  # fmt: skip
@click.option("--items", type=click.IntRange(min=1), help="Only the first items of each task.")
@click.option("--text", type=click.Path(path_type=Path), help="Text; default: held-out, shipped.")
@click.option("--bytes", "length", type=click.IntRange(min=2), default=EVALUATION_BYTES,
              show_default=True, help="Take so many bytes of the text.")  # fmt: skip
@click.option("--calibration-bytes", type=click.IntRange(min=2), default=32 * 1024 + 1,
              show_default=True, help="Of the shipped calibration text, for searches.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path), default=Path("."), show_default=True,
              help="Where recipes found on the way are kept, and found again.")  # fmt: skip
@click.option("--chip", help="Also simulate energy per token on this chip preset or YAML file.")
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@csv_option
@plot_option
@rescaled_option
@json_option
def command(
    model: str | None,
    loss_incs: tuple[float, ...],
    recipes: tuple[Path, ...],
    tasks: tuple[str, ...],
    items: int | None,
    text: Path | None,
    length: int,
    calibration_bytes: int,
    folder: Path,
    chip: str | None,
    sets: tuple[str, ...],
    energy: str,
    csv_file: Path | None,
    plot: Path | None,
    rescaled: str | None,
    as_json: bool,
) -> None:
    """Draw the curve of MODEL (a zoo name, a checkpoint or smollm2; default: the shipped one).

    Searches are taken up where they were, and recipes of the folder that fit are used again.
    """
    need_torch("the curve")
    check_outputs(csv_file, plot, folder / "any")
    if plot is not None:
        from seneca_sim.report.sparsity_plot import check_picture

        check_picture(plot)
    from workloads.job.opened import open_model
    from workloads.sparsity.curve import measure_points, settings_of
    from workloads.sparsity.tasks import find_task

    read = [find_task(task).first(items) for task in tasks]
    data = evaluation_text(text, length)
    opened = open_model(model, rescaled or "")
    simulated = _simulated(opened, chip, sets, energy)
    found = _given(opened, recipes) if recipes else _searched(
        opened, loss_incs or LOSS_INCS, calibration_bytes, folder
    )  # fmt: skip
    settings = settings_of(list(found.values()), list(found))
    with progress("measuring") as tell:
        points = measure_points(
            opened.model, opened.tokens(data), settings, read, opened.reader, progress=tell
        )
    joules = {} if simulated is None else simulated.joules(settings)
    rows = [point_row(p, len(data) - 1, joules.get(p.label, {})) for p in points]
    if csv_file is not None:
        from seneca_sim.files import write_text

        write_text(csv_file, csv_text(rows))
    if plot is not None:
        _draw(rows, plot)
    if as_json:
        report = {"schema": "seneca-curve/1", "model": opened.name,
                  "model_hash": opened.model.fingerprint(), "text_bytes": len(data),
                  "chip": chip, "points": rows}  # fmt: skip
        click.echo(json.dumps(report, indent=2))
        return
    for line in [*lines(opened.name, len(data), rows, points, read), *_energy_lines(rows)]:
        click.echo(line)


def _given(opened: Opened, paths: Sequence[Path]) -> dict[str, Recipe]:
    from workloads.sparsity.recipe import read_recipe

    found = {path.stem: read_recipe(path) for path in paths}
    for recipe in found.values():
        recipe.check_model(opened.model.fingerprint())
    return found


def _searched(
    opened: Opened, loss_incs: Sequence[float], length: int, folder: Path
) -> dict[str, Recipe]:
    """One search a budget, its recipe kept in the folder; one that is there already is read."""
    from workloads import zoo
    from workloads.sparsity.batches import BYTE_VOCABULARY, text_hash
    from workloads.sparsity.recipe import read_recipe, write_recipe
    from workloads.sparsity.search import sparsify

    data = zoo.calibration_text()[:length]
    text = data if opened.model.vocab == BYTE_VOCABULARY else opened.tokens(data)
    mark, out = opened.model.fingerprint(), {}
    for loss_inc in loss_incs:
        path = folder / f"{Path(opened.name).name}-{loss_inc:g}.yaml"
        command_line = ["seneca-sim", "sparsify", opened.name, "--loss-inc", f"{loss_inc:g}",
                        "--bytes", str(length), "-o", str(path)]  # fmt: skip
        if path.exists():
            recipe = read_recipe(path)
            wanted = (mark, text_hash(text), loss_inc)
            if (recipe.model, recipe.calibration_hash, recipe.loss_inc) != wanted:
                raise InputError(
                    f"{path}: is a recipe of another model, text or budget; move it away, or "
                    "name another --folder"
                )
        else:
            journal = path.with_name(f"{path.name}.journal")
            with progress(f"searching, {loss_inc:g}") as tell:
                recipe = sparsify(opened.model, text, loss_inc, journal=journal, progress=tell,
                                  command=shlex.join(command_line))  # fmt: skip
            write_recipe(recipe, path)
            journal.unlink(missing_ok=True)
        out[f"{loss_inc:g}"] = recipe
    return out


@dataclass(frozen=True)
class _Simulated:
    """The chip that a curve's variants run on, and the window of text that they run."""

    model: Loaded
    machine: Machine
    window: tuple[int, ...]
    context: int

    def joules(self, settings: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
        """Mean energy and latency per token by variant, simulated."""
        from seneca_sim.cli.pipeline import simulate_variants
        from workloads.traces.record import record

        traces = {
            label: record(self.model, self.window, self.context, dict(thresholds), label)
            for label, thresholds in settings.items()
        }
        runs = simulate_variants(self.machine, traces)
        return {result.label: _per_token(result) for result in runs}


def _simulated(
    opened: Opened, chip: str | None, sets: tuple[str, ...], energy: str
) -> _Simulated | None:
    """Compile the model for a chip, if one is named: what cannot be simulated is refused first.

    The natural run is recorded to that end: its tokens must fit the model and its program.
    """
    if chip is None:
        return None
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.compiling import compile_shape, fitted_chip
    from seneca_sim.cli.pipeline import Machine
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cost.energy import load_energy
    from workloads import zoo
    from workloads.compiler.stream import check_context
    from workloads.traces.record import record

    model, chosen = opened.forward("--chip"), parse_settings(sets)
    context, tokens = chosen.whole("workload.context"), chosen.whole("workload.tokens")
    window = tuple(zoo.prompt_text()[: context + tokens])
    shape = model.dimensions.stated()
    loaded = fitted_chip(opened.name, shape, load_chip(chip, chosen.chip), chip, chosen)
    program = compile_shape(opened.name, shape, loaded.chip, chosen)
    check_context(program, record(model, window, context, values=False))
    machine = Machine(loaded, load_energy(energy, chosen.energy), program, chosen.mode)
    return _Simulated(model, machine, window, context)


def _per_token(result: Any) -> dict[str, float]:
    from seneca_sim.results.summary import variant_of

    summary = variant_of(result)
    return {
        "energy_uj_per_token": summary["energy_per_token_j"]["mean"] * 1e6,
        "latency_us_per_token": summary["latency_per_token_s"]["mean"] * 1e6,
    }


def _energy_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if "energy_uj_per_token" not in rows[0]:
        return []
    from seneca_sim.report.layout import aligned

    cells = [["a token", "energy", "latency"]]
    cells += [
        [row["variant"], f"{row['energy_uj_per_token']:.1f} µJ",
         f"{row['latency_us_per_token']:.0f} µs"]
        for row in rows
    ]  # fmt: skip
    return ["", *aligned(cells)]


def _draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    from seneca_sim.report.sparsity_plot import draw_curve

    curves = {"bits per byte": ("bits per byte", [row["bits_per_byte"] for row in rows])}
    for key in rows[0]:
        if key.endswith("_accuracy"):
            percent = [100 * row[key] for row in rows]
            curves[key.removesuffix("_accuracy")] = ("accuracy, %", percent)
    if "energy_uj_per_token" in rows[0]:
        values = [row["energy_uj_per_token"] for row in rows]
        curves["energy"] = ("energy a token, µJ", values)
    draw_curve([row["sparsity"] for row in rows], curves, path)
