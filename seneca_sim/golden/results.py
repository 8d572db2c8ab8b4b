"""Goldens of runs that somebody else made: a bench around `RunResult`s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seneca_sim.errors import InputError
from seneca_sim.golden.job import Bench, Built, Job
from seneca_sim.program.verify import verify

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.results import RunResult


def bench_of(results: Sequence[RunResult]) -> Bench:
    """A bench that has these runs done already.

    Raises:
        InputError: none, a label twice, or runs of another chip, energy table, program or mode.
    """
    labels = [result.label for result in results]
    if not labels or len(set(labels)) != len(labels):
        raise InputError(f"a golden needs runs with different labels, got {labels}")
    first = results[0]
    for other in results[1:]:
        if _common(other) != _common(first):
            raise InputError(f"{other.label} ran on something else than {first.label}")
    streams = {result.label: result.stream for result in results}

    def build(chip: Chip) -> Built:
        verify(first.program, chip)
        return first.program, streams

    job = Job(first.chip, first.table, first.mode, build)
    known = {result.label: result.activity for result in results}
    return Bench(job, known=known)


def _common(result: RunResult) -> tuple[object, ...]:
    return result.chip, result.table.rows, result.program, result.mode
