"""Pictures of sparsification: densities by layer, zeros by site, and the curves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_FORMATS = (".svg", ".png", ".pdf")


def check_picture(path: Path) -> None:
    """Refuse a file that cannot be drawn, before anything is measured.

    Raises:
        InputError: another suffix, or matplotlib is not installed.
    """
    if path.suffix not in _FORMATS:
        raise InputError(f"{path}: unknown kind of picture; expected {', '.join(_FORMATS)}")
    if find_spec("matplotlib") is None:
        raise InputError("plots need matplotlib: pip install 'seneca-sim[plots]'")


def draw_densities(by_kind: Mapping[str, Sequence[float]], path: Path) -> None:
    """One line a kind of site: the share kept in each layer."""
    figure = _figure(1)
    axes = figure.add_subplot(1, 1, 1)
    for colour, (kind, densities) in zip(_COLOURS * 4, by_kind.items(), strict=False):
        axes.plot(range(len(densities)), densities, marker="o", color=colour, label=kind)
    axes.set(xlabel="layer", ylabel="share kept (nominal)", ylim=(0, 1.02))
    axes.legend(frameon=False, fontsize="small", ncols=2)
    _save(figure, path)


def draw_zeros(by_variant: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Bars side by side: the share of zeros at each kind of site, for each variant."""
    figure = _figure(1.4)
    axes = figure.add_subplot(1, 1, 1)
    kinds = list(next(iter(by_variant.values())))
    width = 0.8 / len(by_variant)
    for i, (colour, (label, zeros)) in enumerate(zip(_COLOURS, by_variant.items(), strict=False)):
        places = [k + i * width for k in range(len(kinds))]
        axes.bar(places, [100 * zeros[kind] for kind in kinds], width, color=colour, label=label)
    axes.set_xticks([k + 0.4 - width / 2 for k in range(len(kinds))], kinds, rotation=30)
    axes.set(ylabel="zeros, %", ylim=(0, 100))
    axes.legend(frameon=False)
    _save(figure, path)


def draw_curve(
    sparsity: Sequence[float], curves: Mapping[str, tuple[str, Sequence[float]]], path: Path
) -> None:
    """One panel a unit: what each measure is at each weighted sparsity.

    Args:
        sparsity: shares, one a point.
        curves: name to unit and values, one a point; measures of one unit share a panel.
        path: the picture file.
    """
    units = list(dict.fromkeys(unit for unit, _ in curves.values()))
    figure = _figure(len(units))
    for number, unit in enumerate(units, 1):
        axes = figure.add_subplot(1, len(units), number)
        own = {name: values for name, (u, values) in curves.items() if u == unit}
        for colour, (name, values) in zip(_COLOURS, own.items(), strict=False):
            percent = [100 * s for s in sparsity]
            axes.plot(percent, values, marker="o", color=colour, label=name)
        axes.set(xlabel="weighted sparsity, %", ylabel=unit)
        axes.legend(frameon=False, fontsize="small")
    _save(figure, path)


def _figure(panels: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(4.2 * panels, 3.6), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    out = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(out, format=path.suffix[1:], metadata=metadata, dpi=120)
    write_bytes(path, out.getvalue())
