"""Exact quantities from text, and short text from quantities.

Values are `Fraction`s of one base unit per dimension (`DIMENSIONS`), never floats: "1.4 pJ" is
1400 fJ to the last digit. SI prefixes are powers of ten, binary prefixes (Ki, Mi, Gi) powers of
1024: "2 Mib" is 2**21 bits, "2 Mb" two million.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from seneca_sim.errors import InputError

_SI = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "": 0} | {
    "k": 3,
    "K": 3,
    "M": 6,
    "G": 9,
    "T": 12,
}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30}
_DISPLAY = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
# A byte is read as eight bits.
_SYMBOLS = {"Hz": 1, "b": 1, "B": 8, "J": 1, "W": 1, "s": 1, "V": 1, "m2": 1}
_UNIT = re.compile(r"([KMG]i|[fpnuµμmkKMGT])?(Hz|b|B|J|W|s|V|m2)")
_DIGITS = r"\d+(?:_\d+)*"
# Two exponent digits at most: "1e999999999" must not fill the memory.
_PLAIN = rf"(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?\d{{1,2}})?"
_NUMBER = rf"[+-]?(?:{_DIGITS}/{_DIGITS}|{_PLAIN})"
_LONGEST = 80
_QUANTITY = re.compile(rf"({_NUMBER})\s*(\S*)")


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: its name, its base unit and an example of the text for it."""

    name: str
    base: str
    example: str


DIMENSIONS = {
    d.name: d
    for d in (
        Dimension("frequency", "Hz", "MHz"),
        Dimension("data", "b", "b"),
        Dimension("energy", "fJ", "pJ"),
        Dimension("power", "fW", "uW"),
        Dimension("time", "ps", "ns"),
        Dimension("voltage", "mV", "V"),
        Dimension("area", "um2", "mm2"),
        Dimension("bandwidth", "b/s", "Gb/s"),
        Dimension("energy per bit", "fJ/b", "fJ/b"),
        Dimension("power per bit", "fW/b", "pW/b"),
        Dimension("area per bit", "um2/b", "um2/b"),
    )
}


@lru_cache(maxsize=4096)  # the points of a study read the same texts again and again
def parse_quantity(text: str, dimension: str, *, negative: bool = False) -> Fraction:
    """Read `text` as a quantity of `dimension`, in that dimension's base unit.

    Args:
        text: a number and a unit, such as "500 MHz"; a space between them is optional.
        dimension: a key of `DIMENSIONS`.
        negative: whether a value below zero is allowed.

    Raises:
        InputError: no number, no unit, a unit of another dimension, or a forbidden sign.

    """
    wanted = DIMENSIONS[dimension]
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or _zero_denominator(match[1]):
        example = f"'1.5 {wanted.example}'"
        raise InputError(
            f"{text[:_LONGEST]!r} is not a quantity: expected {dimension}, e.g. {example}"
        )
    number, unit = Fraction(match[1]), match[2]
    if not unit:
        example = f"'{match[1]} {wanted.example}'"
        raise InputError(f"{match[1]} needs a unit of {dimension}, e.g. {example}")
    if number < 0 and not negative:
        raise InputError(f"{text.strip()!r} is negative: {dimension} must be zero or more here")
    return number * _factor(unit, wanted)


def _zero_denominator(number: str) -> bool:
    """Say whether `number` is a fraction over zero."""
    return "/" in number and int(number.split("/")[1]) == 0


def _factor(unit: str, wanted: Dimension) -> Fraction:
    """Return how many base units of `wanted` one `unit` is."""
    here, there = _split(unit), _split(wanted.base)
    if here is None or there is None or here[1] != there[1]:
        raise InputError(
            f"{unit!r} is not a unit of {wanted.name}: expected for example {wanted.example!r}"
        )
    return here[0] / there[0]


def _split(unit: str) -> tuple[Fraction, tuple[str, ...]] | None:
    """Return a unit's scale and plain symbols, "pW/b" -> 10**-12, (W, b); None if unknown."""
    scale, symbols = Fraction(1), []
    for place, part in enumerate(unit.split("/")):
        match = _UNIT.fullmatch(part)
        if match is None or (match[1] in _BINARY and match[2] not in "bB"):
            return None
        one = _prefix_scale(match[1] or "", match[2]) * _SYMBOLS[match[2]]
        scale = scale * one if place == 0 else scale / one
        symbols.append("b" if match[2] == "B" else match[2])
    return scale, tuple(symbols)


def _prefix_scale(prefix: str, symbol: str) -> Fraction:
    """Return the factor of a prefix, squared before a squared unit: mm2 is (mm)2."""
    if prefix in _BINARY:
        return Fraction(2 ** _BINARY[prefix])
    return Fraction(10) ** (_SI[prefix] * (2 if symbol == "m2" else 1))


def si(value: int | float | Fraction, unit: str) -> str:
    """Write `value` in `unit` with three significant digits: 3_420_000_000 fJ is "3.42 µJ".

    The prefix is chosen anew, that of `unit` only says what `value` counts; areas keep theirs.
    """
    split = _split(unit)
    if split is None:
        raise InputError(f"unknown unit {unit!r}")
    symbol, exact = "/".join(split[1]), Fraction(value) * split[0]
    if exact == 0:
        return f"0 {symbol}"
    if split[1][0] == "m2":
        return f"{_three_digits(Fraction(value))} {unit.replace('u', 'µ')}"
    rounded = _rounded(abs(exact))
    shift = min(max(_exponent(rounded) // 3 * 3, -15), 12)
    sign = "-" if exact < 0 else ""
    return f"{sign}{_three_digits(rounded / Fraction(10) ** shift)} {_DISPLAY[shift]}{symbol}"


def _rounded(value: Fraction) -> Fraction:
    """Round `value` > 0 to three significant digits, half to even."""
    unit = Fraction(10) ** (_exponent(value) - 2)
    return round(value / unit) * unit


def _exponent(value: Fraction) -> int:
    """Return the e for which 10**e <= `value` < 10**(e+1)."""
    guess = len(str(value.numerator)) - len(str(value.denominator))
    return guess if Fraction(10) ** guess <= value else guess - 1


def _three_digits(value: Fraction) -> str:
    """Write `value` with three significant digits in plain notation."""
    rounded = _rounded(abs(value))
    decimals = max(0, 2 - _exponent(rounded))
    whole = round(rounded * 10**decimals)
    sign = "-" if value < 0 else ""
    if not decimals:
        return f"{sign}{whole}"
    return f"{sign}{whole // 10**decimals}.{whole % 10**decimals:0{decimals}d}"


def exact_text(value: int | Fraction, dimension: str) -> str:
    """Write `value` so that `parse_quantity` reads it back, with the largest whole prefix."""
    base = DIMENSIONS[dimension].base
    amount = Fraction(value)
    for unit, factor in _LADDERS.get(dimension, ()):
        if amount and (amount / factor).denominator == 1:
            return f"{amount / factor} {unit}"
    return f"{amount} {base}"


_LADDERS: dict[str, tuple[tuple[str, int], ...]] = {
    "frequency": (("GHz", 10**9), ("MHz", 10**6), ("kHz", 10**3)),
    "data": (("Gib", 2**30), ("Mib", 2**20), ("Kib", 2**10)),
    "energy": (("nJ", 10**6), ("pJ", 10**3)),
    "power per bit": (("pW/b", 10**3),),
}
