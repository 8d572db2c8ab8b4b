"""What is held still of a run: its integers, each under a key that a person can type.

``cycles``, ``token.N.start``, ``token.N.done``, ``count.OP``, ``energy.OP.CLASS`` and
``energy.total``. Energies are whole femtojoules under the path that ``--set`` has for their row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seneca_sim.errors import InputError
from seneca_sim.results.terms import Term

if TYPE_CHECKING:
    from seneca_sim.engine.activity import Activity
    from seneca_sim.results.run import RunResult

TOTAL = "energy.total"


@dataclass(frozen=True, slots=True)
class TermNumbers:
    """One (op, component): `count` actions of `fj_per_count` each, together `energy_fj`."""

    count: int
    fj_per_count: Fraction
    energy_fj: int


@dataclass(frozen=True)
class Numbers:
    """One run: cycles, start and end of every token, and the terms under ``OP.CLASS``."""

    cycles: int
    start: tuple[int, ...]
    done: tuple[int, ...]
    terms: Mapping[str, TermNumbers]

    @property
    def energy_fj(self) -> int:
        """Everything: the sum of the rounded terms."""
        return sum(term.energy_fj for term in self.terms.values())

    @cached_property
    def counts(self) -> dict[str, int]:
        """Counts by op; leakage counts core-cycles."""
        return {op_of(path): term.count for path, term in self.terms.items()}

    def integers(self) -> dict[str, int]:
        """Every number by its key."""
        tokens = enumerate(zip(self.start, self.done, strict=True))
        return {
            "cycles": self.cycles,
            **{
                f"token.{n}.{what}": cycle
                for n, ends in tokens
                for what, cycle in zip(("start", "done"), ends, strict=True)
            },
            **{f"count.{op}": count for op, count in self.counts.items()},
            **{f"energy.{path}": term.energy_fj for path, term in self.terms.items()},
            TOTAL: self.energy_fj,
        }


def op_of(path: str) -> str:
    """``npe.mld.memory`` -> ``npe.mld``."""
    return path.rpartition(".")[0]


def numbers_of(result: RunResult) -> Numbers:
    """The integers of a priced run."""
    return from_terms(result.activity, result.book.terms)


def from_terms(activity: Activity, terms: Iterable[Term]) -> Numbers:
    """The integers of an activity and its priced terms."""
    return Numbers(
        activity.cycles,
        tuple(activity.token_start.tolist()),
        tuple(activity.token_done.tolist()),
        {f"{t.op}.{t.component}": TermNumbers(t.count, t.fj_per_count, t.energy_fj) for t in terms},
    )


def plain(numbers: Numbers) -> dict[str, Any]:
    """As JSON has it."""
    terms = {
        path: {"count": t.count, "fj_per_count": str(t.fj_per_count), "energy_fj": t.energy_fj}
        for path, t in numbers.terms.items()
    }
    return {
        "cycles": numbers.cycles,
        "start": list(numbers.start),
        "done": list(numbers.done),
        "terms": terms,
    }


def from_plain(data: Mapping[str, Any], where: str) -> Numbers:
    """Undo `plain`.

    Raises:
        InputError: something is missing or no number; `where` names the file.
    """
    try:
        terms = {
            str(path): TermNumbers(
                _whole(t["count"]), Fraction(t["fj_per_count"]), _whole(t["energy_fj"])
            )
            for path, t in data["terms"].items()
        }
        start, done = (tuple(map(_whole, data[key])) for key in ("start", "done"))
        if len(start) != len(done):
            raise ValueError("as many starts as ends of tokens")
        return Numbers(_whole(data["cycles"]), start, done, terms)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{where}: numbers cannot be read ({error}); record them anew") from None


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a whole number")
    return value
