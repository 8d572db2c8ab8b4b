"""Verdicts of single rows, and what the table must list."""

from dataclasses import replace

import pytest

from seneca_sim.validate import Measured, Published, Row, failed, headline, published_rows

# Ids of the project's list of published numbers, typed here by hand.
LISTED = {
    "e-add": 1.4, "e-int8": 1.2, "e-cmp": 1.2, "e-eql": 1.1, "e-and": 1.1, "e-shl": 1.2,
    "e-i2f": 1.1, "e-rnd": 1.4, "e-mld": 3.7, "e-mst": 3.9, "e-evc": 0.5, "e-riscv": 11.6,
    "e-noc": 2, "sop": 2.8, "area": 0.47, "sp-3b-natural": 28.65, "sp-3b": 63.16,
    "sp-15b": 59.99, "gain-3b": 1.9, "flow-snn-ms": 44.9, "flow-snn-uj": 927.0,
}  # fmt: skip
BASE = Published("x", "1.4", "pJ", "what", "", "input", "s", "published", "digit", "")


def row(simulated: float | None, **changes: str) -> Row:
    measured = None if simulated is None else Measured(simulated)
    return Row(replace(BASE, **changes), measured)


def test_every_published_number_is_there_once_with_its_source() -> None:
    rows = {r.id: r for r in published_rows()}
    assert len(rows) == len(published_rows())
    for name, number in LISTED.items():
        assert rows[name].value == number
    for r in rows.values():
        assert r.source or not r.number
        assert r.kind in ("input", "consistency", "independent")
        assert r.mark in ("published", "second-hand", "derived", "assumed")


@pytest.mark.parametrize(
    ("simulated", "changes", "verdict"),
    [
        (1.4499, {}, "holds"),
        (1.35, {}, "holds"),
        (1.4501, {}, "fails"),
        (1.4, {"tolerance": "exact"}, "holds"),
        (1.4001, {"tolerance": "exact"}, "fails"),
        (1.42, {"tolerance": "2 %"}, "holds"),
        (1.43, {"tolerance": "2 %"}, "fails"),
        (0.3, {"tolerance": "below"}, "holds"),
        (1.5, {"tolerance": "below"}, "fails"),
        (9.0, {"tolerance": ""}, "reported"),
        (9.0, {"number": ""}, "reported"),
        (None, {}, "not reproduced"),
        (10.4, {"number": "10"}, "holds"),
        (10.6, {"number": "10"}, "fails"),
    ],
)
def test_verdicts(simulated: float | None, changes: dict[str, str], verdict: str) -> None:
    assert row(simulated, **changes).verdict == verdict


def test_the_headline_counts_independent_numbers_alone() -> None:
    rows = [
        row(2.8),  # an input, 100 % off
        row(1.54, kind="independent", tolerance=""),
        row(1.26, kind="independent", tolerance=""),
        row(None, kind="independent"),
        row(0.1, kind="independent", tolerance="below"),
        row(5.0, kind="independent", number=""),
    ]
    error, reproduced, all_of_them = headline(rows)
    assert error == pytest.approx(10)
    assert (reproduced, all_of_them) == (2, 3)
    assert [r.simulated for r in failed(rows)] == [2.8]
