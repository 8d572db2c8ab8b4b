"""Tutorial and guides: what they tell their reader to do is done, in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_tools import DOCS, run_page

from seneca_sim.cost import interpreter, notation
from workloads.compiler.placement import PLACEMENTS

GUIDES = {
    "sweep": 4,
    "own-model": 3,
    "own-chip": 3,
    "own-energy-table": 3,
    "ci-gate": 6,
    "npe-kernel": 1,
    "mapping": 2,
    "simpy-model": 2,
}


@pytest.fixture(autouse=True)
def _tables_as_they_were() -> Iterator[None]:
    """Pages add an instruction and a placement; other tests must not see them."""
    tables = (notation.MNEMONICS, interpreter._ARITHMETIC, PLACEMENTS)
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


def test_every_guide_is_run() -> None:
    assert {path.stem for path in (DOCS / "guides").glob("*.md")} == set(GUIDES)


@pytest.mark.parametrize("guide", GUIDES)
def test_guide(guide: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_page(f"guides/{guide}.md", monkeypatch) == GUIDES[guide]


def test_tutorial(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_page("tutorial.md", monkeypatch) == 8
    assert (place / "report.html").stat().st_size > 100_000
    assert (place / "run.pftrace").stat().st_size > 1000
