"""Each stage runs once for what it depends on, and sharing never changes a number."""

import os
import pickle
import signal
import time
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_tools import HEAD, TIMING, planned, prepared, swept

from seneca_sim.chip import Chip
from seneca_sim.chip.load import load_chip
from seneca_sim.cli.compiling import compile_shape
from seneca_sim.cli.settings import parse_settings
from seneca_sim.cost.energy import load_energy
from seneca_sim.engine.activity import Mode
from seneca_sim.engine.reference import simulate
from seneca_sim.results import price_run
from seneca_sim.results.checks import check_activity
from seneca_sim.results.counts import counts_of
from seneca_sim.results.quick import price_totals
from seneca_sim.results.summary import variant_of
from seneca_sim.sweep.dispatch import Dispatcher
from seneca_sim.sweep.metrics import METRICS
from seneca_sim.sweep.resolve import resolve
from seneca_sim.sweep.run import jobs_of
from seneca_sim.sweep.runners import Processes, Serial
from seneca_sim.sweep.stages import Job, Outcome, Setup, Stages
from seneca_sim.sweep.watch import Memo, Reads, value_at, watched
from seneca_sim.sweep.workload import Workload

CHIP = load_chip("seneca-8x8").chip


def outcomes(body: str = TIMING, head: str = HEAD) -> list[Outcome]:
    plan, setup = planned(body, head)
    stages = Stages(prepared(plan, setup))
    return [stages.evaluate(job) for job in jobs_of(plan.points)]


def work(found: list[Outcome]) -> Counter[str]:
    return Counter(stage for outcome in found for stage in outcome.work)


# -- what ran ---------------------------------------------------------------------------------


def test_points_that_differ_in_timing_share_program_and_stream() -> None:
    found = outcomes()
    assert work(found) == {"compile": 4, "stream": 4, "simulate": 16, "price": 16}
    assert len({outcome.run_id for outcome in found}) == 16


def test_axes_that_only_price_do_not_simulate_again() -> None:
    found = outcomes(
        "axes:\n  grid:\n    energy.noc.flit_hop.noc: [1 pJ, 2 pJ, 3 pJ]\n"
        "    clock: [100 MHz, 500 MHz]\n    voltage: [0.6 V, 0.8 V]\n"
    )
    assert work(found) == {"compile": 1, "stream": 1, "simulate": 1, "price": 12}
    assert len({outcome.run_id for outcome in found}) == 12
    assert len({outcome.inputs["activity_id"] for outcome in found}) == 1


def test_other_tokens_need_another_stream_and_no_other_program() -> None:
    found = outcomes("axes: {grid: {workload.tokens: [1, 2]}}\n")
    assert work(found) == {"compile": 1, "stream": 2, "simulate": 2, "price": 2}
    assert [outcome.summary["tokens"] for outcome in found] == [1, 2]


def test_a_point_that_does_not_fit_says_so_and_the_others_go_on() -> None:
    found = outcomes("axes: {grid: {mapping.cores_per_layer: [1, 400], core.npes: [4, 8]}}\n")
    assert [bool(outcome.error) for outcome in found] == [False, False, True, True]
    assert not any(outcome.passing for outcome in found)
    assert found[2].error.startswith("mapping: 400 cores per layer, but width 32 has only 8 rows")


def test_every_metric_that_a_study_may_name_is_there() -> None:
    (outcome, *_) = outcomes()
    assert set(outcome.summary) == set(METRICS)
    plan, setup = planned()
    prepared(plan, setup)
    deep = Stages(replace(setup, deep=("bottleneck", "dense_share", "energy_by_kind_fj")))
    summary = deep.evaluate(jobs_of(plan.points)[0]).summary
    assert set(summary) == {*METRICS, "bottleneck", "dense_share", "energy_by_kind_fj"}
    assert sum(summary["energy_by_kind_fj"].values()) == summary["energy_fj"]


