"""A run in a notebook: a small plain table, no script and no colour of its own."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from seneca_sim.units import si

if TYPE_CHECKING:
    from seneca_sim.results.run import RunResult


def html_of(result: RunResult) -> str:
    """The run's figures and its energy by class, as HTML; every text is escaped."""
    hz = result.chip.clock_hz
    energy, latency = result.energy_percentile_fj, result.latency_percentile_cycles
    figures = {
        "energy a token (median)": si(energy(50), "fJ"),
        "latency a token (median)": si(latency(50) / hz, "s"),
        "energy, whole run": si(result.energy_fj, "fJ"),
        "time, whole run": si(result.time_s, "s"),
        "power, mean": si(result.average_power_w, "W"),
        "power, peak": si(result.peak_power_w, "W"),
        "dense work": _percent(result.dense_fj, result.energy_fj),
    }
    classes = {
        name.replace("_", " "): f"{si(fj, 'fJ')} ({_percent(fj, result.energy_fj)})"
        for name, fj in result.by_class.items()
    }
    title = f"{result.program.name} on {result.chip.name}, {result.label}"
    tokens = len(result.tokens.start)
    return (
        f"<div><p><b>{escape(title)}</b>: {tokens} tokens, {escape(result.mode)}, "
        f"run {escape(result.run_id[:12])}</p>"
        f"{_table('figures', figures)}{_table('energy by class', classes)}"
        f"<p>{escape(result.bottleneck.sentence)}</p></div>"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"


def _table(caption: str, cells: Mapping[str, str]) -> str:
    head = '<th scope="row" style="text-align:left">'
    rows = "".join(
        f"<tr>{head}{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in cells.items()
    )
    style = "display:inline-table;vertical-align:top;margin-right:2em"
    return f'<table style="{style}"><caption>{escape(caption)}</caption>{rows}</table>'
