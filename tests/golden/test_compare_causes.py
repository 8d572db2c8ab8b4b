"""Moves and causes on runs whose numbers are made up, so that every share is known by hand."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from seneca_sim.results.compare import Change, Numbers, TermNumbers, causes, moves, term_moves
from seneca_sim.results.compare.inputs import amount, changes, relative
from seneca_sim.results.compare.numbers import from_plain, plain


def term(count: int, price: int | Fraction) -> TermNumbers:
    return TermNumbers(count, Fraction(price), round(count * Fraction(price)))


def run(cycles: int = 100, **terms: TermNumbers) -> Numbers:
    paths = {path.replace("__", "."): one for path, one in terms.items()}
    return Numbers(cycles, (0,), (cycles,), paths)


MUL = Change("energy", "npe.mul.npe", "10 fJ", "20 fJ")
HOPS = Change("chip", "noc.hop_cycles", 1, 2)
FLIT = Change("chip", "noc.flit_bits", 32, 64)


def test_keys_are_those_of_the_command_line() -> None:
    numbers = run(cycles=7, npe__mul__npe=term(3, 80), npe__mul__loop_buffer=term(3, 2))
    assert numbers.integers() == {
        "cycles": 7,
        "token.0.start": 0,
        "token.0.done": 7,
        "count.npe.mul": 3,
        "energy.npe.mul.npe": 240,
        "energy.npe.mul.loop_buffer": 6,
        "energy.total": 246,
    }


def test_what_differs_and_nothing_else_is_a_move() -> None:
    old = run(a__x=term(3, 80), b__y=term(1, 5))
    new = run(a__x=term(3, 90), c__z=term(2, 1))
    found = {move.key: (move.old, move.new, move.delta) for move in moves(old, new)}
    assert found == {
        "energy.a.x": (240, 270, 30),
        "count.b": (1, None, -1),
        "energy.b.y": (5, None, -5),
        "count.c": (None, 2, 2),
        "energy.c.z": (None, 2, 2),
        "energy.total": (245, 272, 27),
    }


def test_count_and_price_each_have_their_part() -> None:
    (move,) = term_moves(run(a__x=term(10, 5)), run(a__x=term(12, 6)))
    # Two more at the old 5, then one more fJ for each of the new 12.
    assert (move.count_fj, move.price_fj, move.delta_fj) == (10, 12, 22)


def test_a_row_has_its_effect_and_the_rest_goes_to_the_other_input() -> None:
    # 8 NPEs: 10 fJ become 20 fJ in the table, 80 fJ become 160 fJ a count.
    old = run(100, npe__mul__npe=term(10, 80), noc__flit_hop__noc=term(5, 2000))
    new = run(130, npe__mul__npe=term(10, 160), noc__flit_hop__noc=term(6, 2000))
    first, second = causes(old, new, (MUL, HOPS))
    assert (first.text, first.energy_fj, first.cycles) == (
        "chip noc.hop_cycles 1 -> 2 (+100 %)", 2000, 30,
    )  # fmt: skip
    assert (second.text, second.energy_fj, second.cycles) == (
        "energy row npe.mul: npe 10 fJ -> 20 fJ (+100 %)", 800, 0,
    )  # fmt: skip
    assert second.share(old, new) == "accounts for energy +7.41 % of +25.9 %"
    assert first.share(old, new) == "accounts for energy +18.5 % of +25.9 % and all of cycles +30 %"


def test_a_chip_field_that_only_prices_is_named() -> None:
    old, new = run(noc__flit_hop__noc=term(5, 2000)), run(noc__flit_hop__noc=term(5, 4000))
    (cause,) = causes(old, new, (FLIT,))
    assert cause.text == "price by chip noc.flit_bits 32 -> 64 (+100 %)"
    assert cause.energy_fj == 10_000
    assert cause.terms == ("noc.flit_hop.noc",)


def test_a_row_that_prices_nothing_is_no_cause() -> None:
    old, new = run(100, a__x=term(1, 1)), run(101, a__x=term(1, 1))
    (cause,) = causes(old, new, (MUL, HOPS))
    assert cause.text.startswith("chip noc.hop_cycles")


def test_without_any_input_the_code_is_to_blame() -> None:
    (cause,) = causes(run(100, a__x=term(1, 1)), run(90, a__x=term(1, 1)), ())
    assert cause.text == "the code: no input that differs explains it"
    assert cause.share(run(100), run(90)) == "accounts for all of cycles -10 %"


def test_another_version_is_named_only_where_no_input_differs() -> None:
    version = Change("tool", "version", "1.0", "1.1")
    old, new = run(100, a__x=term(1, 1)), run(90, a__x=term(1, 1))
    assert causes(old, new, (version,))[0].text == "tool version 1.0 -> 1.1"
    assert "version" not in causes(old, new, (version, HOPS))[0].text
    follows = Change("program", "stages", 4, 5)
    assert "stages" not in causes(old, new, (follows, HOPS))[0].text
    assert causes(old, new, (version, follows))[0].text == "program stages 4 -> 5 (+25 %)"


def test_only_sections_of_both_sides_are_compared() -> None:
    old = {"chip": {"columns": 2}, "kernels": {"wkv": "a"}}
    new = {"chip": {"columns": 3, "rows": 1}}
    assert [str(c) for c in changes(old, new)] == [
        "chip columns 2 -> 3 (+50 %)",
        "chip rows none -> 1",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("600 fJ", 600), ("1.3 pJ", 1300), ("10 pW/b", 10_000), (7, 7), ("flag", None), (None, None)],
)
def test_leaves_as_numbers(text: str | int | None, value: int | None) -> None:
    found = amount(text)
    assert (found and found[0]) == value


def test_relative_changes() -> None:
    assert relative(1000, 1010) == "+1 %"
    assert relative(3, 3) == "+0 %"
    assert relative(0, 3) == "new"
    assert relative(10**15, 10**15 + 1) == "+1e-13 %"


counts = st.integers(0, 10**9)
values = st.integers(1, 5000)


@given(st.lists(st.tuples(counts, counts, values, values), min_size=1, max_size=6), st.booleans())
def test_causes_add_up_to_what_moved(rows: list[tuple[int, int, int, int]], slower: bool) -> None:
    """Whatever rows and counts do at once, no femtojoule is lost or told twice."""
    old = run(100, **{f"npe.o{n}.npe": term(a, 8 * p) for n, (a, _, p, _) in enumerate(rows)})
    new = run(
        100 + slower, **{f"npe.o{n}.npe": term(b, 8 * q) for n, (_, b, _, q) in enumerate(rows)}
    )
    changed = [
        Change("energy", f"npe.o{n}.npe", f"{p} fJ", f"{q} fJ")
        for n, (_, _, p, q) in enumerate(rows)
        if p != q
    ]
    found = causes(old, new, (*changed, HOPS))
    assert sum(cause.energy_fj for cause in found) == new.energy_fj - old.energy_fj
    assert sum(cause.cycles for cause in found) == new.cycles - old.cycles
    for n, (_, count, before, after) in enumerate(rows):
        own = [c for c in found if c.text.startswith(f"energy row npe.o{n}:")]
        assert [c.energy_fj for c in own] == ([8 * count * (after - before)] if own else [])
        assert bool(own) == (before != after)


terms = st.builds(
    TermNumbers, counts, st.fractions(0, 10**6, max_denominator=10**4), st.integers(0, 10**15)
)
paths = st.from_regex(r"[a-z]{2,4}\.[a-z]{2,6}\.[a-z]{2,6}", fullmatch=True)


@given(st.dictionaries(paths, terms, max_size=4), st.lists(st.tuples(counts, counts), max_size=3))
def test_numbers_survive_json(found: dict[str, TermNumbers], tokens: list[tuple[int, int]]) -> None:
    start, done = (tuple(column) for column in zip(*tokens, strict=True)) if tokens else ((), ())
    numbers = Numbers(7, start, done, found)
    assert from_plain(json.loads(json.dumps(plain(numbers))), "x") == numbers


@pytest.mark.parametrize(
    "change",
    [
        {"cycles": "7"}, {"cycles": True}, {"start": []}, {"terms": None},
        {"terms": {"a.b": {"count": 1, "energy_fj": 1}}},
        {"terms": {"a.b": {"count": 1, "fj_per_count": "1/0", "energy_fj": 1}}},
    ],
)  # fmt: skip
def test_damaged_numbers_are_refused(change: dict[str, object]) -> None:
    good = plain(run(7, a__x=term(1, 1)))
    with pytest.raises(InputError, match="x: numbers cannot be read"):
        from_plain(good | change, "x")
