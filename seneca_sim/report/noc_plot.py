"""The load-latency plot: one panel a pattern, one curve a length of packets."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from seneca_sim.chip import Chip
from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from seneca_sim.sweep.noc_study import SATURATED, Curve, capacity

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_FORMATS = (".svg", ".png", ".pdf")


def check_picture(path: Path) -> None:
    """Refuse a file that cannot be drawn, before anything is simulated.

    Raises:
        InputError: another suffix, or matplotlib is not installed.
    """
    if path.suffix not in _FORMATS:
        raise InputError(f"{path}: unknown kind of picture; expected {', '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise InputError("plots need matplotlib: pip install 'seneca-sim[plots]'")


def draw_curves(chip: Chip, curves: Sequence[Curve], path: Path) -> None:
    """Draw a study's curves into a picture file.

    Raises:
        InputError: an unknown kind of file, or matplotlib is not installed.
    """
    check_picture(path)
    from matplotlib.figure import Figure

    patterns = list(dict.fromkeys(curve.pattern for curve in curves))
    figure = Figure(figsize=(4.2 * len(patterns), 3.6), layout="constrained")
    for number, pattern in enumerate(patterns):
        axes = figure.add_subplot(1, len(patterns), number + 1)
        own = [curve for curve in curves if curve.pattern == pattern]
        for colour, curve in zip(_COLOURS, own, strict=False):
            loads = [p.load.offered for p in curve.points]
            latencies = [p.mean_latency for p in curve.points]
            label = f"{curve.flits} flit{'s' if curve.flits > 1 else ''}"
            axes.plot(loads, latencies, marker="o", markersize=3, color=colour, label=label)
            if curve.saturation is not None:
                height = SATURATED * curve.zero_load
                axes.plot([curve.saturation], [height], marker="x", color=colour)
        limit = capacity(chip, pattern)
        if limit is not None:
            axes.axvline(limit, color="0.5", linestyle=":", label="capacity")
        axes.set(title=f"{pattern}, {chip.columns} x {chip.rows} {chip.noc.topology}")
        axes.set(xlabel="offered load, flits a node and cycle", ylabel="mean latency, cycles")
        axes.set(yscale="log", xlim=(0, None))
        axes.legend(frameon=False)
    out = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(out, format=path.suffix[1:], metadata=metadata, dpi=120)
    write_bytes(path, out.getvalue())
