"""`check`: whether chip and program are sound and the program computes the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import (
    DEFAULT_ENERGY,
    chip_option,
    inputs_of,
    json_option,
    need_torch,
    set_option,
    workload_options,
)

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.chip.load import LoadedChip
    from seneca_sim.cli.settings import Settings
    from seneca_sim.program import Program
    from workloads.compiler.check import SiteCheck


@click.command("check")
@workload_options
@chip_option
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--program", type=click.Path(path_type=Path),
              help="Check this program file against the chip, and no model.")  # fmt: skip
@click.option("--files-only", is_flag=True, help="Check chip and energy table, and no model.")
@json_option
def command(
    workload: str | None,
    text: Path | None,
    recipe: Path | None,
    rescaled: str | None,
    chip: str,
    sets: tuple[str, ...],
    energy: str,
    program: Path | None,
    files_only: bool,
    as_json: bool,
) -> int:
    """Check chip, energy table, program and, site by site, the program's values on WORKLOAD.

    Exit code 1 if a value differs from the model's.
    """
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cli.settings import parse_settings
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.cost.ops import OPS

    settings = parse_settings(sets)
    loaded, table = load_chip(chip, settings.chip), load_energy(energy, settings.energy)
    for op in OPS:
        table.row(op, loaded.chip)
    findings: list[dict[str, Any]] = []
    lines = [
        f"chip {loaded.chip.name}: {loaded.chip.cores} cores, sound",
        f"energy table {table.name}: a row for each of {len(OPS)} ops",
    ]
    if program is not None:
        lines.append(_check_program(program, loaded.chip))
    elif not files_only:
        need_torch("checking values")
        inputs = inputs_of(workload, text, recipe, settings, rescaled)
        findings = _check_values(inputs, loaded, chip, settings)
        lines += [f"{f['variant']}: {f['verdict']}" for f in findings]
    passed = all(f["passed"] for f in findings)
    if as_json:
        import json

        report = {"schema": "seneca-check/1", "passed": passed, "values": findings, "text": lines}
        click.echo(json.dumps(report, indent=2))
    else:
        for line in lines:
            click.echo(line)
    return 0 if passed else 1


def _check_program(path: Path, chip: Chip) -> str:
    from seneca_sim.program.file import read_program
    from seneca_sim.program.verify import RULES, verify

    program = read_program(path)
    verify(program, chip)
    return f"program {program.name}: keeps all {len(RULES)} rules on {chip.name}"


def _check_values(
    inputs: Any, loaded: LoadedChip, chip: str, settings: Settings
) -> list[dict[str, Any]]:
    """Run the program's values on the tokens of every variant."""
    from seneca_sim.cli.progress import progress
    from workloads.families import family_of
    from workloads.models.load import family_in

    if family_of(family_in(inputs.weights)).states:
        return _check_recorded(inputs, loaded, chip, settings)
    from seneca_sim.cli.compiling import compile_shape, fitted_chip
    from workloads.job.check_start import check_from_start

    def compiled(shape: Mapping[str, str | int]) -> Program:
        fitted = fitted_chip(inputs.name, shape, loaded, chip, settings)
        return compile_shape(inputs.name, shape, fitted.chip, settings)

    with progress("checking"):
        found = check_from_start(inputs, settings.run["weights.bits"], compiled)
    return [_finding(variant, checks) for variant, checks in found.items()]


def _check_recorded(
    inputs: Any, loaded: LoadedChip, chip: str, settings: Settings
) -> list[dict[str, Any]]:
    """Families whose traces hold the state before their first token: their tokens alone."""
    from seneca_sim.cli.compiling import compile_shape, fitted_chip
    from seneca_sim.cli.progress import progress
    from workloads.compiler.check import check_values
    from workloads.job.prepare import prepare
    from workloads.job.stored import as_stored

    with progress("recording") as tell:
        prepared = prepare(inputs, tell)
        shape = next(iter(prepared.traces.values())).shape
        loaded = fitted_chip(inputs.name, shape, loaded, chip, settings)
        program = compile_shape(inputs.name, shape, loaded.chip, settings)
        model, pieces = as_stored(prepared, inputs, settings.run["weights.bits"])
        weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
        findings = []
        for number, (variant, traces) in enumerate(pieces.items()):
            tell(number, len(pieces), f"checking {variant}")
            findings.append(_finding(variant, check_values(program, traces, weights)))
    return findings


def _finding(variant: str, checks: Sequence[SiteCheck]) -> dict[str, Any]:
    from workloads.compiler.check import verdict

    result = verdict(checks)
    return {
        "variant": variant,
        "passed": result.passed,
        "vectors": result.vectors,
        "worst_error": result.worst.max_error,
        "mask_differences": result.mask_differences,
        "verdict": str(result),
    }
