"""What a run was made from, as flat text by section, and how two such descriptions differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from seneca_sim import __version__
from seneca_sim.chip.load import resolved
from seneca_sim.cost.energy import resolved_energy
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.cost.ops import OPS
from seneca_sim.errors import InputError
from seneca_sim.results.ids import MODEL_VERSION, content_hash, digest
from seneca_sim.units import DIMENSIONS, parse_quantity

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.cost.energy import EnergyTable
    from seneca_sim.cost.kernel import Coefficients
    from seneca_sim.program import EventStream, Program
    from seneca_sim.results.run import RunResult

Leaf = int | str
Sections = Mapping[str, Mapping[str, Leaf]]

SECTIONS: Final = {
    "workload": "workload",
    "settings": "setting",
    "chip": "chip",
    "energy": "energy row",
    "kernels": "micro-kernel",
    "program": "program",
    "streams": "events of",
    "tool": "tool",
}
"""What a run is made from, causes before what follows from them, and what messages call a leaf."""
FOLLOWS: Final = ("program", "streams")
"""Sections that are made from the others: they say what moved, seldom why."""


@dataclass(frozen=True)
class Change:
    """One input that differs; None where one side lacks it."""

    section: str
    path: str
    old: Leaf | None
    new: Leaf | None

    def __str__(self) -> str:
        name = f"{SECTIONS[self.section]} {self.path}".replace("_sha256", "")
        return f"{name} {arrow(self.old, self.new)}"


def arrow(old: Leaf | None, new: Leaf | None) -> str:
    """``1 -> 2 (+100 %)``; long hashes are cut."""
    text = f"{_short(old)} -> {_short(new)}"
    ratio = _ratio(old, new)
    return text if ratio is None else f"{text} ({signed_percent(ratio)})"


def signed_percent(share: Fraction) -> str:
    """A relative change with its sign and three digits: +0.312 %."""
    return f"{float(100 * share):+.3g} %"


def relative(old: int, new: int) -> str:
    """The change from one number to another in percent; nothing where it cannot be said."""
    return signed_percent(Fraction(new - old, old)) if old else "new"


def changes(old: Sections, new: Sections) -> tuple[Change, ...]:
    """Every leaf that differs; a section that one side lacks was not recorded and says nothing."""
    found = []
    for section in SECTIONS:
        if section not in old or section not in new:
            continue
        before, after = old[section], new[section]
        found += [
            Change(section, path, before.get(path), after.get(path))
            for path in dict.fromkeys((*before, *after))
            if before.get(path) != after.get(path)
        ]
    return tuple(found)


def hashes(sections: Sections) -> dict[str, str]:
    """SHA-256 of every section."""
    return {name: digest(dict(section)) for name, section in sections.items()}


def inputs_of(
    results: Sequence[RunResult],
    settings: Mapping[str, Leaf] | None = None,
    workload: Mapping[str, Leaf] | None = None,
) -> dict[str, dict[str, Leaf]]:
    """The sections of runs of one program on one chip."""
    first = results[0]
    streams = {result.label: result.stream for result in results}
    mode = {"mode": first.mode}
    return {
        "tool": tool(),
        "workload": dict(workload or {}),
        "settings": mode | dict(settings or {}),
        **machine(first.chip, first.table, first.program, streams),
    }


def tool() -> dict[str, Leaf]:
    """Which code: the package's version, and that of the engines' rules."""
    return {"version": __version__, "cost model": MODEL_VERSION}


def machine(
    chip: Chip, table: EnergyTable, program: Program, streams: Mapping[str, EventStream]
) -> dict[str, dict[str, Leaf]]:
    """Sections of what was simulated and how it was priced."""
    return {
        "chip": flat_chip(resolved(chip)),
        "energy": flat_energy(resolved_energy(table)),
        "kernels": _kernels(program, chip.core.npes),
        "program": _program(program),
        "streams": {label: _events(stream) for label, stream in streams.items()},
    }


def flat_chip(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Leaf]:
    """A resolved chip as dotted path -> value, without marks, sources and its name."""
    out: dict[str, Leaf] = {}
    for key, node in tree.items():
        path = f"{prefix}{key}"
        if isinstance(node, Mapping) and "value" in node:
            out[path] = node["value"]
        elif isinstance(node, Mapping):
            out |= flat_chip(node, f"{path}.")
        elif path not in ("schema", "name"):
            out[path] = node
    return out


def flat_energy(tree: Mapping[str, Any]) -> dict[str, Leaf]:
    """A resolved energy table as ``OP.CLASS`` -> value; its voltage under ``voltage``."""
    parts = {
        f"{op}.{part}": value
        for op, row in tree["ops"].items()
        for part, value in row["parts"].items()
    }
    return {"voltage": tree["voltage"], **parts}


def flat(tree: Any, prefix: str = "") -> dict[str, Leaf]:
    """Any plain data as dotted path -> value."""
    if isinstance(tree, Mapping):
        items: Any = tree.items()
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        leaf = tree if isinstance(tree, int) and not isinstance(tree, bool) else str(tree)
        return {prefix.rstrip("."): leaf}
    out: dict[str, Leaf] = {}
    for key, node in items:
        out |= flat(node, f"{prefix}{key}.")
    return out


def _kernels(program: Program, npes: int) -> dict[str, Leaf]:
    """What the micro-kernels of a program cost: ``NAME.cycles`` and ``NAME.OP`` as linear forms."""
    names = {c.kernel for c in program.consumers if c.kernel}
    names |= {step.kernel for stage in program.stages for step in stage.steps}
    costs: dict[str, Leaf] = {}
    for name in sorted(names):
        kernel = load_kernel(name, npes)
        costs[f"{kernel.name}.cycles"] = linear_text(kernel.cycles)
        for op, cost in zip(OPS, kernel.counts, strict=True):
            if any(cost):
                costs[f"{kernel.name}.{op}"] = linear_text(cost)
    return costs


def linear_text(cost: Coefficients) -> str:
    """``2 + g + rows (3 + 2 g)``; `g` is the size of the event group."""

    def sum_of(constant: int, each: int) -> str:
        factor = {0: "", 1: "g"}.get(each, f"{each} g")
        return " + ".join(part for part in (str(constant) if constant else "", factor) if part)

    fixed, row = sum_of(cost.p0 + cost.e0, cost.p1), sum_of(cost.r0, cost.r1)
    return " + ".join(part for part in (fixed, f"rows ({row})" if row else "") if part) or "0"


def _events(stream: EventStream) -> str:
    return f"{int(stream.counts.sum())} ({stream.content_hash[:16]})"


def _program(program: Program) -> dict[str, Leaf]:
    sizes = {
        name: len(getattr(program, name)) for name in ("sites", "routes", "consumers", "stages")
    }
    mapping = {f"mapping.{key}": value for key, value in program.mapping}
    return {**sizes, **mapping, "content_sha256": content_hash(program)}


def _short(value: Leaf | None) -> str:
    if value is None:
        return "none"
    text = str(value)
    plain_hash = len(text) in (16, 64) and all(c in "0123456789abcdef" for c in text)
    return text[:8] if plain_hash else text[:60]


def _ratio(old: Leaf | None, new: Leaf | None) -> Fraction | None:
    """The relative change of two numbers, or of two quantities of one dimension."""
    before, after = amount(old), amount(new)
    if before is None or after is None or before[1] != after[1] or not before[0]:
        return None
    return (after[0] - before[0]) / before[0]


def amount(value: Leaf | None) -> tuple[Fraction, str] | None:
    """A leaf as a number and its dimension; None where it is a word."""
    if isinstance(value, int):
        return Fraction(value), ""
    if value is None or not value[:1].isdigit():
        return None
    for name in DIMENSIONS:
        try:
            return parse_quantity(value, name), name
        except InputError:
            continue
    return None
