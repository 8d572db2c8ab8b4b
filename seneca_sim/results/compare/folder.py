"""Run folders read back for comparison: their integers, and the inputs as they were used."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from seneca_sim.errors import InputError
from seneca_sim.results.compare.inputs import Leaf, flat, flat_chip, flat_energy
from seneca_sim.results.compare.numbers import Numbers, TermNumbers
from seneca_sim.results.folder import RESOLVED, SUMMARY, label_folders, read_summary


@dataclass(frozen=True)
class Snapshot:
    """A run as far as it can be compared: what it is called, inputs by section, numbers by label.

    `asked` is what was asked for on the command line, if the folder says so.
    """

    name: str
    inputs: Mapping[str, Mapping[str, Leaf]]
    numbers: Mapping[str, Numbers]
    asked: Mapping[str, Any]


def read_run(path: str | Path) -> Snapshot:
    """Read a run folder, given it or its summary.json.

    Raises:
        InputError: no run folder, or one that is damaged.
    """
    folder = Path(path)
    folder = folder.parent if folder.name == SUMMARY else folder
    summary = read_summary(folder)
    resolved = _resolved(folder / RESOLVED)
    labels = [str(variant["label"]) for variant in summary["variants"]]
    numbers = {
        label: _numbers(folder / name, variant)
        for label, name, variant in zip(
            labels, label_folders(labels), summary["variants"], strict=True
        )
    }
    try:
        inputs = _inputs(summary, resolved)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}: {SUMMARY} and {RESOLVED} do not say what went in ({error}); the folder is "
            "damaged, or of an older version: run again"
        ) from None
    return Snapshot(str(path), inputs, numbers, resolved.get("asked", {}))


def _resolved(file: Path) -> dict[str, Any]:
    try:
        data = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError):
        raise InputError(f"{file}: not YAML; the folder is damaged, run again") from None
    if not isinstance(data, dict) or data.get("schema") != "seneca-run/1":
        raise InputError(f"{file}: expected schema seneca-run/1; the folder is damaged, run again")
    return data


def _inputs(summary: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, dict[str, Leaf]]:
    variants = summary["variants"]
    program = {f"mapping.{key}": str(value) for key, value in resolved["mapping"].items()}
    program["content_sha256"] = variants[0]["inputs"]["program_sha256"]
    return {
        "tool": {"version": summary["version"], "cost model": summary["model_version"]},
        "workload": flat(resolved["workload"]),
        "settings": flat(resolved["settings"]),
        "chip": flat_chip(resolved["chip"]),
        "energy": flat_energy(resolved["energy"]),
        "program": dict(program),
        "streams": {str(v["label"]): v["inputs"]["stream_sha256"] for v in variants},
    }


def _numbers(folder: Path, variant: Mapping[str, Any]) -> Numbers:
    try:
        terms = {
            f"{row['op']}.{row['component']}": TermNumbers(
                int(row["count"]), Fraction(row["fj_per_count"]), int(row["energy_fj"])
            )
            for row in _rows(folder / "energy.csv")
        }
        ends = [
            (int(r["start_cycles"]), int(r["done_cycles"])) for r in _rows(folder / "tokens.csv")
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: tables are damaged ({error}); run again") from None
    total = sum(term.energy_fj for term in terms.values())
    if total != variant["energy_fj"]:
        raise InputError(
            f"{folder}: energy.csv adds up to {total:,} fJ, but {SUMMARY} says "
            f"{variant['energy_fj']:,}; the folder is damaged, run again"
        )
    start, done = tuple(a for a, _ in ends), tuple(b for _, b in ends)
    return Numbers(int(variant["cycles"]), start, done, terms)


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; run again") from None
