"""Load-latency studies of the network: read, run side by side, find where each curve saturates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seneca_sim.chip import Chip
from seneca_sim.config import Library, read_document
from seneca_sim.config.check import check_keys, nearest
from seneca_sim.config.document import Array, Scalar, Table
from seneca_sim.engine.reference.traffic import (
    HOT_SHARE,
    PATTERNS,
    Load,
    LoadPoint,
    Pattern,
    run_load,
)
from seneca_sim.errors import InputError
from seneca_sim.sweep.pool import deaf_to_interrupts, worker_pool

LIBRARY = Library("seneca-noc-study/1", "study", Path(__file__).parent / "studies")
SATURATED = 3
"""A curve saturates where its mean latency is this many times its lowest: the usual reading."""


@dataclass(frozen=True)
class NocStudy:
    """Which loads to run; every combination of pattern, length and offered load."""

    chip: str
    patterns: tuple[Pattern, ...]
    flits: tuple[int, ...]
    offered: tuple[float, ...]
    cycles: int
    seed: int
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where "patterns transpose", "flits 4" and so on stand in the file."""

    def loads(self) -> list[Load]:
        """All loads, curve by curve."""
        return [
            Load(pattern, flits, offered, self.cycles, self.seed)
            for pattern in self.patterns
            for flits in self.flits
            for offered in self.offered
        ]


@dataclass(frozen=True)
class Curve:
    """One curve with its saturation point: offered load, or None beyond the last one run."""

    pattern: str
    flits: int
    points: tuple[LoadPoint, ...]

    @property
    def zero_load(self) -> float:
        """Mean latency at the lowest load, in cycles."""
        return self.points[0].mean_latency

    @property
    def saturation(self) -> float | None:
        """Offered load at which the latency crosses 3 x the lowest, interpolated."""
        limit = SATURATED * self.zero_load
        for before, after in zip(self.points, self.points[1:], strict=False):
            if after.mean_latency >= limit:
                rise = after.mean_latency - before.mean_latency
                part = (limit - before.mean_latency) / rise if rise else 1.0
                return before.load.offered + part * (after.load.offered - before.load.offered)
        return None


def read_noc_study(name_or_path: str | Path) -> NocStudy:
    """Read a study that ships, or a YAML file.

    Raises:
        InputError: with file, line and column.
    """
    table = read_document(name_or_path, LIBRARY).table
    names = ("chip", "patterns", "flits", "offered", "cycles", "seed")
    check_keys(table, names, "")
    for name in names:
        if name not in table.items:
            raise InputError(f"{table.where}: '{name}' is missing")
    cycles = _whole(table, "cycles", _texts(table, "cycles")[0])
    if not cycles:
        raise InputError(f"{table.items['cycles'].where}: cycles is 0; expected at least 1")
    return NocStudy(
        chip=_texts(table, "chip")[0],
        patterns=tuple(_pattern(table, text) for text in _texts(table, "patterns")),
        flits=tuple(_whole(table, "flits", text) for text in _texts(table, "flits")),
        offered=tuple(sorted(_share(table, text) for text in _texts(table, "offered"))),
        cycles=cycles,
        seed=_whole(table, "seed", _texts(table, "seed")[0]),
        places=_places(table, "patterns") | _places(table, "flits"),
    )


def check_noc_study(study: NocStudy, chip: Chip) -> None:
    """Refuse lengths and patterns that a chip's network cannot have.

    Raises:
        InputError: with file, line and column.
    """
    most = chip.noc.packet_flits
    for flits in study.flits:
        if not 1 <= flits <= most:
            where = study.places.get(f"flits {flits}", "study")
            raise InputError(
                f"{where}: flits {flits}; expected 1 to {most}, a packet of {chip.name}"
            )
    if "transpose" in study.patterns and chip.columns != chip.rows:
        where = study.places.get("patterns transpose", "study")
        raise InputError(
            f"{where}: transpose needs as many columns as rows; {chip.name} has {chip.columns} x"
            f" {chip.rows}"
        )


def _places(table: Table, name: str) -> dict[str, str]:
    """Where each value of a list stands; whole numbers as they are read."""
    node = table.items[name]
    nodes = node.items if isinstance(node, Array) else (node,)
    found = [n for n in nodes if isinstance(n, Scalar)]
    return {f"{name} {int(n.text) if n.text.isdigit() else n.text}": n.where for n in found}


def _texts(table: Table, name: str) -> list[str]:
    """A scalar or a list of them, as text."""
    node = table.items[name]
    nodes = node.items if isinstance(node, Array) else (node,)
    texts = [str(n.text) for n in nodes if isinstance(n, Scalar)]
    if not texts or len(texts) != len(nodes):
        raise InputError(f"{node.where}: {name} is no list of plain values")
    return texts


def _pattern(table: Table, text: str) -> Pattern:
    for known in PATTERNS:
        if text == known:
            return known
    where = table.items["patterns"].where
    raise InputError(f"{where}: unknown pattern '{text}'{nearest(text, PATTERNS)}")


def _whole(table: Table, name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InputError(f"{table.items[name].where}: {name} {text!r} is no whole number")
    return int(text)


def _share(table: Table, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        where = table.items["offered"].where
        raise InputError(f"{where}: offered {text!r}; expected flits a node and cycle, 0 to 1")
    return value


def run_noc_study(
    chip: Chip,
    study: NocStudy,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Curve]:
    """Run all loads of a study, in as many processes as there are cores.

    Raises:
        InputError: a study that this chip cannot run, before the first load.
    """
    check_noc_study(study, chip)
    loads = study.loads()
    points: list[LoadPoint] = []
    workers = processes or os.cpu_count() or 1
    with worker_pool(workers) as pool:
        with deaf_to_interrupts():
            found = pool.map(run_load, [chip] * len(loads), loads)
        for point in found:
            points.append(point)
            if progress is not None:
                progress(len(points), len(loads))
    return _curves(study, points)


def _curves(study: NocStudy, points: Sequence[LoadPoint]) -> list[Curve]:
    size = len(study.offered)
    parts = [points[at : at + size] for at in range(0, len(points), size)]
    return [Curve(part[0].load.pattern, part[0].load.flits, tuple(part)) for part in parts]


def capacity(chip: Chip, pattern: str) -> float | None:
    """Offered load that the busiest link of a mesh with XY routes could carry at most.

    None for a torus and for boundaries between reticles, where this closed form does not hold.

    Uniform: half of the traffic crosses the middle, 4 / k flits a node and cycle for k columns.
    Transpose: k - 1 nodes of the first row share one link. Hot spot: the hot node's own link.
    Links carry link_bits / flit_bits flits a cycle.
    """
    if chip.noc.topology != "mesh" or chip.boundary.tile_columns or chip.boundary.tile_rows:
        return None
    rate = chip.noc.link_bits / chip.noc.flit_bits
    k, nodes = max(chip.columns, chip.rows), chip.cores
    if pattern == "uniform":
        return rate * 4 / k * (nodes - 1) / nodes
    if pattern == "transpose":
        return rate / max(1, k - 1)
    return rate / (HOT_SHARE * nodes + (1 - HOT_SHARE))
