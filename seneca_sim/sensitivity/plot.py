"""The tornado plot: one bar a parameter, from its lowest to its highest, for energy and latency."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from seneca_sim.sensitivity.parameters import Parameter, Value
from seneca_sim.sensitivity.study import Effect, Study

SHOWN: Final = 15
SUFFIXES: Final = (".svg", ".png", ".pdf")
_PANELS: Final = (("energy", "energy per token"), ("latency", "latency per token"))
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "seneca-sim",
    "svg.fonttype": "none",
    "font.size": 9,
}
_LOW, _HIGH = "#3b6ea5", "#c8553d"


def check_path(path: Path) -> None:
    """Refuse a file that cannot be drawn, before anything is simulated.

    Raises:
        InputError: another suffix, or matplotlib is not installed.
    """
    from importlib.util import find_spec

    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a plot is written as {', '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise InputError(f"{path}: plots need matplotlib: pip install 'seneca-sim[plots]'")


def write_tornado(study: Study, path: Path, measure: str = "energy-delay") -> None:
    """Draw the strongest parameters into a file; same study, same bytes."""
    check_path(path)
    import matplotlib

    kind, out = path.suffix.removeprefix("."), io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context(_STYLE):
        figure = _tornado(study, study.ranked(measure)[:SHOWN][::-1])
        figure.savefig(out, format=kind, dpi=150, metadata=metadata)
    write_bytes(path, out.getvalue())


def _tornado(study: Study, effects: list[Effect]) -> Any:
    """The figure: two panels side by side, the strongest parameter on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 0.42 * len(effects) + 1.4))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (name, title) in zip(axes, _PANELS, strict=True):
        _panel(axis, effects, name, title)
    axes[0].set_yticks(range(len(effects)), [_label(effect) for effect in effects])
    key = "blue: a value below the nominal one in brackets; red: above it, or another choice"
    figure.suptitle(f"Assumptions over their ranges, {study.variants[-1]}\n{key}", fontsize=9)
    figure.tight_layout()
    return figure


def _label(effect: Effect) -> str:
    p = effect.parameter
    return f"{p.path}  ({p.shown(p.nominal)})"


def _panel(axis: Any, effects: list[Effect], measure: str, title: str) -> None:
    """Bars from the nominal to each value, and the value at the end of each."""
    axis.axvline(0, color="black", linewidth=0.8)
    for row, effect in enumerate(effects):
        pairs = zip(effect.changes(measure), effect.points, strict=True)
        known = [(change, point.value) for change, point in pairs if change is not None]
        for change, value in sorted(known, key=lambda pair: -abs(pair[0])):
            _bar(axis, row, effect.parameter, change, value)
    axis.margins(x=0.22)
    axis.set_title(title)
    axis.set_xlabel("change, %")
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _bar(axis: Any, row: int, parameter: Parameter, change: float, value: Value) -> None:
    """One bar with its value at the end, unless there is nothing to see."""
    nominal = parameter.nominal
    lower = not isinstance(value, str) and not isinstance(nominal, str) and value < nominal
    axis.barh(row, 100 * change, height=0.62, color=_LOW if lower else _HIGH)
    if abs(change) > 0.002:
        side = "left" if change > 0 else "right"
        text = f" {parameter.shown(value)} "
        axis.text(100 * change, row, text, va="center", ha=side, fontsize=7)
