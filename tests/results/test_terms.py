from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.config import Mark
from seneca_sim.results.marks import weakest
from seneca_sim.results.tables import exact
from seneca_sim.results.terms import apportion
from seneca_sim.results.tokens import percentile


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**9), max_size=30))
def test_shares_add_up_and_are_less_than_one_from_exact(total: int, weights: list[int]) -> None:
    shares = apportion(total, weights)
    whole = sum(weights)
    assert sum(shares) == (total if whole else 0)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - (Fraction(total * weight, whole) if whole else 0)) < 1
        assert weight or not share


def test_the_first_of_equal_remainders_is_rounded_up() -> None:
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(3, [2, 2, 0]) == [2, 1, 0]


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.sampled_from([5, 25, 50, 75, 95])
)
def test_percentile_is_numpys_inverted_cdf(values: list[int], percent: int) -> None:
    # Half a rank of tolerance: numpy works out the rank in floats.
    assert percentile(values, percent) in values
    assert sum(v <= percentile(values, percent) for v in values) * 100 >= percent * len(values)
    found = np.percentile(np.array(values), percent, method="inverted_cdf")
    if percent * len(values) % 100:
        assert percentile(values, percent) == found


def test_percentiles_of_sixteen_tokens() -> None:
    values = list(range(1, 17))
    assert (percentile(values, 50), percentile(values, 95)) == (8, 16)
    assert percentile([7], 95) == 7


def test_weakest_mark() -> None:
    assert weakest([Mark.PUBLISHED, Mark.DERIVED, Mark.SECOND_HAND]) is Mark.DERIVED
    assert weakest([Mark.ASSUMED, Mark.USER]) is Mark.USER
    assert weakest([]) is Mark.PUBLISHED


@given(st.fractions(min_value=0, max_value=10**6))
def test_exact_text_reads_back(value: Fraction) -> None:
    assert Fraction(exact(value)) == value


def test_exact_text_is_short() -> None:
    assert exact(Fraction("47.18592")) == "47.18592"
    assert exact(Fraction(29600)) == "29600"
    assert exact(Fraction(1, 50)) == "0.02"
    assert exact(Fraction(1, 3)) == "1/3"
