"""A study for people (a table of at most 30 lines), as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from seneca_sim.report.layout import NONE, WIDTH
from seneca_sim.sensitivity.parameters import ASSUMPTION
from seneca_sim.sensitivity.study import Effect, Point, Study, value_of
from seneca_sim.units import si

LINES: Final = 30
TOP: Final = 5
_MEASURES: Final = ("energy", "latency", "energy gain")
COLUMNS: Final = (
    "parameter", "kind", "source", "nominal", "value", "simulated", "energy_per_token_j",
    "latency_per_token_s", "energy_gain", "latency_gain", "energy_change_percent",
    "latency_change_percent", "problem",
)  # fmt: skip


def lines_of(study: Study, measure: str = "energy-delay", everything: bool = False) -> list[str]:
    """Render the ranking; parameters that change least are left out where lines run short."""
    settle = _settling(study, measure)
    ranked = study.ranked(measure)
    room = len(ranked) if everything else LINES - len(settle) - 4
    shown = ranked[:room]
    lines = [*_head(study, measure), *(_line(effect) for effect in shown)]
    if len(ranked) > room:
        least = 100 * ranked[room].swing(measure)
        rest = len(ranked) - room
        lines.append(f"{rest} more change {measure} by {least:.1f} % at most (--all, --csv)")
    return [*lines, *settle]


def _head(study: Study, measure: str) -> list[str]:
    last, costs = study.variants[-1], study.nominal
    energy, latency = value_of("energy", costs), value_of("latency", costs)
    gain, time = value_of("energy gain", costs), value_of("latency gain", costs)
    return [
        f"A token, {last}: {si(energy, 'fJ')}, {si(latency, 's')}; over {study.variants[0]} a gain"
        f" of {float(gain):.3f}x in energy, {float(time):.3f}x in time",
        f"{'ranked by change of ' + measure:<41}{'range':>16}{'energy, %':>14}{'latency, %':>15}"
        f"{'gain, %':>14}",
    ]


def _line(effect: Effect) -> str:
    """One parameter: its values, and the change at each of them."""
    p = effect.parameter
    values = " / ".join(p.shown(value).replace(" ", "") for value in p.others)
    energy, latency, gain = (_changes(effect, measure) for measure in _MEASURES)
    return f"{p.path:<41}{values[:16]:>16}{energy:>14}{latency:>15}{gain:>14}"[:WIDTH]


def _changes(effect: Effect, measure: str) -> str:
    found = effect.changes(measure)
    return " / ".join(NONE if change is None else _percent(change) for change in found)


def _percent(change: float) -> str:
    return f"{round(100 * change, 1) + 0.0:+.1f}"


def _settling(study: Study, measure: str) -> list[str]:
    """What would settle the assumptions that matter most, one line each."""
    ranked = [e for e in study.ranked(measure) if e.parameter.note.kind == ASSUMPTION]
    lines = ["What would settle the assumptions that matter most:"]
    for number, effect in enumerate(ranked[:TOP], start=1):
        text = f"{number}. {effect.parameter.path}: {effect.parameter.note.settle}"
        while text:
            cut = text if len(text) <= WIDTH else text[: text.rfind(" ", 0, WIDTH)]
            lines.append(cut)
            text = "   " + text[len(cut) :].strip() if len(cut) < len(text) else ""
    return lines


def csv_text(study: Study, measure: str = "energy-delay") -> str:
    """Every point of every parameter, one line each, the strongest parameter first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for effect in study.ranked(measure):
        for point in effect.points:
            writer.writerow(_record(effect, point).values())
    return out.getvalue()


def _record(effect: Effect, point: Point) -> dict[str, Any]:
    p = effect.parameter
    known: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    known |= {
        "parameter": p.path, "kind": p.note.kind, "source": p.source,
        "nominal": p.shown(p.nominal), "value": p.shown(point.value),
        "simulated": str(point.simulated).lower(), "problem": point.problem,
    }  # fmt: skip
    if point.costs:
        known |= {
            "energy_per_token_j": float(value_of("energy", point.costs)) / 1e15,
            "latency_per_token_s": float(value_of("latency", point.costs)),
            "energy_gain": float(value_of("energy gain", point.costs)),
            "latency_gain": float(value_of("latency gain", point.costs)),
        }
        for measure in ("energy", "latency"):
            base = value_of(measure, effect.nominal)
            change = 100 * (value_of(measure, point.costs) / base - 1)
            known[f"{measure}_change_percent"] = float(change)
    return known


def json_of(study: Study, measure: str = "energy-delay") -> dict[str, Any]:
    """The whole study."""
    return {
        "schema": "seneca-sensitivity/1",
        "ranked_by": measure,
        "variants": list(study.variants),
        "simulations": study.simulations,
        "nominal": {
            "energy_per_token_j": float(value_of("energy", study.nominal)) / 1e15,
            "latency_per_token_s": float(value_of("latency", study.nominal)),
            "energy_gain": float(value_of("energy gain", study.nominal)),
            "latency_gain": float(value_of("latency gain", study.nominal)),
        },
        "parameters": [
            {
                "parameter": effect.parameter.path,
                "kind": effect.parameter.note.kind,
                "settle": effect.parameter.note.settle,
                "swing": effect.swing(measure),
                "points": [_record(effect, point) for point in effect.points],
            }
            for effect in study.ranked(measure)
        ],
    }
