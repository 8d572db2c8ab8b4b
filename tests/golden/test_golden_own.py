"""The project's own goldens: the numbers of this version, and what they cost to check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from golden_tools import GOLDENS, own_golden

from seneca_sim.cli.golden_files import check_file
from seneca_sim.cli.golden_jobs import unpacked
from seneca_sim.conformance.build import Builder
from seneca_sim.golden import read_golden
from seneca_sim.golden.text import outcome_lines
from seneca_sim.program import HOST_STAGE
from seneca_sim.program.file import parse_program
from workloads.traces import synthesise
from workloads.traces.sites import BLOCK_SITES, TraceShape

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


def test_the_multicast_is_the_program_written_here() -> None:
    """So that it can be made again: core 0 sends its events to cores 4 and 5, which answer."""
    golden, job = own_golden("fan-out")
    b = Builder(job.chip, "event_bf16", "relu2_fire")
    x, y = b.site("x", 40, "dense"), 2
    events = b.site("blocks.0.e", 40)
    assert b.site("y", 16, "dense", 1) == y
    first = b.stage(0, [b.stored(0, x)], ("relu2_fire", 5))
    last = [
        b.stage(core, [b.weighted(core, events, 8)], ("send_acc", 1), layer=1) for core in (4, 5)
    ]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0])
    b.route(events, first, [4, 5])
    for stage, low in zip(last, (0, 8), strict=True):
        b.route(y, stage, [b.host], low, low + 8)
    assert parse_program(json.dumps(golden.spec["program"])) == b.build()
    assert golden.spec["events"] == [[40] * 4, [40, 17, 1, 0], [8] * 4, [8] * 4]


def test_the_small_block_is_the_trace_drawn_here() -> None:
    shape = TraceShape(family="rwkv4", layers=1, width=32, ffn=128, vocab=40)
    densities = dict.fromkeys(BLOCK_SITES, 0.5)
    trace = synthesise(shape, densities, tokens=3, seed=1, variant="natural")
    for name in ("small-pipelined", "small-off-core"):
        golden, _ = own_golden(name)
        kept = unpacked(golden.spec["traces"]["natural"], "natural")
        assert kept.sites == trace.sites
