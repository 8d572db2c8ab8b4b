"""Why energies and cycles moved, as far as the inputs differ.

The price of a term is a table value times what depends on the chip, so a changed row's effect is
known exactly. What is left of the change is that of counts and cycles, and belongs to the other
inputs that differ: exactly if it is one, together if they are several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from seneca_sim.results.compare.inputs import FOLLOWS, Change, amount, signed_percent
from seneca_sim.results.compare.moves import TermMove, term_moves
from seneca_sim.results.compare.numbers import Numbers, op_of

_PRICED_BY = {
    "npe.": ("core.npes",),
    "noc.flit_hop": ("noc.flit_bits",),
    "leak.sram": ("core.data_memory_bits", "core.instruction_memory_bits", "clock_hz"),
    "leak.registers": ("core.npes", "core.register_words", "clock_hz"),
}
"""What `cost.energy.hardware_factor` reads of the chip, by op or family of ops."""
_FOR_ALL = ("voltage_mv",)
SAME_CODE = "the code: no input that differs explains it"


@dataclass(frozen=True)
class Cause:
    """Something that differs, and what it does by itself: to energy in fJ, and to cycles.

    `terms` are the paths ``OP.CLASS`` that it moves, as far as that is known.
    """

    text: str
    energy_fj: int
    cycles: int
    terms: tuple[str, ...] = ()

    def share(self, old: Numbers, new: Numbers) -> str:
        """The cause's part in the change: "accounts for all of energy +0.31 %"."""
        parts = (
            _part("energy", self.energy_fj, old.energy_fj, new.energy_fj),
            _part("cycles", self.cycles, old.cycles, new.cycles),
        )
        found = [part for part in parts if part]
        return f"accounts for {' and '.join(found)}" if found else "moves neither energy nor cycles"


def _part(what: str, effect: int, old: int, new: int) -> str:
    """``all of energy +0.31 %``, or ``energy +0.2 % of +0.31 %``."""
    if not effect:
        return ""
    own = signed_percent(Fraction(effect, old)) if old else f"{effect:+}"
    whole = signed_percent(Fraction(new - old, old)) if old else f"{new - old:+}"
    return f"all of {what} {whole}" if effect == new - old else f"{what} {own} of {whole}"


def causes(old: Numbers, new: Numbers, changed: Sequence[Change]) -> tuple[Cause, ...]:
    """Causes of the difference between two runs, the largest effect on energy first."""
    found = [*row_causes(old, new, changed), *_chip_prices(old, new, changed)]
    left = new.energy_fj - old.energy_fj - sum(cause.energy_fj for cause in found)
    cycles = new.cycles - old.cycles
    counted = [move.path for move in term_moves(old, new) if move.count_fj]
    if counted or cycles or old.done != new.done or old.start != new.start:
        found.append(Cause(_text(roots(changed)), left, cycles, tuple(counted)))
    elif left and found:  # what rounding leaves over
        first = found[0]
        found[0] = Cause(first.text, first.energy_fj + left, first.cycles, first.terms)
    elif left:
        found.append(Cause(_text(()), left, 0))
    return ranked(found)


def ranked(found: Iterable[Cause]) -> tuple[Cause, ...]:
    """The largest effects first, on energy, then on cycles."""
    return tuple(sorted(found, key=lambda c: (-abs(c.energy_fj), -abs(c.cycles), c.text)))


def roots(changed: Iterable[Change]) -> list[Change]:
    """Changes that can move counts or cycles: inputs, or what follows from them if none differs.

    The tool's version is named only if nothing else differs.
    """
    able = [c for c in changed if c.section != "energy" and not _no_count(c)]
    own = [c for c in able if c.section not in (*FOLLOWS, "tool")]
    return own or [c for c in able if c.section in FOLLOWS] or able


def _no_count(change: Change) -> bool:
    """Clock and supply are prices; how accuracy is measured has no part in a run."""
    if change.section == "workload":
        return change.path.startswith("evaluation_")
    return change.section == "chip" and change.path in ("clock_hz", "voltage_mv")


