"""`sparsify`: find thresholds for a model, without training."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option, need_torch, rescaled_option
from seneca_sim.cli.progress import progress
from seneca_sim.cli.tables import check_outputs, csv_option, csv_text, plot_option, read_text
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from workloads.job.opened import Opened
    from workloads.sparsity.recipe import Recipe

CALIBRATION_BYTES = 32 * 1024 + 1
SEARCHES = ("sequential", "topk")
RIVALS = ("uniform", "greedy", "cats")


@click.command("sparsify")
@click.argument("model", required=False)
@click.option("--text", type=click.Path(path_type=Path), help="Calibration text; default: shipped.")
@click.option("--bytes", "length", type=click.IntRange(min=2), default=CALIBRATION_BYTES,
              show_default=True, help="Take so many bytes of the text.")  # fmt: skip
@click.option("--method", type=click.Choice([*SEARCHES, *RIVALS]), default="sequential",
              show_default=True, help="How thresholds are chosen.")  # fmt: skip
@click.option("--loss-inc", type=float, default=1.0005, show_default=True,
              help="The calibration loss may grow by this factor at each site "
              "(sequential, topk).")  # fmt: skip
@click.option("--target", type=float,
              help="Weighted sparsity to reach, as 0.4 (uniform, greedy, cats).")  # fmt: skip
@click.option("--candidates", type=click.Choice(["linear", "exp"]), default="linear",
              show_default=True, help="Densities to try at each site.")  # fmt: skip
@click.option("--warm-start/--no-warm-start", default=True, show_default=True,
              help="Start at the density chosen most often so far for a kind of site.")  # fmt: skip
@click.option("--window", type=click.IntRange(min=1), default=1024, show_default=True,
              help="Tokens per sequence.")  # fmt: skip
@click.option("--cache-mib", type=click.IntRange(min=0), default=1024, show_default=True,
              help="Most that is kept of activations; 0 for a naive search.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="Recipe file to write; FILE.journal beside it while the search runs.")  # fmt: skip
@csv_option
@plot_option
@rescaled_option
@json_option
@click.pass_obj
def command(
    given: tuple[str, ...],
    model: str | None,
    text: Path | None,
    length: int,
    output: Path,
    csv_file: Path | None,
    plot: Path | None,
    rescaled: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Search MODEL (a zoo name, a checkpoint or smollm2; default: the shipped one) for thresholds.

    A search that was stopped is taken up where it was by the same command.
    """
    need_torch("the threshold search")
    check_outputs(output, csv_file, plot)
    if plot is not None:
        from seneca_sim.report.sparsity_plot import check_picture

        check_picture(plot)
    if (how["target"] is None) == (how["method"] in RIVALS):
        raise InputError(
            f"--method {how['method']}: "
            + ("needs --target, as in --target 0.4" if how["method"] in RIVALS
               else "takes --loss-inc, not --target")
        )  # fmt: skip
    calibration = _calibration(text, length)
    from workloads.job.opened import open_model

    opened = open_model(model, rescaled or "")
    recipe = _find(opened, calibration, output, shlex.join(["seneca-sim", *given]), how)
    _write(recipe, output, csv_file, plot)
    if as_json:
        click.echo(json.dumps(_figures(recipe, output), indent=2))
        return
    budget = (f"{recipe.evaluations} loss evaluations" if recipe.loss_inc
              else f"{recipe.method} for {recipe.target_sparsity:g}")  # fmt: skip
    click.echo(
        f"{output}: average sparsity {100 * recipe.sparsity:.1f} % "
        f"(natural {100 * recipe.natural_sparsity:.1f} %), calibration loss "
        f"{recipe.base_loss:.4f} -> {recipe.final_loss:.4f} nats "
        f"({100 * (recipe.final_loss / recipe.base_loss - 1):+.2f} %), {budget}"
    )


def _calibration(text: Path | None, length: int) -> bytes:
    from workloads import zoo

    return zoo.calibration_text()[:length] if text is None else read_text(text, length)


def _find(
    opened: Opened, calibration: bytes, output: Path, command_line: str, how: Mapping[str, Any]
) -> Recipe:
    """Search, beside a journal that is deleted only when the recipe is on disk."""
    from workloads.sparsity.batches import BYTE_VOCABULARY

    # A model over bytes takes the bytes themselves, so that the recipe names their hash.
    over_bytes = opened.model.vocab == BYTE_VOCABULARY
    text = calibration if over_bytes else opened.tokens(calibration)
    if how["method"] in RIVALS:
        from workloads.sparsity.methods import meet, meeting_recipe

        window, target = how["window"], how["target"]
        meeting = meet(opened.model, text, target, how["method"], window=window)
        return meeting_recipe(meeting, opened.model, text, target, command_line, window=window)
    from workloads.sparsity.search import sparsify

    with progress("searching thresholds") as tell:
        return sparsify(
            opened.model, text, how["loss_inc"], method=how["method"],
            candidates=how["candidates"], warm_start=how["warm_start"], window=how["window"],
            cache_bytes=how["cache_mib"] << 20, journal=journal_of(output),
            command=command_line, progress=tell,
        )  # fmt: skip


def journal_of(output: Path) -> Path:
    """Where a search keeps what it has measured, until its recipe is written."""
    return output.with_name(f"{output.name}.journal")


def _write(recipe: Recipe, output: Path, csv_file: Path | None, plot: Path | None) -> None:
    from seneca_sim.files import write_text
    from workloads.sparsity.recipe import recipe_text

    write_text(output, recipe_text(recipe))
    journal_of(output).unlink(missing_ok=True)
    if csv_file is not None:
        rows = [
            {"site": name, "density": c.density, "threshold": c.threshold, "forced": c.forced}
            for name, c in recipe.sites.items()
        ]
        write_text(csv_file, csv_text(rows))
    if plot is not None:
        from seneca_sim.report.sparsity_plot import draw_densities

        by_kind: dict[str, list[float]] = {}
        for name, choice in recipe.sites.items():
            by_kind.setdefault(name.split(".", 2)[2], []).append(choice.density)
        draw_densities(by_kind, plot)


def _figures(recipe: Recipe, output: Path) -> dict[str, Any]:
    return {
        "schema": "seneca-sparsify/2",
        "recipe": str(output),
        "method": recipe.method,
        "loss_inc": recipe.loss_inc,
        "target_sparsity": recipe.target_sparsity,
        "evaluations": recipe.evaluations,
        "natural_sparsity": recipe.natural_sparsity,
        "sparsity": recipe.sparsity,
        "base_loss_nats": recipe.base_loss,
        "final_loss_nats": recipe.final_loss,
    }
