"""Several runs at once: one process or more give the same, and few packets stay in one."""

import numpy as np
import pytest

from seneca_sim.chip.load import load_chip
from seneca_sim.engine.choose import packets
from seneca_sim.program import EventStream
from seneca_sim.sweep import pool
from seneca_sim.sweep.pool import Run, simulate_many
from seneca_sim.validate.bench import one_core


def runs() -> list[Run]:
    """64 channels into 64 neurons on core 3: two tokens, of many events and of few."""
    chip = load_chip("seneca-4x4").chip
    program = one_core(
        chip, core=3, kernel="event_bf16", neurons=64, width=64, step=("send_acc", 8)
    )
    streams = [EventStream(np.array([[n, n - 1], [8, 8]], np.int64)) for n in (48, 20)]
    return [Run(chip, program, stream) for stream in streams]


def test_two_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = simulate_many(runs(), processes=1)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(pool, "FEW", -1)
    found = simulate_many(runs(), processes=2, progress=lambda *now: told.append(now))
    assert [one.differences(other) for one, other in zip(found, alone, strict=True)] == [[], []]
    assert alone[0].differences(alone[1]) != []
    assert told[-1] == (4, 4)


def test_few_packets_are_not_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shorter run would spare decides: it alone could be done meanwhile."""

    def no_pool(*_: object) -> None:
        raise AssertionError("processes were started")

    monkeypatch.setattr(pool, "worker_pool", no_pool)
    spared = min(packets(run.program, run.stream) for run in runs())
    for few in (pool.FEW, spared):
        monkeypatch.setattr(pool, "FEW", few)
        assert len(simulate_many(runs(), processes=2)) == 2
    monkeypatch.setattr(pool, "FEW", spared - 1)
    with pytest.raises(AssertionError, match="processes were started"):
        simulate_many(runs(), processes=2)