# -- the same numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["generation", "pipelined"])
@pytest.mark.parametrize("gating", ["clock", "none", "power"])
def test_totals_are_those_of_a_whole_run(mode: Mode, gating: str) -> None:
    """The reference engine and the full pricing, against the sweep's way, for every integer."""
    head = HEAD.replace(
        "workload.tokens: 1}", f"workload.tokens: 3, mode: {mode}, core.gating: {gating}}}"
    )
    plan, setup = planned("axes: {grid: {noc.hop_cycles: [3]}}\n", head)
    (point,) = plan.points
    case = resolve(plan.settings(point), setup.workload.sort)
    prepared(plan, setup)
    outcome = Stages(setup).evaluate(jobs_of(plan.points)[0])

    loaded = load_chip("seneca-8x8", {"core.gating": gating, "noc.hop_cycles": "3"})
    table, parts = load_energy(), case.run
    program = setup.workload.compile(loaded.chip, parts)
    stream = setup.workload.stream(program, parts)
    activity = simulate(loaded.chip, program, stream, mode=mode)
    whole = price_run(loaded, table, program, stream, activity, label="x", mode=mode)
    counts = counts_of(program, activity, mode, whole.activity_id)
    totals = price_totals(loaded, table, counts)
    assert totals.by_class == whole.by_class
    assert totals.by_op == whole.by_op
    assert totals.tokens == whole.tokens
    assert totals.peak == whole.peak

    summary = variant_of(whole)
    assert (outcome.run_id, outcome.summary["energy_fj"]) == (whole.run_id, whole.energy_fj)
    assert outcome.summary["energy_by_op_fj"] == whole.by_op
    for name, ours in (("energy_per_token_j", "j"), ("latency_per_token_s", "s")):
        stem = name.removesuffix(f"_{ours}")
        assert outcome.summary[name] == summary[name]["median"]
        assert outcome.summary[f"{stem}_p95_{ours}"] == summary[name]["p95"]
        assert outcome.summary[f"{stem}_mean_{ours}"] == summary[name]["mean"]
    for name in ("cycles", "time_s", "tokens", "average_power_w", "peak_power_w",
                 "energy_delay_js", "sparsity"):  # fmt: skip
        assert outcome.summary[name] == summary[name]
    assert outcome.summary["macs_per_token"] == summary["macs_per_token_with_head"]
    check_activity(loaded.chip, program, stream, activity)


# -- watching ---------------------------------------------------------------------------------


def _leaves(kind: type[Any] = Chip, prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for f in fields(kind):
        if is_dataclass(f.type):
            assert isinstance(f.type, type)
            found += _leaves(f.type, f"{prefix}{f.name}.")
        else:
            found.append((prefix + f.name, f))
    return found


LEAVES = dict(_leaves())


def test_a_watched_chip_notes_what_is_read_and_nothing_else() -> None:
    reads: Reads = {}
    chip = watched(CHIP, reads)
    assert chip.cores == 64
    assert reads == {"columns": 8, "rows": 8}
    assert chip.noc.packet_flits == 17
    assert isinstance(chip, Chip)
    assert set(reads) == {
        "columns", "rows", "noc.header_flits", "noc.packet_events", "noc.event_flits",
    }  # fmt: skip
    hash(chip)
    assert set(reads) == set(LEAVES)  # whoever hashes a chip depends on all of it


@settings(max_examples=30)
@given(st.data())
def test_a_memo_gives_what_the_function_gives(data: st.DataObject) -> None:
    """The function reads different fields, depending on what it has read before."""
    memo: Memo[tuple[object, ...]] = Memo(size=4)
    paths = ["core.npes", "core.window", "noc.hop_cycles", "core.task_fifo"]
    calls = []

    def function(chip: Chip, run: Any) -> tuple[object, ...]:
        calls.append(0)
        first = chip.core.npes
        if first == 4:
            return first, chip.noc.hop_cycles, "c" in run, *(run[k] for k in run if k > "b")
        return first, run["a"], chip.core.window

    for _ in range(20):
        more = data.draw(st.sampled_from([{}, {"c": "x"}]))
        chip = CHIP
        for path in data.draw(st.lists(st.sampled_from(paths), max_size=3)):
            chip = _changed(chip, path, data.draw(st.sampled_from([4, 8])))
        run = {"a": data.draw(st.sampled_from("xy")), "b": data.draw(st.sampled_from("xy")), **more}
        assert memo.get(chip, run, function) == function(chip, run)
        assert value_at(chip, run, "a") == run["a"]
    assert memo.made <= len(calls)


def _changed(chip: Chip, path: str, value: Any) -> Chip:
    part, _, name = path.rpartition(".")
    if not part:
        return replace(chip, **{name: value})
    owner = getattr(chip, part) if "." not in part else chip.core.controller
    new = replace(owner, **{name: value})
    if "." in part:
        return replace(chip, core=replace(chip.core, controller=new))
    return replace(chip, **{part: new})


@cache
def _compiler() -> tuple[Memo[Any], Any]:
    return Memo(64), parse_settings(["mapping.cores_per_layer=2"])


@given(st.sampled_from(sorted(set(LEAVES) - {"name", "voltage_mv"})), st.sampled_from([1, 2, 4]))
def test_a_program_that_is_shared_is_the_program_that_would_be_compiled(
    path: str, factor: int
) -> None:
    """Whatever field of the chip changes: the memo's program equals a fresh one."""
    from seneca_sim.errors import SenecaError

    shape = {"family": "rwkv4", "layers": 1, "width": 32, "ffn": 64, "vocab": 8}
    memo, common = _compiler()
    choices = LEAVES[path].metadata.get("choices")
    try:
        value = choices[factor % len(choices)] if choices else value_at(CHIP, {}, path) * factor
        chip = _changed(CHIP, path, value)
    except SenecaError:
        return  # no such chip

    def make(chip: Chip, run: Any) -> Any:
        try:
            return compile_shape("x", shape, chip, replace(common, run=run))
        except SenecaError as error:
            return str(error)

    assert memo.get(chip, common.run, make) == make(chip, common.run)


# -- processes --------------------------------------------------------------------------------


class Deadly:
    """A workload that kills the process which compiles for 16 lanes, and hides its name."""

    def __init__(self, workload: Workload, lanes: int) -> None:
        self.workload, self.lanes = workload, lanes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["workload"], name)

    def compile(self, chip: Chip, run: Any) -> Any:
        if chip.core.npes == self.lanes:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.workload.compile(chip, run)


