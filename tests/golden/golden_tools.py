"""What the tests of goldens share: a small machine on files, and goldens of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from seneca_sim.golden import Bench, Golden, Job, read_golden, record
from workloads.traces import synthesise, write_trace
from workloads.traces.sites import BLOCK_SITES, TraceShape

GOLDENS = Path(__file__).parents[1] / "goldens"
CHIP = """schema: seneca-chip/1
extends: seneca-4x4
name: ours
noc: {hop_cycles: 2}
"""
ENERGY = """schema: seneca-energy/1
extends: seneca-gf22
name: ours
ops:
  npe.mul: {parts: {npe: 1.3 pJ, loop_buffer: 0.9 pJ}, mark: user, source: "our lab"}
"""


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Answer]


def write_inputs(folder: Path) -> None:
    """A chip, an energy table and a trace of a small model."""
    (folder / "chip.yaml").write_text(CHIP)
    (folder / "energy.yaml").write_text(ENERGY)
    write_small_trace(folder / "small.trace")


def write_small_trace(path: Path, seed: int = 1, density: float = 0.5) -> None:
    shape = TraceShape(family="rwkv4", layers=1, width=16, ffn=32, vocab=24)
    densities = dict.fromkeys(BLOCK_SITES, density)
    write_trace(path, synthesise(shape, densities, tokens=2, seed=seed, variant="natural"))


def write_small_model(path: Path, seed: int) -> None:
    """A checkpoint of random weights."""
    import torch
    from safetensors.torch import save_file

    from workloads.models import Rwkv4Shape
    from workloads.models.layout import expected_shapes

    generator = torch.Generator().manual_seed(seed)
    shape = Rwkv4Shape(layers=1, width=16, ffn=32, vocab=256)
    save_file(
        {
            name: torch.randn(size, generator=generator) / max(1, size[-1]) ** 0.5
            for name, size in expected_shapes(shape).items()
        },
        path,
    )


RECORD = ("golden", "record", "--trace", "small.trace", "--chip", "chip.yaml", "--energy",
          "energy.yaml", "--set", "mapping.strategy=output-split", "-o",
          "goldens/small.json")  # fmt: skip


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def own_golden(name: str = "fan-out") -> tuple[Golden, Job]:
    """A golden of the project, and what it runs on."""
    from seneca_sim.cli.golden_jobs import open_job

    golden = read_golden(GOLDENS / f"{name}.json")
    return golden, open_job(golden.spec, GOLDENS)


def fresh(job: Job) -> Golden:
    """A golden of a job as it is now."""
    return record("fresh", {"kind": "none"}, Bench(job), today="2026-01-02")
