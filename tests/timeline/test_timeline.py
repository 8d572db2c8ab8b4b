"""Traces decoded by the official classes say what the engine has counted."""

from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from decoded import Decoded, Slice, decode
from random_programs import Case, random_case
from tiny_run import LOADED, TABLE, TINY_STREAM, rwkv, tiny_program

from seneca_sim.chip.mesh import LOCAL, PORT_NAMES, links
from seneca_sim.engine.activity import Activity, LogWindow
from seneca_sim.engine.reference import simulate
from seneca_sim.errors import CapacityError, InputError, InternalError
from seneca_sim.results import RunResult, price_run
from seneca_sim.results.packets import Selection, packet_columns
from seneca_sim.timeline import View, timeline_bytes, write_timeline

NS = 2  # a cycle at 500 MHz


def priced(case: Case, activity: Activity) -> RunResult:
    loaded = replace(LOADED, chip=case.chip)
    mode: Any = case.mode
    return price_run(loaded, TABLE, case.program, case.stream, activity, label="x", mode=mode)


def run(case: Case, **options: Any) -> RunResult:
    options = {"log_packets": True, "log_slices": True, "window_cycles": 100} | options
    mode: Any = case.mode
    return priced(case, simulate(case.chip, case.program, case.stream, mode=mode, **options))


def tiny(**options: Any) -> RunResult:
    return run(Case(LOADED.chip, tiny_program(), TINY_STREAM, "generation"), **options)


@cache
def small_model() -> RunResult:
    """One block of width 32 on 16 cores, pipelined."""
    known = rwkv("pipelined")
    return run(Case(known.chip, known.program, known.stream, "pipelined"))


@cache
def various() -> list[RunResult]:
    """The small model and twelve random programs, made once and only where a test needs them."""
    rnd = Random("timelines")
    found = [small_model()]
    while len(found) < 13:
        case = random_case(rnd)
        if case.chip.memory.kind == "none":  # the shipped energy table prices no STT-MRAM here
            found.append(run(case))
    return found


def shown(result: RunResult, view: View | None = None) -> Decoded:
    data, size = timeline_bytes(result, view or View())
    trace = decode(data)
    assert len(trace.slices) == size.slices
    assert sum(map(len, trace.counters.values())) == size.samples
    assert size.bytes == len(data)
    return trace


def busy(slices: list[Slice]) -> int:
    return sum(s.end - s.start for s in slices if not s.depth)


def core_name(result: RunResult, core: int) -> str:
    x, y = result.chip.position(core)
    return f"core {core} (x {x}, y {y})"


def test_a_token_by_hand() -> None:
    """Core 0 takes 8 values (20 + 80 instructions, 6 for its stage), core 1 then 3 events."""
    slices = shown(tiny(), View(Selection(0, 1))).by_path()
    (taken,) = slices["core 0 (x 0, y 0)", "controller"][:1]
    assert (taken.name, taken.start, taken.end) == ("take in", 10 * NS, (10 + 106) * NS)
    assert taken.notes == {
        "token": 0, "events": 8, "from": 2, "waited_cycles": 0, "blocked_cycles": 0
    }  # fmt: skip
    names = [s.name for s in slices["core 0 (x 0, y 0)", "controller"]]
    assert names == ["take in", "send blocks.1.x"]
    assert [s.name for s in slices["core 1 (x 1, y 0)", "NPEs"]] == ["blocks.1.x", "layer 1 answer"]
    (captured,) = slices["core 0 (x 0, y 0)", "event generator"]
    assert captured.end - captured.start == 3 * NS  # an event a cycle
    (crossing,) = slices["core 0 (x 0, y 0)", "NoC out", "NoC out east"]
    assert crossing.end - crossing.start == 4 * NS  # a header and 3 events
    (entering,) = slices["core 1 (x 1, y 0)", "NoC in"]
    assert entering.start - crossing.start == 2 * NS
    assert [s.name for s in slices["host", "sends"]] == ["send in"]
    assert [s.name for s in slices["host", "receives"]] == ["take out"]


@pytest.mark.parametrize("number", range(13))
def test_tracks_add_up_to_the_engines_totals(number: int) -> None:
    result = various()[number]
    activity, slices = result.activity, shown(result).by_path()
    ns = 10**9 // result.chip.clock_hz
    for core in range(result.chip.cores):
        name = core_name(result, core)
        tasks = [s for s in slices[name, "NPEs"] if s.name != "waits for weights"]
        assert busy(tasks) == ns * activity.npe_busy[core]
        assert busy(slices[name, "event generator"]) == ns * activity.generator_busy[core]
        inner = [s for s in slices[name, "controller"] if s.depth]
        blocked = sum(s.end - s.start for s in inner)
        assert {s.name for s in inner} <= {"task FIFO full"}
        assert blocked == ns * activity.controller_blocked[core]
        work = busy(slices[name, "controller"]) - blocked
        assert work == ns * activity.controller_busy[core]
    for index, (node, port) in enumerate(links(result.chip)):
        name = core_name(result, node)
        out = "NoC out to the host" if PORT_NAMES[port] == "host" else f"NoC out {PORT_NAMES[port]}"
        path = (name, "NoC in") if port == LOCAL else (name, "NoC out", out)
        assert busy(slices[path]) == ns * activity.link_busy[index]


