"""A search that was cut short anywhere and taken up again finds what it would have found."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from workloads.models import Rwkv4
from workloads.sparsity.journal import Journal
from workloads.sparsity.recipe import Recipe
from workloads.sparsity.search import sparsify

TEXT = bytes((7 * i * i + i // 3) % 251 for i in range(33))
HOW = {"loss_inc": 1.02, "window": 16, "workers": 1}


class CutShortError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(small_model: Rwkv4) -> Recipe:
    return sparsify(small_model, TEXT, **HOW)  # type: ignore[arg-type]


def cut_short(model: Rwkv4, journal: Path, after: int) -> None:
    """Search until so many losses have been measured by this process."""
    from workloads.sparsity import search

    inner, calls = search.Search._nats, [0]

    def nats(self: search.Search, batch: int, tap: object) -> float:
        calls[0] += 1
        if calls[0] > after:
            raise CutShortError
        return inner(self, batch, tap)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search.Search, "_nats", nats)
        with pytest.raises(CutShortError):
            sparsify(model, TEXT, journal=journal, **HOW)  # type: ignore[arg-type]


@given(cuts=st.lists(st.integers(1, 25), min_size=1, max_size=3), torn=st.integers(0, 40))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cut_anywhere_and_taken_up(
    small_model: Rwkv4,
    whole: Recipe,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    torn: int,
) -> None:
    journal = tmp_path_factory.mktemp("cut") / "r.yaml.journal"
    for after in cuts[: 1 + whole.evaluations // 26]:
        cut_short(small_model, journal, after)
        # What a process that is killed while it writes may leave behind.
        data = journal.read_bytes()
        journal.write_bytes(data[: len(data) - torn] if torn < 20 else data + b'{"key": "blo')
    assert sparsify(small_model, TEXT, journal=journal, **HOW) == whole  # type: ignore[arg-type]
    lines = journal.read_text().splitlines()
    assert all(json.loads(line) for line in lines)


def test_nothing_is_measured_twice(small_model: Rwkv4, whole: Recipe, tmp_path: Path) -> None:
    journal = tmp_path / "j"
    assert sparsify(small_model, TEXT, journal=journal, **HOW) == whole  # type: ignore[arg-type]
    before = journal.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        from workloads.sparsity.search import Search

        patch.delattr(Search, "_nats")
        patch.delattr(Search, "_calibrated")
        again = sparsify(small_model, TEXT, journal=journal, **HOW)  # type: ignore[arg-type]
    assert again == whole
    assert journal.read_bytes() == before


KILLED = """
import sys, torch
sys.path.insert(0, {here!r})
from conftest import random_weights
from workloads.models import Rwkv4, Rwkv4Shape
from workloads.sparsity.search import sparsify
shape = Rwkv4Shape(layers=2, width=8, ffn=20, vocab=256)
model = Rwkv4(shape, random_weights(shape))
print("ready", flush=True)
sparsify(model, {text!r}, 1.02, window=16, workers=1, journal={journal!r},
         progress=lambda done, total, message: print(done, flush=True) or input())
"""


def test_killed_and_started_again(small_model: Rwkv4, whole: Recipe, tmp_path: Path) -> None:
    journal = tmp_path / "r.yaml.journal"
    code = KILLED.format(here=str(Path(__file__).parent), text=TEXT, journal=str(journal))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for expected in ("ready", "1", "2", "3"):
            assert process.stdout.readline().strip() == expected
            if expected not in ("ready", "3"):
                process.stdin.write("\n")
                process.stdin.flush()
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    notes = Journal(journal, json.loads(journal.read_text().splitlines()[0]))
    assert notes.taken_up > 3
    notes.close()
    assert sparsify(small_model, TEXT, journal=journal, **HOW) == whole  # type: ignore[arg-type]


def test_a_journal_of_another_search_is_refused_and_kept(
    small_model: Rwkv4, tmp_path: Path
) -> None:
    journal = tmp_path / "j"
    cut_short(small_model, journal, 3)
    before = journal.read_bytes()
    with pytest.raises(InputError, match=r"j: is of another search: loss_inc is 1.02 there and 1"):
        sparsify(small_model, TEXT, 1.05, window=16, journal=journal)
    with pytest.raises(InputError, match=r"another search: calibration is [0-9a-f]{12}… there"):
        sparsify(small_model, TEXT[1:], journal=journal, **HOW)  # type: ignore[arg-type]
    assert journal.read_bytes() == before


@pytest.mark.parametrize("text", ["schema: seneca-recipe/1\n", '{"schema": "other/1"}\n', "words"])
def test_a_file_that_is_no_journal_is_refused_and_kept(
    small_model: Rwkv4, tmp_path: Path, text: str
) -> None:
    journal = tmp_path / "r.yaml"
    journal.write_text(text)
    with pytest.raises(InputError, match=r"r\.yaml: is no journal of a search"):
        sparsify(small_model, TEXT, journal=journal, **HOW)  # type: ignore[arg-type]
    assert journal.read_text() == text


def test_a_journal_that_cannot_be_written(small_model: Rwkv4, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"j: cannot be written \(No such file or directory\)$"):
        sparsify(small_model, TEXT, journal=tmp_path / "no" / "j", **HOW)  # type: ignore[arg-type]
