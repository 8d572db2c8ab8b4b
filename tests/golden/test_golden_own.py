"""The project's own goldens: the numbers of this version, and what they cost to check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from golden_tools import GOLDENS

from seneca_sim.cli.golden_files import check_file
from seneca_sim.golden import read_golden
from seneca_sim.golden.text import outcome_lines

FILES = sorted(GOLDENS.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_holds(path: Path) -> None:
    outcome = check_file(path)
    assert outcome.exit_code == 0, "\n".join(outcome_lines(outcome))


def test_the_shipped_model_is_held_in_all_variants_and_nothing_is_degenerate() -> None:
    goldens = {path.stem: read_golden(path) for path in FILES}
    assert list(goldens["shipped-model"].numbers) == ["dense", "natural", "sparsified"]
    assert all(golden.degenerate == golden.tolerances == () for golden in goldens.values())
    assert len(goldens) >= 4


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < 200_000


def test_a_check_needs_neither_torch_nor_numba_nor_pandas() -> None:
    """So it starts quickly, and right after an installation without extras."""
    code = (
        "import sys, json; from seneca_sim.cli.main import main; "
        "assert main(['golden', 'check', *sys.argv[1:]]) == 0; "
        "print(json.dumps([m for m in ('torch', 'numba', 'pandas') if m in sys.modules]))"
    )
    files = [str(path) for path in FILES if path.stem != "shipped-model"]
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