def test_processes_give_what_one_gives_and_survive_a_point_that_kills_them() -> None:
    rows = [(4, 1), (8, 1), (1, 1), (4, 2), (8, 2)]
    body = "axes:\n  list:\n" + "".join(
        f"    - {{core.npes: {npes}, noc.hop_cycles: {hops}}}\n" for npes, hops in rows
    )
    plan, setup = planned(body)
    prepared(plan, setup)
    jobs = jobs_of(plan.points)
    wanted = {job.index: Stages(setup).evaluate(job) for job in jobs}
    deadly = replace(setup, workload=Deadly(setup.workload, 1))
    runner = Processes(2)
    try:
        runner.begin(deadly)
        found = {outcome.index: outcome for outcome in runner.run(Dispatcher(jobs))}
    finally:
        runner.close()
    assert set(found) == set(wanted)
    for index, outcome in found.items():
        if plan.points[index].values["core.npes"] == 1:
            assert outcome.passing
            assert outcome.error == (
                "the process that ran it died, 2 times (signal 9); is the memory enough?"
            )
        else:
            assert (outcome.run_id, outcome.summary) == (
                wanted[index].run_id, wanted[index].summary,
            )  # fmt: skip


class Slow(Deadly):
    """A workload whose compiler takes so long that nobody would compile anything twice."""

    def compile(self, chip: Chip, run: Any) -> Any:
        time.sleep(0.15)
        return self.workload.compile(chip, run)


class Noting(Dispatcher):
    """Notes how many points each worker got."""

    def next_for(self, worker: object) -> list[Job]:
        portion = super().next_for(worker)
        self.got = getattr(self, "got", Counter[object]())
        self.got[worker] += len(portion)
        return portion


def test_over_all_processes_each_program_is_compiled_once() -> None:
    plan, setup = planned()
    prepared(plan, setup)
    dispatcher, runner = Noting(jobs_of(plan.points)), Processes(2)
    try:
        runner.begin(replace(setup, workload=Slow(setup.workload, 0)))
        found = list(runner.run(dispatcher))
    finally:
        runner.close()
    assert work(found) == {"compile": 4, "stream": 4, "simulate": 16, "price": 16}
    assert dispatcher.got.total() == 16
    assert set(dispatcher.got) == {0, 1}
    assert min(dispatcher.got.values()) >= 4


def test_one_process_runs_in_the_order_of_programs() -> None:
    plan, setup = planned()
    prepared(plan, setup)
    runner = Serial()
    runner.begin(setup)
    found = list(runner.run(Dispatcher(jobs_of(plan.points))))
    assert work(found)["compile"] == 4
    assert sorted(outcome.index for outcome in found) == list(range(16))


def test_a_setup_and_a_point_are_small_when_they_travel() -> None:
    """Keys travel, not objects: a point is a few settings, whatever its program."""
    sweep = swept()
    assert len(pickle.dumps(jobs_of(sweep.points)[0])) < 300
    assert isinstance(pickle.loads(pickle.dumps(sweep.setup)), Setup)
    assert Job(0, {}).varied == {}