def _text(changed: Sequence[Change]) -> str:
    if not changed:
        return SAME_CODE
    shown = "; ".join(str(change) for change in changed[:6])
    rest = len(changed) - 6
    return f"{shown}; and {rest} more" if rest > 0 else shown


def rows_of(changed: Iterable[Change]) -> dict[str, list[Change]]:
    """Changed parts of the energy table by row; the table's voltage under ``voltage``."""
    rows: dict[str, list[Change]] = defaultdict(list)
    for change in changed:
        if change.section == "energy":
            rows[op_of(change.path) or change.path].append(change)
    return dict(rows)


def row_text(op: str, parts: Sequence[Change]) -> str:
    """``energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %)``."""
    if op == "voltage":
        return str(parts[0]).replace("energy row voltage", "energy table's voltage")
    told = (str(part).removeprefix(f"energy row {op}.") for part in parts)
    return f"energy row {op}: {', '.join(told)}"


def row_causes(old: Numbers, new: Numbers, changed: Sequence[Change]) -> list[Cause]:
    """The exact effect of every changed row that prices something."""
    found = []
    for op, parts in rows_of(changed).items():
        effects = {p.path: e for p in parts if (e := _row_effect(old, new, p)) is not None}
        if effects:
            found.append(
                Cause(row_text(op, parts), round(sum(effects.values())), 0, tuple(effects))
            )
    return found


def _row_effect(old: Numbers, new: Numbers, part: Change) -> Fraction | None:
    """What a changed part costs for the new counts; None where nothing is counted."""
    term = new.terms.get(part.path)
    if term is None:
        return None
    return term.count * (term.fj_per_count - _at_old_value(old, new, part))


def _at_old_value(old: Numbers, new: Numbers, part: Change) -> Fraction:
    """The new price with the old table value in it."""
    before, after = amount(part.old), amount(part.new)
    term = new.terms[part.path]
    if before is None or after is None:  # a part that is new
        return Fraction(0)
    if not after[0]:
        return old.terms[part.path].fj_per_count if part.path in old.terms else Fraction(0)
    return term.fj_per_count * before[0] / after[0]


def _chip_prices(old: Numbers, new: Numbers, changed: Sequence[Change]) -> list[Cause]:
    """What the chip's size, clock and voltage do to prices, by the fields that do it."""
    table = {c.path: c for c in changed if c.section == "energy"}
    chip = {c.path: c for c in changed if c.section == "chip"}
    groups: dict[tuple[str, ...], list[tuple[str, Fraction]]] = defaultdict(list)
    for move in term_moves(old, new):
        effect = _other_price(old, new, move, table.get(move.path))
        if effect:
            fields = tuple(path for path in _fields(move.path) if path in chip)
            groups[fields].append((move.path, effect))
    return [
        Cause(
            _price_text([chip[path] for path in fields], table),
            round(sum(effect for _, effect in terms)),
            0,
            tuple(path for path, _ in terms),
        )
        for fields, terms in groups.items()
    ]


def _other_price(old: Numbers, new: Numbers, move: TermMove, row: Change | None) -> Fraction:
    """The part of a term's price effect that is not its table row's."""
    if move.old is None or move.new is None:
        return Fraction(0)
    price = _at_old_value(old, new, row) if row else move.new.fj_per_count
    return move.new.count * (price - move.old.fj_per_count)


def _fields(path: str) -> tuple[str, ...]:
    op = op_of(path)
    own = next((fields for key, fields in _PRICED_BY.items() if op.startswith(key)), ())
    return own + _FOR_ALL


def _price_text(fields: Sequence[Change], table: dict[str, Change]) -> str:
    told = [f"price by {change}" for change in fields]
    if "voltage" in table:
        told.append(row_text("voltage", [table["voltage"]]))
    return "; ".join(told) or "the rules of pricing: the code behaves differently"
