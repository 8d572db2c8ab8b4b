"""Tolerances: which numbers may move, by how much, and the reason why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from seneca_sim.errors import InputError
from seneca_sim.results.compare import Move


@dataclass(frozen=True)
class Tolerance:
    """Numbers under `keys` may differ by `size` (``0.5 %``, or a whole number), for a `reason`.

    `keys` is a pattern with ``*`` over ``VARIANT/KEY``, or over ``KEY`` for all variants.
    """

    keys: str
    size: str
    reason: str

    def __post_init__(self) -> None:
        if not self.keys.strip() or not self.reason.strip():
            raise InputError(f"tolerance '{self.keys}': expected keys and a reason")
        self._limit()

    def covers(self, label: str, key: str) -> bool:
        """Whether a variant's number is one of `keys`."""
        return fnmatchcase(f"{label}/{key}" if "/" in self.keys else key, self.keys)

    def allows(self, move: Move) -> bool:
        """Whether a move is small enough; a number that comes or goes never is."""
        if move.old is None or move.new is None:
            return False
        limit, relative = self._limit()
        return abs(move.delta) <= (limit * abs(move.old) if relative else limit)

    def _limit(self) -> tuple[Fraction, bool]:
        """The size, and whether it is a share of the recorded number."""
        text, percent, _ = self.size.strip().partition("%")
        try:
            value = Fraction(text.strip())
        except (ValueError, ZeroDivisionError):
            value = Fraction(-1)
        whole = value.denominator == 1 or percent
        if not (value > 0 and whole and (not percent or value < 100)):
            raise InputError(
                f"tolerance '{self.keys}': size is '{self.size}'; expected a share below 100 %, "
                "as in '0.5 %', or a whole number"
            )
        return (value / 100 if percent else value), bool(percent)


def parse_tolerance(text: str) -> Tolerance:
    """Read ``KEYS=SIZE:REASON``.

    Raises:
        InputError: a part is missing.
    """
    keys, _, rest = text.partition("=")
    size, colon, reason = rest.partition(":")
    if not colon or not reason.strip():
        raise InputError(
            f"--tolerance {text}: expected KEYS=SIZE:REASON, as in 'token.*=1 %:ties are by chance'"
        )
    return Tolerance(keys.strip(), size.strip(), reason.strip())


def tolerance_of(tolerances: Sequence[Tolerance], label: str, key: str) -> Tolerance | None:
    """The last tolerance that covers a number."""
    return next((t for t in reversed(tolerances) if t.covers(label, key)), None)


def check_used(tolerances: Sequence[Tolerance], keys: Mapping[str, Sequence[str]]) -> None:
    """Refuse a tolerance that covers no number; `keys` are those of every variant."""
    for tolerance in tolerances:
        if not any(tolerance.covers(label, key) for label in keys for key in keys[label]):
            known = "cycles, token.N.start, token.N.done, count.OP, energy.OP.CLASS, energy.total"
            raise InputError(f"tolerance '{tolerance.keys}' covers no number; keys are {known}")


def read_tolerances(data: Any, where: str) -> tuple[Tolerance, ...]:
    """Tolerances of a golden file."""
    if not isinstance(data, list):
        raise InputError(f"{where}: tolerances must be a list")
    found = []
    for item in data:
        if not isinstance(item, dict) or set(item) != {"keys", "size", "reason"}:
            raise InputError(f"{where}: a tolerance has keys, size and reason, got {item!r}")
        try:
            found.append(Tolerance(*(str(item[key]) for key in ("keys", "size", "reason"))))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return tuple(found)
