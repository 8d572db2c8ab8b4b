"""The page of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seneca_sim.errors import InputError
from seneca_sim.report.page.html import Page, render
from seneca_sim.report.text import context_of, hint_of, main_table, time_sentence, verdict_of
from seneca_sim.results.folder import RESOLVED, SUMMARY, label_folders, read_summary

TABLES: Final = ("breakdown", "layers", "cores", "links", "tokens", "phases", "bounds")
PHASES_LIMIT: Final = 1_500_000
"""Characters of the table of cores over time that a variant may bring; tokens beyond are left out.

Three variants of 64 cores and 16 tokens have 26,000 each.
"""
SECTIONS: Final = (
    ("variants", "Classes"),
    ("tree", "Energy tree"),
    ("work", "Work"),
    ("heat", "Time"),
    ("mesh", "Mesh"),
    ("sparsity", "Sparsity"),
    ("floorline", "Floorline"),
    ("marks", "Assumptions"),
    ("tokens", "Tokens"),
    ("inputs", "Inputs"),
)


def run_page(place: str | Path) -> str:
    """The page of a run folder, or of its summary.json, as HTML.

    Raises:
        InputError: no run there, or one that lacks a table.
    """
    path = Path(place)
    folder = path.parent if path.name == SUMMARY and not path.is_dir() else path
    summary = read_summary(path)
    tables, notes = _tables(folder, summary)
    last = summary["variants"][-1]
    data = {"kind": "run", "summary": _shown(summary), "tables": tables}
    return render(
        Page(
            title=f"{summary['program']} on {last['chip']['name']}",
            kicker=f"seneca-sim {summary['version']} · run {summary['run_id'][:12]}",
            verdict=verdict_of(summary),
            context=f"{context_of(summary)}.",
            sections=SECTIONS,
            data=data,
            footer=f"Run {summary['run_id']}, model {summary['model_version']}.",
            warnings=[*summary["warnings"], *notes],
            main=main_table(summary),
            notes=[text for text in (time_sentence(last), hint_of(last)) if text],
            tiles=True,
            inputs=_text(folder / RESOLVED),
            inputs_lead="Everything that went in, with the source and the mark of each parameter.",
        )
    )


def _shown(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the scripts need of the summary."""
    keys = ("schema", "run_id", "program", "variants", "comparison", "bits_per_byte")
    return {key: summary[key] for key in keys if key in summary}


def _tables(folder: Path, summary: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The variants' CSV files as they are, and what was left out."""
    labels = [variant["label"] for variant in summary["variants"]]
    tables: dict[str, Any] = {}
    notes = []
    for label, name in zip(labels, label_folders(labels), strict=True):
        tables[label] = {table: _text(folder / name / f"{table}.csv") for table in TABLES}
        short, tokens = _first_tokens(tables[label]["phases"])
        if tokens is not None:
            tables[label]["phases"] = short
            notes.append(f"{label}: cores over time are those of the first {tokens} tokens.")
    return tables, notes


def _first_tokens(phases: str, limit: int = PHASES_LIMIT) -> tuple[str, int | None]:
    """The table cut to whole tokens that fit, and how many those are; None if all fit."""
    if len(phases) <= limit:
        return phases, None
    lines = phases[:limit].splitlines()
    cut = lines[-1].partition(",")[0]  # this token did not get through
    kept = [line for line in lines[:-1] if line.partition(",")[0] != cut]
    return "\n".join(kept) + "\n", len({line.partition(",")[0] for line in kept[1:]})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file; the folder is not whole, or was written by an older version: "
            "run again"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