@pytest.mark.parametrize("number", range(13))
def test_an_arrow_for_each_delivery(number: int) -> None:
    """From the one slice that sends to the one that takes, which begins no earlier."""
    result = various()[number]
    trace = shown(result)
    begins, ends = defaultdict(list), defaultdict(list)
    for slice_ in trace.slices:
        for flow in slice_.flows:
            begins[flow].append(slice_)
        for flow in slice_.ends:
            ends[flow].append(slice_)
    assert len(begins) == result.activity.deliveries
    assert begins.keys() == ends.keys()
    for flow, (sent, *more) in begins.items():
        (taken,) = ends[flow]
        assert not more
        assert sent.end <= taken.start
        assert sent.name.removeprefix("send ") == taken.name.removeprefix("take ")
        assert sent.notes["token"] == taken.notes["token"]
        assert trace.path(taken.track)[-1] in ("controller", "receives")


def test_slices_nest_and_never_overlap() -> None:
    for result in various()[1:9]:
        for slices in shown(result).by_path().values():
            last: dict[int, int] = {}
            for slice_ in slices:
                assert slice_.end >= slice_.start
                assert slice_.start >= last.get(slice_.depth, 0)
                last[slice_.depth] = slice_.end


def test_counters_of_queues() -> None:
    """The FIFO's peak is what the engine has counted; queues are empty at the end, never below."""
    for result in various()[:9]:
        trace = shown(result)
        peaks: Counter[str] = Counter()
        for uuid, samples in trace.counters.items():
            process, name = trace.path(uuid)
            values = [value for _, value in samples]
            assert min(values) >= 0
            assert values[-1] == 0
            if name == "task FIFO":
                peaks[process] = int(max(values))
            elif name == "input queue":
                assert max(values) <= result.chip.core.input_queue_flits
        for core in range(result.chip.cores):
            # Within a cycle a task comes before one goes; the counter has what is left.
            fifo = int(result.activity.fifo_peak[core])
            assert fifo - 1 <= peaks[core_name(result, core)] <= fifo


def test_output_queues_peak_where_the_engine_says() -> None:
    """A counter made of two logs against the engine's own count, which knows of neither."""
    kinds = set()
    for result in various():
        noc = result.chip.noc
        kinds |= {noc.topology, noc.multicast, noc.arbitration}
        counters = shown(result, View(network=False)).counters_by_path()
        for core in range(result.chip.cores):
            samples = counters.get((core_name(result, core), "output queue"), [(0, 0)])
            assert max(value for _, value in samples) == int(result.activity.output_peak[core])
            assert samples[-1][1] == 0
    assert {"torus", "unicast", "tree", "fixed-priority"} <= kinds


def test_the_output_queue_of_one_packet() -> None:
    """By hand: room from the start of sending until the last flit is on the first link."""
    result = tiny()
    assert result.activity.packets is not None
    log = packet_columns(result.chip, result.program, result.activity.packets)
    at = int(np.flatnonzero(log["source"] < result.chip.cores)[0])  # the first of a core
    source = int(log["source"][at])
    since = int(log["injected"][at] - log["sending_cycles"][at])
    samples = shown(result).counter(core_name(result, source), "output queue")
    assert samples[0] == (since * NS, log["flits"][at])
    # Alone in its router, it is granted when it is there, and sends a flit a cycle.
    assert samples[1] == ((int(log["injected"][at] + log["flits"][at])) * NS, 0)


def test_output_queues_in_windows() -> None:
    """Cut at its end, a log tells them as before; cut at its beginning, it does not."""
    whole = small_model()
    case = Case(whole.chip, whole.program, whole.stream, "pipelined")
    end = whole.cycles // 2
    known = shown(whole).counters_by_path()
    cut = shown(run(case, log_window=LogWindow(0, end)), View(cycles=(0, end))).counters_by_path()
    queues = [path for path in known if path[-1] == "output queue"]
    assert len(queues) > 4
    for path in queues:
        early = [sample for sample in known[path] if sample[0] < end * NS]
        assert [sample for sample in cut.get(path, []) if sample[0] < end * NS] == early
    late = run(case, log_window=LogWindow(end))
    names = shown(late, View(cycles=(end, 2**62))).counters_by_path()
    assert not [path for path in names if path[-1] == "output queue"]


