"""All points of a study over two objectives, and the front through the best of them."""

from __future__ import annotations

import io
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
    for one in chosen[:_MOST_LABELS]:
        label = ", ".join(str(one.shown(axis)) for axis in axes)
        place = one.value(first), one.value(second)
        plot.annotate(label, place, (-2, -4), textcoords="offset points", fontsize=7,
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


def _quantities(axis: Any, name: str, values: Sequence[float]) -> None:
    """Ticks as quantities with their units; few of them, for a decade may not be full."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    wide = max(values) > 10 * min(values)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else tuple(range(1, 10))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown_value(name, float(value))))
    axis.set_minor_formatter(NullFormatter())
