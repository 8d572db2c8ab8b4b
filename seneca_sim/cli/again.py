"""Run a finished run again: what its folder says was used, and whether it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seneca_sim.chip.load import LoadedChip, load_chip, parse_chip
from seneca_sim.cli.kept import read_kept
from seneca_sim.cli.replay import SETTLED
from seneca_sim.cli.settings import RUN_SETTINGS, Settings, parse_settings
from seneca_sim.cost.energy import EnergyTable, load_energy, parse_energy
from seneca_sim.engine.activity import POWER_WINDOW_CYCLES
from seneca_sim.errors import InputError
from seneca_sim.results.folder import RESOLVED, SUMMARY, read_summary
from seneca_sim.results.ids import activity_id

if TYPE_CHECKING:
    from seneca_sim.results import RunResult
    from workloads.traces import ActivationTrace


@dataclass(frozen=True)
class Setting:
    """What a run runs on.

    Attributes:
        loaded: the chip.
        table: energies.
        settings: of the run.
        workload: what to run; None where a trace says it.
        known: label -> activity id of a finished run; empty for a new one.
        name: of the workload, for people, of a finished run.
        kept: label -> events that a finished run's folder keeps; empty where it keeps none.
    """

    loaded: LoadedChip
    table: EnergyTable
    settings: Settings
    workload: str | None
    known: Mapping[str, str]
    name: str = ""
    kept: Mapping[str, ActivationTrace] = field(default_factory=dict)


def is_run(name: str) -> bool:
    """Whether a name is that of a run folder."""
    return (Path(name) / SUMMARY).is_file()


def new_setting(workload: str | None, chip: str, energy: str, sets: tuple[str, ...]) -> Setting:
    """From the command line."""
    settings = parse_settings(sets)
    loaded, table = load_chip(chip, settings.chip), load_energy(energy, settings.energy)
    return Setting(loaded, table, settings, workload, {})


def setting_of(run: str, trace: Path | None) -> Setting:
    """From a run folder.

    Args:
        run: the folder.
        trace: a recorded trace that was given beside it.

    Raises:
        InputError: the folder is damaged, or a trace must be given.
    """
    summary, resolved = read_summary(run), _resolved(Path(run) / RESOLVED)
    workload = resolved["workload"]
    known = {v["label"]: v["activity_id"] for v in summary["variants"]}
    kept = read_kept(run, list(known))
    if "trace" in workload and trace is None and not kept:
        raise InputError(
            f"{run}: ran a recorded trace, which is not in the folder; give it with --trace"
        )
    said = {k: str(v) for k, v in resolved["settings"].items()}
    return Setting(
        parse_chip(_yaml(resolved["chip"]), f"{run}/{RESOLVED}"),
        parse_energy(_yaml(resolved["energy"]), f"{run}/{RESOLVED}"),
        Settings(run=RUN_SETTINGS | said, given=_given(resolved, said)),
        workload.get("name"),
        known,
        name=str(workload.get("name") or workload.get("model") or ""),
        kept=kept,
    )


def check_same(run: str, setting: Setting, result: RunResult) -> None:
    """Refuse a run that is not the one in the folder.

    Raises:
        InputError: its id differs.
    """
    asked = activity_id(
        setting.loaded.chip, result.program, result.stream, result.mode, POWER_WINDOW_CYCLES
    )
    if setting.known.get(result.label) != asked:
        raise InputError(
            f"{run}: {result.label} cannot be made again from what is here, its events differ; "
            f"give what it ran with --text, --recipe or --trace, or run again"
        )


def _given(resolved: Mapping[str, Any], said: Mapping[str, str]) -> frozenset[str]:
    """Settings that somebody set; a folder that does not keep the command tells those it can."""
    other = {path for path, text in said.items() if text != RUN_SETTINGS.get(path)}
    asked = resolved.get("asked")
    sets = asked.get("sets", []) if isinstance(asked, dict) else []
    given = other | {str(one).partition("=")[0].strip() for one in sets} & set(said)
    return frozenset(given - set(SETTLED))  # a trace that is replayed has these behind it


def _resolved(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError, RecursionError):
        found = None
    parts = ("workload", "settings", "chip", "energy")
    if not isinstance(found, dict) or not all(isinstance(found.get(p), dict) for p in parts):
        raise InputError(f"{path}: cannot be read; the folder is damaged, run again")
    return found


def _yaml(part: Mapping[str, Any]) -> str:
    from seneca_sim.config import yaml_text

    return yaml_text(part)
