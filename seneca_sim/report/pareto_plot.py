"""All points of a study over two objectives, and the front through the best of them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seneca_sim.files import write_bytes
from seneca_sim.report.noc_plot import check_picture
from seneca_sim.report.sweep_text import shown_value
from seneca_sim.sweep.pareto import pareto
from seneca_sim.sweep.study import Direction
from seneca_sim.sweep.view import Seen

_MOST_LABELS = 12
_POINTS = (220.0, 160.0)
"""Width and height of a front in the picture, roughly, in points of 1/72 inch."""
_LABEL_POINTS = 9.0


def draw_pareto(
    title: str,
    seen: Sequence[Seen],
    objectives: Mapping[str, Direction],
    axes: Sequence[str],
    path: Path,
) -> None:
    """Draw the first two objectives against each other; a third one is the colour.

    Args:
        title: over the picture.
        seen: points with numbers.
        objectives: name -> direction, at least two.
        axes: the study's axes, with whose values points on the front are labelled.
        path: .svg, .png or .pdf.

    Raises:
        InputError: an unknown kind of file, or matplotlib is not installed.
    """
    check_picture(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    first, second, *rest = objectives
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    plot = figure.add_subplot()
    colour = rest[0] if rest else None
    xs, ys = ([one.value(name) for one in seen] for name in (first, second))
    if colour:
        dots = plot.scatter(xs, ys, c=[one.value(colour) for one in seen], cmap="viridis", s=22)
        figure.colorbar(dots, label=colour)
    else:
        plot.scatter(xs, ys, color="#999999", s=22)
    chosen = pareto(seen, {name: objectives[name] for name in (first, second)})
    xs, ys = ([one.value(name) for one in chosen] for name in (first, second))
    plot.plot(xs, ys, color="#D55E00", marker="o", markersize=4, label="front")
    places = list(zip(xs, ys, strict=True))
    for index in readable(places)[:_MOST_LABELS]:
        label = ", ".join(str(chosen[index].shown(axis)) for axis in axes)
        plot.annotate(label, places[index], (-2, -4), textcoords="offset points", fontsize=7,
                      rotation=-45, va="top")  # fmt: skip
    plot.margins(0.08, 0.2)
    plot.set(xlabel=first, ylabel=second, title=title, xscale="log", yscale="log")
    for axis, name in ((plot.xaxis, first), (plot.yaxis, second)):
        _quantities(axis, name, [one.value(name) for one in seen])
    names = ", ".join(axis.removeprefix("chip.") for axis in axes)
    plot.legend(title=f"labels: {names}", frameon=False, fontsize=8, title_fontsize=7)
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": title}):  # the same bytes each time
        kind = path.suffix[1:]
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_bytes(path, out.getvalue())


def readable(places: Sequence[tuple[float, float]]) -> list[int]:
    """Which of some points on a front can have a label: none is written over another.

    Labels run downwards at 45 degrees, so it is the distance across that direction that counts.
    """
    kept: list[int] = []
    across: list[float] = []
    spans = [math.log(max(values) / min(values)) or 1.0 for values in zip(*places, strict=True)]
    for index, place in enumerate(places):
        width, height = (
            size * math.log(value) / span
            for size, value, span in zip(_POINTS, place, spans, strict=True)
        )
        here = (width + height) / math.sqrt(2)
        if all(abs(here - there) >= _LABEL_POINTS for there in across):
            kept.append(index)
            across.append(here)
    return kept


def _quantities(axis: Any, name: str, values: Sequence[float]) -> None:
    """Ticks as quantities with their units; few of them, for a decade may not be full."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ratio = max(values) / min(values)
    subs = (1, 2, 5) if ratio > 10 else (1, 2, 3, 5, 7) if ratio > 3 else tuple(range(1, 10))
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown_value(name, float(value))))
    axis.set_minor_formatter(NullFormatter())