def test_power_times_time_is_the_energy() -> None:
    for result in [small_model(), tiny()]:
        trace = shown(result)
        names = {trace.path(uuid)[-1] for uuid in trace.counters if len(trace.path(uuid)) == 2}
        assert {"power", "npe power", "leakage power"} <= names
        samples = trace.counter(result.chip.name, "power")
        times, values = zip(*samples, strict=True)
        energy_fj = float(np.sum(np.diff(times) * np.array(values[:-1]))) * 1e-12 * 1e15
        assert energy_fj == pytest.approx(result.energy_fj, rel=1e-9)
        assert values[-1] == 0


def test_a_window_shows_what_touches_it() -> None:
    whole = small_model()
    first, end = whole.cycles // 3, whole.cycles // 2
    case = Case(whole.chip, whole.program, whole.stream, "pipelined")
    part = run(case, log_window=LogWindow(first, end))
    view = View(cycles=(first, end))
    trace, known = shown(part, view), shown(whole)

    def key(slice_: Slice) -> tuple[Any, ...]:
        return slice_.track, slice_.start, slice_.end, slice_.name, tuple(slice_.notes.items())

    all_of_it = {key(s) for s in known.slices}
    found = {key(s) for s in trace.slices}
    assert found <= all_of_it
    touching = {k for k in all_of_it if k[1] < end * NS and k[2] >= first * NS}
    assert touching <= found
    assert len(found) < len(all_of_it)
    times = [time for time, _ in trace.counter(whole.chip.name, "power")]
    assert first * NS - 100 * NS < times[0]
    assert times[-1] < end * NS


def test_tokens_cores_and_kinds_are_chosen() -> None:
    result = small_model()
    whole = shown(result)
    some = shown(result, View(Selection(1, 2, frozenset({0, 5})), network=False))
    assert {s.notes["token"] for s in some.slices} == {1}
    processes = {some.path(uuid)[0] for uuid in some.tracks}
    assert processes <= {core_name(result, 0), core_name(result, 5), "host", result.chip.name}
    assert not any("NoC" in name for uuid in some.tracks for name in some.path(uuid))
    cores = processes & {core_name(result, core) for core in (0, 5)}
    assert len(cores) == 2

    def on_cores(trace: Decoded) -> list[tuple[Any, ...]]:
        return [
            (*trace.path(s.track), s.name, s.start, s.end)
            for s in trace.slices
            if s.notes["token"] == 1
            and trace.path(s.track)[0] in cores
            and "NoC" not in trace.path(s.track)[1]
        ]

    assert on_cores(some) == on_cores(whole)
    both = {f for s in some.slices for f in s.flows} ^ {f for s in some.slices for f in s.ends}
    assert not both
    bare = shown(result, View(arrows=False, counters=False))
    assert not any(s.flows or s.ends for s in bare.slices)
    assert not bare.counters


def test_too_much_is_refused_with_what_to_try() -> None:
    with pytest.raises(CapacityError, match=r"more than the limit of 10; .*--no-network"):
        timeline_bytes(tiny(), View(limit=10))
    with pytest.raises(CapacityError, match="more than 3 rows"):
        tiny(log_window=LogWindow(limit=3))


def test_logs_are_needed() -> None:
    with pytest.raises(InternalError, match="log_packets and log_slices"):
        timeline_bytes(tiny(log_slices=False), View())


def test_the_same_run_gives_the_same_bytes(tmp_path: Any) -> None:
    size = write_timeline(tmp_path / "a.pftrace", tiny())
    write_timeline(tmp_path / "b.pftrace", tiny())
    data = (tmp_path / "a.pftrace").read_bytes()
    assert data == (tmp_path / "b.pftrace").read_bytes()
    assert len(data) == size.bytes
    with pytest.raises(InputError, match="cannot be written"):
        write_timeline(tmp_path / "no" / "a.pftrace", tiny())


def test_odd_clocks_keep_the_order(tmp_path: Any) -> None:
    """A cycle of 3.003 ns: times are rounded down."""
    chip = replace(LOADED.chip, clock_hz=333_000_000)
    result = run(Case(chip, tiny_program(), TINY_STREAM, "generation"))
    trace = shown(result)
    done = max(s.end for s in trace.slices)
    assert done == int(result.activity.token_done[-1]) * 10**9 // 333_000_000


def test_without_perfetto_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seneca_sim.timeline.trace.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"seneca-sim\[timeline\]"):
        timeline_bytes(tiny(), View())


def test_off_core_memory_has_its_channels() -> None:
    from seneca_sim.timeline.tracks import Tracks

    tracks = Tracks(LOADED.chip)
    names = [t.name for t in tracks.used([tracks.memory + 1, tracks.memory + 40], [])]
    assert names == ["off-core memory", "channel 0", "channel 39"]
