"""The compiled engine and the reference give the same answer, to the last integer, on anything."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from builders import make_chip, single, stream_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import Case, random_case, random_flood
from test_engine_rwkv import ONE_PACKET, compiled, large_chip, small_chip

from seneca_sim.conformance import Scenario, all_scenarios, run_conformance
from seneca_sim.engine import reference
from seneca_sim.engine.activity import Activity, LogWindow
from seneca_sim.engine.compiled import simulate
from seneca_sim.errors import DeadlockError, InputError, SenecaError

WINDOWS = (1, 97, 1000, 5000)
Outcome = Activity | str


def outcome(engine: Callable[..., Activity], case: Case, **options: object) -> Outcome:
    """What an engine returns, or the error that it raises."""
    try:
        return engine(case.chip, case.program, case.stream, mode=case.mode, **options)
    except SenecaError as error:
        return f"{type(error).__name__}: {error}"


def first_difference(mine: Outcome, other: Outcome) -> str:
    """The first field that differs, with its index and both values; empty if none does."""
    if isinstance(mine, str) or isinstance(other, str):
        return "" if mine is other or mine == other else f"{mine} instead of {other}"
    for name in mine.differences(other):
        a, b = np.asarray(getattr(mine, name)), np.asarray(getattr(other, name))
        if a.shape != b.shape:
            return f"{name}: shape {a.shape} instead of {b.shape}"
        index = tuple(int(i) for i in np.argwhere(a != b)[0]) if a.ndim else ()
        return f"{name}{list(index)}: {a[index]} instead of {b[index]}"
    return ""


def assert_same(case: Case, **options: object) -> Outcome:
    """Both engines; returns the outcome."""
    known = outcome(reference.simulate, case, **options)
    assert first_difference(outcome(simulate, case, **options), known) == ""
    return known


def any_case(rnd: Random) -> Case:
    """A random program, a flood of a torus, or a random program with unsafe sending (S21)."""
    kind = rnd.random()
    case = random_flood(rnd) if kind < 0.05 else random_case(rnd)
    if kind > 0.7:
        core = replace(case.chip.core, unsafe_blocking_send=1)
        case = case._replace(chip=replace(case.chip, core=core))
    return case


def seeded(seed: object) -> tuple[Case, int]:
    """A case and a power window by seed."""
    rnd = Random(f"compiled.{seed}")
    return any_case(rnd), rnd.choice(WINDOWS)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.randoms(use_true_random=False).map(any_case), st.sampled_from(WINDOWS))
def test_hypothesis(case: Case, window_cycles: int) -> None:
    """S1-S21, shrinking to a small case."""
    assert_same(case, window_cycles=window_cycles, log_packets=True, log_slices=True)


@pytest.mark.parametrize("part", range(4))
def test_random_programs(part: int) -> None:
    """S1-S21 on 160 more; `test_twenty_thousand` has the others."""
    for number in range(40 * part, 40 * part + 40):
        case, window_cycles = seeded(number)
        assert_same(case, window_cycles=window_cycles, log_packets=True, log_slices=True)


def test_logs_of_a_window() -> None:
    """Rows that touch the window, no others, and no more than it allows."""
    kept = refused = 0
    for number in range(40):
        case, window_cycles = seeded(number)
        rnd = Random(f"window.{number}")
        first = rnd.randrange(2000)
        window = LogWindow(first, first + rnd.randrange(1, 2000), rnd.choice((20, 10**6)))
        options = {"log_packets": True, "log_slices": True, "window_cycles": window_cycles}
        found = assert_same(case, log_window=window, **options)
        whole = outcome(simulate, case, **options)
        if isinstance(found, Activity) and isinstance(whole, Activity):
            kept += 1
            assert np.array_equal(found.packets, touching(whole.packets, 7, 11, window))
            assert np.array_equal(found.slices, touching(whole.slices, 2, 4, window))
        refused += "more than 20 rows" in str(found)
    assert kept > 10
    assert refused > 10


def touching(rows: np.ndarray | None, first: int, last: int, window: LogWindow) -> np.ndarray:
    assert rows is not None
    return rows[(rows[:, first] < window.end) & (rows[:, last] >= window.first)]


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_twenty_thousand(part: int) -> None:
    """Seeds 160 to 20159."""
    for number in range(160 + 1000 * part, 1160 + 1000 * part):
        case, window_cycles = seeded(number)
        assert_same(case, window_cycles=window_cycles, log_packets=True, log_slices=True)


def traits(case: Case, found: Outcome) -> Iterable[str]:
    """What a case has gone through."""
    if isinstance(found, str):
        yield found.split(":")[0]
        return
    core = case.chip.core
    if found.link_blocked.any():
        yield "full queues"
    if found.controller_blocked.any():
        yield "full task FIFO"
    if found.output_blocked.any():
        yield "output blocked"
    if found.npe_starved.any():
        yield "starved NPEs"
    if (case.stream.counts == 0).any():
        yield "empty vectors"
    if np.any(case.stream.counts % core.group_size):
        yield "partial groups"
    if _branches(case) and found.link_blocked.any():
        yield "contended branches"
    if _window_reached(case):
        yield "window reached"
    yield core.completion
    yield case.chip.noc.topology
    yield case.chip.noc.multicast
    yield case.chip.noc.arbitration
    yield case.mode
    if case.chip.boundary.tile_columns or case.chip.boundary.tile_rows:
        yield "boundaries"


def _branches(case: Case) -> bool:
    many = any(len(cores) > 1 for cores in case.program.core_sets)
    return many and case.chip.noc.multicast == "tree"


def _window_reached(case: Case) -> bool:
    """A wider window makes another run."""
    core = replace(case.chip.core, window=case.stream.tokens)
    if case.mode == "generation" or case.chip.core.window >= case.stream.tokens:
        return False
    wider = case._replace(chip=replace(case.chip, core=core))
    one, other = outcome(simulate, case), outcome(simulate, wider)
    return isinstance(one, str) or isinstance(other, str) or one.cycles != other.cycles


def test_cases_go_through_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """Every trait in at least one case of twenty."""
    shares: Counter[str] = Counter()
    cases = 400
    for number in range(cases):
        case, _ = seeded(number)
        shares.update(set(traits(case, outcome(simulate, case))))
    with capsys.disabled():
        listed = ", ".join(f"{name} {100 * n // cases} %" for name, n in sorted(shares.items()))
        print(f"\nshares of {cases} cases: {listed}")
    for name in (
        "full queues", "full task FIFO", "output blocked", "starved NPEs", "empty vectors",
        "partial groups", "contended branches", "window reached", "boundaries", "announce",
        "torus", "unicast", "fixed-priority", "generation", "pipelined", "DeadlockError",
    ):  # fmt: skip
        assert shares[name] >= cases // 20, name


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda s: s.name)
def test_conformance(scenario: Scenario) -> None:
    """S1-S21, computed by hand."""
    assert [str(f) for f in run_conformance(simulate, [scenario])] == []


@pytest.mark.parametrize("mode", ["generation", "pipelined"])
@pytest.mark.parametrize("queues", [{}, ONE_PACKET], ids=["wide", "one-packet"])
def test_small_rwkv(mode: str, queues: dict[str, int]) -> None:
    """The compiled RWKV-4 with a synthesised trace."""
    case = Case(small_chip(**queues), *compiled("small", 4), mode)
    assert isinstance(assert_same(case, log_packets=True, log_slices=True), Activity)


def test_shipped_shape() -> None:
    """Six layers of width 256 on 8 x 8 cores, two tokens at once."""
    case = Case(large_chip(), *compiled("large", 2), "pipelined")
    assert isinstance(assert_same(case), Activity)


def test_far_events_use_the_heap() -> None:
    """S3, S11: a task that takes longer than the wheel is round."""
    chip = make_chip(2, 1, task_setup_cycles=100_000, cycles_per_instruction=500)
    case = Case(chip, single(chip), stream_of([32, 5, 0], [8, 8, 8], [0, 0, 0]), "pipelined")
    found = assert_same(case, log_packets=True, log_slices=True)
    assert isinstance(found, Activity)
    assert found.cycles > 600_000


def test_deadlock_in_the_same_cycle_with_the_same_words() -> None:
    """S21: what is left waiting is named alike (traits above count how many cases lock up)."""
    texts = (outcome(simulate, seeded(n)[0]) for n in range(200))
    assert any(isinstance(t, str) and t.startswith("DeadlockError: deadlock in") for t in texts)


def test_a_vector_that_comes_too_early_is_refused() -> None:
    """S14: without a window, token 1 reaches the core while token 0 is there."""
    chip = make_chip(2, 1, window=1, task_setup_cycles=5000)
    program = single(chip)
    routes = tuple(replace(route, window=False) for route in program.routes)
    stream = stream_of([32] * 3, [8] * 3, [0] * 3)
    case = Case(chip, replace(program, routes=routes), stream, "pipelined")
    found = assert_same(case)
    assert isinstance(found, str)
    assert "a windowed route must guard this site" in found
    with pytest.raises(InputError):
        simulate(*case[:3], mode="pipelined")


def test_inputs_are_checked() -> None:
    chip = make_chip(2, 1)
    with pytest.raises(InputError, match="no token to run"):
        simulate(chip, single(chip), stream_of([], [], []))
    with pytest.raises(InputError, match="placed on 2 cores"):
        simulate(make_chip(3, 1), single(chip), stream_of([1], [1], [0]))


def test_progress_is_told_token_by_token() -> None:
    told: list[int] = []
    case = Case(small_chip(), *compiled("small", 4), "pipelined")
    simulate(*case[:3], mode="pipelined", progress=told.append)
    assert told == [1, 2, 3, 4]


def test_pools_grow_while_it_runs() -> None:
    """Records, power windows and the log are made longer in the middle of a run."""
    case = Case(small_chip(), *compiled("small", 4), "pipelined")
    found = assert_same(case, window_cycles=3, log_packets=True, log_slices=True)
    assert isinstance(found, Activity)
    assert len(found.window_ops) > 1000


LEG = """
import sys
sys.path.insert(0, {folder!r})
from test_compiled_same import assert_same, seeded
for number in range({cases}):
    case, window_cycles = seeded(number)
    assert_same(case, window_cycles=window_cycles, log_packets=True, log_slices=True)
"""


def run_leg(name: str, folder: Path, cases: int) -> None:
    """Cases in a process of their own with one of Numba's switches on."""
    code = LEG.format(folder=str(Path(__file__).parent), cases=cases)
    environment = {**os.environ, name: "1", "NUMBA_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=1200)


def test_without_the_compiler(tmp_path: Path) -> None:
    """The loop is plain Python on arrays."""
    run_leg("NUMBA_DISABLE_JIT", tmp_path, 6)


@pytest.mark.nightly
def test_with_checked_bounds(tmp_path: Path) -> None:
    """No index leaves its array; compiles the loop anew."""
    run_leg("NUMBA_BOUNDSCHECK", tmp_path, 300)


def test_deadlock_is_a_finding() -> None:
    for number in range(200):
        case, _ = seeded(number)
        if str(outcome(simulate, case)).startswith("DeadlockError"):
            with pytest.raises(DeadlockError):
                simulate(*case[:3], mode=case.mode)  # type: ignore[arg-type]
            return
    pytest.fail("no deadlock among the cases")
