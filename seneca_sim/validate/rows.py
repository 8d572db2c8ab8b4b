"""A row of the validation table: a published number beside what this project gets by running."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Final

KINDS: Final = ("input", "consistency", "independent")
HOLDS, FAILS, REPORTED, ABSENT = "holds", "fails", "reported", "not reproduced"
INCOMPARABLE: Final = "not comparable"


@dataclass(frozen=True)
class Published:
    """One line of ``published.csv``.

    Attributes:
        id: short name of the row.
        number: as the source prints it; "" if there is nothing to compare with.
        kind: ``input`` (a number that went in, measured back by a run), ``consistency`` (follows
            from other published numbers) or ``independent``.
        tolerance: "digit" (rounds to the published digits), "exact", "below", "2 %"; "" if the
            row is only reported.
        reason: why it is not reproduced, or only reported.
    """

    id: str
    number: str
    unit: str
    what: str
    conditions: str
    kind: str
    source: str
    mark: str
    tolerance: str
    reason: str

    @property
    def value(self) -> float | None:
        """The published number."""
        return float(self.number) if self.number else None


@dataclass(frozen=True)
class Measured:
    """What a run gave, and the reference if that is no published number but a closed form."""

    value: float
    reference: float | None = None


@dataclass(frozen=True)
class Row:
    """A published number, what was measured, and the verdict.

    Attributes:
        skipped: why nothing was measured.
        elsewhere: what the published number holds for, where that is not this chip.
    """

    published: Published
    measured: Measured | None
    skipped: str = ""
    elsewhere: str = ""

    @property
    def id(self) -> str:
        """Short name."""
        return self.published.id

    @property
    def reference(self) -> float | None:
        """What is compared with."""
        given = self.published.value
        return given if given is not None or self.measured is None else self.measured.reference

    @property
    def simulated(self) -> float | None:
        """What was measured."""
        return None if self.measured is None else self.measured.value

    @property
    def error_percent(self) -> float | None:
        """Relative error; None without both numbers, against zero, or against another chip."""
        if self.simulated is None or not self.reference or self.elsewhere:
            return None
        return 100 * (self.simulated / self.reference - 1)

    @property
    def verdict(self) -> str:
        """`holds`, `fails`, `reported` (no promise), `not reproduced` or `not comparable`."""
        if self.simulated is None:
            return ABSENT
        if self.elsewhere:
            return INCOMPARABLE
        if not self.published.tolerance or self.reference is None:
            return REPORTED
        return HOLDS if self._within(self.simulated, self.reference) else FAILS

    def _within(self, simulated: float, reference: float) -> bool:
        tolerance = self.published.tolerance
        if tolerance == "exact":
            return simulated == reference
        if tolerance == "below":
            return simulated <= reference
        if tolerance == "digit":
            unit = 10.0 ** int(Decimal(self.published.number).as_tuple().exponent)
            return abs(simulated - reference) <= unit / 2 * (1 + 1e-9)
        return abs(simulated / reference - 1) * 100 <= float(tolerance.rstrip(" %"))

    @property
    def reason(self) -> str:
        """Why a row is not reproduced, skipped, only reported or not comparable."""
        return self.skipped or self.elsewhere or self.published.reason


def published_rows() -> tuple[Published, ...]:
    """Every number of ``published.csv``, in its order."""
    text = files("seneca_sim.validate").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(Published(**line) for line in csv.DictReader(text.splitlines()))


def headline(rows: Iterable[Row]) -> tuple[float, int, int]:
    """Mean |error| in percent of independent rows, how many have one, how many there are."""
    mine = [r for r in rows if r.published.kind == "independent" and r.reference is not None]
    own = [r for r in mine if r.published.tolerance != "below"]
    errors = [abs(r.error_percent) for r in own if r.error_percent is not None]
    return sum(errors) / max(1, len(errors)), len(errors), len(own)


def failed(rows: Iterable[Row]) -> list[Row]:
    """Rows that had to hold and do not."""
    return [row for row in rows if row.verdict == FAILS]
