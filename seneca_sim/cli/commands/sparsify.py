"""`sparsify`: find thresholds for a model, without training."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from seneca_sim.cli.options import json_option, need_torch, rescaled_option
from seneca_sim.cli.progress import progress
from seneca_sim.errors import InputError

CALIBRATION_BYTES = 32 * 1024 + 1


@click.command("sparsify")
@click.argument("model", required=False)
@click.option("--text", type=click.Path(path_type=Path), help="Calibration text; default: shipped.")
@click.option("--bytes", "length", type=click.IntRange(min=2), default=CALIBRATION_BYTES,
              show_default=True, help="Take so many bytes of the text.")  # fmt: skip
@click.option("--loss-inc", type=float, default=1.0005, show_default=True,
              help="The calibration loss may grow by this factor at each site.")  # fmt: skip
@click.option("--candidates", type=click.Choice(["linear", "exp"]), default="linear",
              show_default=True, help="Densities to try at each site.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="Recipe file to write.")  # fmt: skip
@rescaled_option
@json_option
@click.pass_obj
def command(
    given: tuple[str, ...],
    model: str | None,
    text: Path | None,
    length: int,
    loss_inc: float,
    candidates: str,
    output: Path,
    rescaled: str | None,
    as_json: bool,
) -> None:
    """Search MODEL (a zoo name or checkpoint; default: the shipped one) for thresholds."""
    need_torch("the threshold search")
    if not output.parent.is_dir():
        raise InputError(f"{output}: the folder {output.parent} does not exist; make it first")
    if output.is_dir():
        raise InputError(f"{output}: is a folder; -o names a recipe file")
    from seneca_sim.files import write_text
    from workloads import zoo
    from workloads.job import shipped_inputs
    from workloads.job.load import load_to_measure
    from workloads.sparsity.recipe import recipe_text
    from workloads.sparsity.search import sparsify

    loaded = load_to_measure(shipped_inputs(model, rescaled=rescaled or ""))
    calibration = zoo.calibration_text() if text is None else _read(text)
    command_line = shlex.join(["seneca-sim", *given])
    with progress("searching thresholds") as tell:
        recipe = sparsify(
            loaded,
            calibration[:length],
            loss_inc,
            candidates=candidates,
            command=command_line,
            progress=tell,
        )
    write_text(output, recipe_text(recipe))
    figures = {
        "schema": "seneca-sparsify/1",
        "recipe": str(output),
        "loss_inc": recipe.loss_inc,
        "natural_sparsity": recipe.natural_sparsity,
        "sparsity": recipe.sparsity,
        "base_loss_nats": recipe.base_loss,
        "final_loss_nats": recipe.final_loss,
    }
    if as_json:
        import json

        click.echo(json.dumps(figures, indent=2))
        return
    click.echo(
        f"{output}: average sparsity {100 * recipe.sparsity:.1f} % "
        f"(natural {100 * recipe.natural_sparsity:.1f} %), calibration loss "
        f"{recipe.base_loss:.4f} -> {recipe.final_loss:.4f} nats "
        f"({100 * (recipe.final_loss / recipe.base_loss - 1):+.2f} %)"
    )


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise InputError(f"{path}: the calibration text is empty")
    return data
