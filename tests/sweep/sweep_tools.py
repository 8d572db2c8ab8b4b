"""A study of a small layer that simulates in a millisecond, and what tests do with it.

Its strategy is given: to search for the best one at every point would take most of the time.
"""

from pathlib import Path
from typing import Any

from seneca_sim.cli.workload import workload_of
from seneca_sim.results.store import Store
from seneca_sim.sweep.plan import Plan, plan_of
from seneca_sim.sweep.resolve import resolve
from seneca_sim.sweep.run import Sweep
from seneca_sim.sweep.stages import Setup
from seneca_sim.sweep.study import parse_study

HEAD = """\
schema: seneca-study/1
name: small
workload:
  name: layer
  shape: {layers: 1, width: 32, ffn: 64, vocab: 8}
  trace: {synthetic: {density: 0.5, seed: 1}}
settings: {mapping.strategy: output-split, workload.tokens: 1}
"""
TIMING = """\
axes:
  grid:
    mapping.cores_per_layer: [1, 2]
    noc.hop_cycles: {from: 1, to: 4}
    core.npes: [4, 8]
"""


def text_of(body: str = TIMING, head: str = HEAD) -> str:
    return head + body


def written(folder: Path, body: str = TIMING, head: str = HEAD) -> Path:
    path = folder / "study.yaml"
    path.write_text(text_of(body, head))
    return path


def planned(body: str = TIMING, head: str = HEAD) -> tuple[Plan, Setup]:
    study = parse_study(text_of(body, head), "study.yaml")
    workload = workload_of(study.workload)
    plan = plan_of(study, workload.sort)
    return plan, Setup(workload, plan.common, study.area)


def prepared(plan: Plan, setup: Setup) -> Setup:
    """The setup with the traces of all points, as `Sweep.run` makes it."""
    runs = [resolve(plan.settings(point), setup.workload.sort).run for point in plan.points]
    setup.workload.prepare(runs, lambda *_: None)
    return setup


def swept(body: str = TIMING, head: str = HEAD) -> Sweep:
    return Sweep(*planned(body, head))


def numbers(store: Store) -> dict[str, dict[str, Any]]:
    return {record.run_id: dict(record.summary) for record in store}


def lines_of(folder: Path) -> list[bytes]:
    """Lines of all segments, headers aside."""
    found: list[bytes] = []
    for path in folder.glob("*.records"):
        found += path.read_bytes().splitlines()[1:]
    return found
