"""`validate`: every published number beside what a run gives."""

from __future__ import annotations

import click

from seneca_sim.cli.options import DEFAULT_ENERGY, chip_option, json_option, set_option


@click.command("validate")
@chip_option
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--area", "area_name", default="seneca-gf22", show_default=True,
              help="Area table, or a YAML file.")  # fmt: skip
@click.option("--row", "only", multiple=True, metavar="ID", help="Only this row; repeatable.")
@json_option
def command(
    chip: str, sets: tuple[str, ...], energy: str, area_name: str, only: tuple[str, ...],
    as_json: bool,
) -> int:  # fmt: skip
    """Measure published numbers again on small programs and compare; exit 1 if one must hold.

    Rows are inputs measured back, consistency checks, and independent numbers; the headline error
    counts the last kind alone.
    """
    from seneca_sim.chip.area import load_area
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.published_models import sparsity_rows, values_row
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.validate import Bench, failed, select, validate
    from seneca_sim.validate.text import json_of, lines_of

    settings = parse_settings(sets)
    loaded, table = load_chip(chip, settings.chip), load_energy(energy, settings.energy)
    wanted = select(only)
    given = {**sparsity_rows(), **(values_row() if "values-torch" in wanted else {})}
    rows = validate(Bench(loaded.chip, table), load_area(area_name), given, wanted)
    if as_json:
        import json

        click.echo(json.dumps(json_of(rows), indent=2))
    else:
        for line in lines_of(rows):
            click.echo(line)
    return 1 if failed(rows) else 0
