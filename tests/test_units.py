import contextlib
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from seneca_sim.units import DIMENSIONS, exact_text, parse_quantity, si


@pytest.mark.parametrize(
    ("text", "dimension", "base_units"),
    [
        ("500 MHz", "frequency", 500_000_000),
        ("0.5GHz", "frequency", 500_000_000),
        ("5e8 Hz", "frequency", 500_000_000),
        ("2 Mib", "data", 2_097_152),
        ("256 Kib", "data", 262_144),
        ("256 KiB", "data", 2_097_152),
        ("2 Mb", "data", 2_000_000),
        ("1_000 b", "data", 1000),
        ("1.4 pJ", "energy", 1400),
        ("2 nJ", "energy", 2_000_000),
        ("1 aJ", "energy", None),
        ("22 uW", "power", 22_000_000_000),
        ("22 µW", "power", 22_000_000_000),
        ("135 ns", "time", 135_000),
        ("0.47 mm2", "area", 470_000),
        ("32 Gb/s", "bandwidth", 32_000_000_000),
        ("4 GB/s", "bandwidth", 32_000_000_000),
        ("1 pJ/b", "energy per bit", 1000),
        ("10 pW/b", "power per bit", 10_000),
        ("8 pJ/B", "energy per bit", 1000),
        ("0.2 um2/b", "area per bit", Fraction(1, 5)),
        ("1/3 fJ", "energy", Fraction(1, 3)),
    ],
)
def test_text_is_read_exactly(text: str, dimension: str, base_units: Fraction | None) -> None:
    if base_units is None:
        with pytest.raises(InputError, match="not a unit of energy"):
            parse_quantity(text, dimension)
    else:
        assert parse_quantity(text, dimension) == base_units


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("1.4", "energy", "1.4 needs a unit of energy, e.g. '1.4 pJ'"),
        ("500", "frequency", "500 needs a unit of frequency, e.g. '500 MHz'"),
        ("2 MiHz", "frequency", "'MiHz' is not a unit of frequency: expected for example 'MHz'"),
        ("2 pJ", "power", "'pJ' is not a unit of power: expected for example 'uW'"),
        ("2 pJ/s/b", "energy per bit", "'pJ/s/b' is not a unit of energy per bit"),
        ("much", "data", "'much' is not a quantity: expected data, e.g. '1.5 b'"),
        ("", "data", "'' is not a quantity"),
        ("nan pJ", "energy", "'nan pJ' is not a quantity"),
        ("inf pJ", "energy", "'inf pJ' is not a quantity"),
        ("1/0 pJ", "energy", "'1/0 pJ' is not a quantity"),
        ("1__0 b", "data", "'1__0 b' is not a quantity"),
        ("1e999999999 pJ", "energy", "'1e999999999 pJ' is not a quantity"),
        ("-1 pJ", "energy", "'-1 pJ' is negative: energy must be zero or more here"),
        ("9" * 5000 + " b", "data", "is not a quantity"),
    ],
)
def test_what_is_refused_says_why(text: str, dimension: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_quantity(text, dimension)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_negative_is_read_where_the_field_allows_it() -> None:
    assert parse_quantity("-1 pJ", "energy", negative=True) == -1000


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3_420_000_000, "fJ", "3.42 µJ"),
        (1, "fJ", "1.00 fJ"),
        (Fraction(1, 3), "fJ", "0.333 fJ"),
        (999.6, "J", "1.00 kJ"),
        (999.4, "J", "999 J"),
        (44.9e-3, "s", "44.9 ms"),
        (2**21, "b", "2.10 Mb"),
        (32e9, "b/s", "32.0 Gb/s"),
        (0, "fJ", "0 J"),
        (-2500, "fJ", "-2.50 pJ"),
        (Fraction(47, 100), "mm2", "0.470 mm2"),
        (472_000, "um2", "472000 µm2"),
    ],
)
def test_si_writes_three_significant_digits(value: Fraction, unit: str, text: str) -> None:
    assert si(value, unit) == text


def test_si_refuses_an_unknown_unit() -> None:
    with pytest.raises(InputError, match="unknown unit 'parsec'"):
        si(1, "parsec")


@given(st.fractions(min_value=Fraction(1, 10**12), max_value=10**15))
def test_si_is_within_half_a_unit_of_the_third_digit(value: Fraction) -> None:
    back = parse_quantity(si(value, "fJ"), "energy")
    assert abs(back - value) <= value / 200


@given(st.sampled_from(sorted(DIMENSIONS)), st.integers(0, 10**18))
def test_exact_text_reads_back(dimension: str, value: int) -> None:
    assert parse_quantity(exact_text(value, dimension), dimension) == value


@given(st.fractions(min_value=0, max_value=1000, max_denominator=1000))
def test_exact_text_keeps_fractions(value: Fraction) -> None:
    assert parse_quantity(exact_text(value, "power per bit"), "power per bit") == value


@given(st.text(max_size=30), st.sampled_from(sorted(DIMENSIONS)))
def test_any_text_is_a_quantity_or_an_input_error(text: str, dimension: str) -> None:
    with contextlib.suppress(InputError):
        assert parse_quantity(text, dimension) >= 0
