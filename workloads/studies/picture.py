"""The picture of a scaling study: latency, throughput and energy of a token against cores used."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from math import log2
from pathlib import Path

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from workloads.studies.tables import Row

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = {"generation": "#0072B2", "pipelined": "#D55E00"}
_LABELS = {"generation": "a token alone", "pipelined": "tokens overlapping"}
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


def series(rows: Sequence[Row], mode: str) -> tuple[list[int], list[float], list[float]]:
    """Of one mode, by mesh: cores used, milliseconds for each token, mJ for each token.

    Time is that of the whole run over its tokens, so in pipelined mode it is throughput's inverse.
    """
    some = [row for row in rows if row["mode"] == mode and row["status"] == "ok"]
    cores = [int(row["cores_used"]) for row in some]
    spent = [1e3 * float(row["time_s"]) / int(row["tokens"]) for row in some]
    return cores, spent, [1e3 * float(row["energy_per_token_j"]) for row in some]


def _ticks(values: Sequence[float]) -> tuple[list[float], list[str]]:
    """Ticks of a logarithmic axis: 0.25, 0.5, 1, 2 … around some values, for cores times 100."""
    scale = 100 if min(values) >= 100 else 1
    low, high = (round(log2(limit(values) / scale)) for limit in (min, max))
    found = [scale * 2.0**n for n in range(low, high + 1)]
    return found, [f"{tick:g}" for tick in found]


def draw_scaling(rows: Sequence[Row], path: Path) -> None:
    """Draw a scaling study into a picture file.

    Raises:
        InputError: an unknown kind of file, or matplotlib is not installed.
    """
    check_picture(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # No time and no random names in the file: the same rows give the same bytes.
    with rc_context({"svg.hashsalt": "seneca-sim", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        time, energy = figure.subplots(1, 2)
        for mode, colour in _COLOURS.items():
            cores, spent, joules = series(rows, mode)
            time.plot(cores, spent, "o-", color=colour, label=_LABELS[mode], markersize=4)
            energy.plot(cores, joules, "o-", color=colour, label=_LABELS[mode], markersize=4)
            if mode == "generation":
                ideal = [spent[0] * cores[0] / n for n in cores]
                time.plot(cores, ideal, ":", color="#777777", label="proportional to cores")
        time.set(xscale="log", yscale="log", xlabel="cores used", ylabel="ms a token")
        energy.set(xscale="log", xlabel="cores used", ylabel="mJ a token", ylim=(0, None))
        for axes in (time, energy):
            axes.grid(visible=True, alpha=0.3)
            axes.set_xticks(*_ticks([int(row["cores_used"]) for row in rows]))
            axes.minorticks_off()
        time.set_yticks(*_ticks([spent for mode in _COLOURS for spent in series(rows, mode)[1]]))
        time.legend(fontsize="small")
        data = io.BytesIO()
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(data, format=path.suffix[1:], metadata=metadata)
    write_bytes(path, data.getvalue())
