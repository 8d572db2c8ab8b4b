"""What a run shows beside energy: where a token's time goes, and how fast all of it is."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from seneca_sim.chip import Chip
from seneca_sim.chip.load import load_chip
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine.activity import Activity, Ints
from seneca_sim.engine.compiled import simulate
from seneca_sim.program import EventStream, Program
from workloads import zoo
from workloads.compiler import MapSettings, choose, event_stream, lower, model_graph
from workloads.compiler.choose import mesh_of
from workloads.studies.tables import markdown
from workloads.traces import statistical_trace, trace_shape

CHIP = "seneca-8x8"
MODELS = ("rwkv4-169m", "rwkv4-1.5b", "rwkv4-3b", "opt-2.7b")


@dataclass(frozen=True)
class Compiled:
    """A shape at INT4, head out, on the smallest mesh that fits."""

    card: zoo.ShapeCard
    chip: Chip
    program: Program
    seconds: float

    def stream(self, variant: str, tokens: int) -> EventStream:
        """Events of a variant, drawn as `run` draws them (seed 0)."""
        drawn = statistical_trace(self.card.shape, self.card.densities(variant), tokens, 0)
        return event_stream(self.program, drawn)


def compiled(name: str) -> Compiled:
    """Compile a shape and time it, the choice of the mesh included."""
    card = zoo.load_shape(name)
    settings = MapSettings(bits="int4", fewest=True)
    started = time.process_time()
    graph = model_graph(name, trace_shape(card.shape), head="out")
    cores = choose(graph, load_chip(CHIP).chip, settings).cores
    columns, rows = mesh_of(cores)
    mesh = {"columns": str(columns), "rows": str(rows)}
    chip = load_chip(CHIP, mesh).chip
    program = lower(graph, chip, settings=settings)
    return Compiled(card, chip, program, time.process_time() - started)


def paths() -> list[str]:
    """Share of a token's latency by stage, natural and sparsified, summed over layers."""
    lines: list[str] = []
    for name in MODELS:
        model = compiled(name)
        found = {
            variant: critical(model.program, simulate(model.chip, model.program, stream))
            for variant in ("natural", "sparsified")
            for stream in [model.stream(variant, 1)]
        }
        ms = 1e3 / model.chip.clock_hz
        total = {variant: sum(spans.values()) for variant, spans in found.items()}
        body = [
            [stage, *(f"{s[stage] * ms:.3f} ({s[stage] / total[v]:.0%})" for v, s in found.items())]
            for stage in found["natural"]
        ]
        body.append(["all", *(f"{cycles * ms:.3f}" for cycles in total.values())])
        lines += [
            *markdown([f"{name}: until the end of", "natural, ms", "sparsified, ms"], body),
            "",
        ]
    return lines[:-1]


def critical(program: Program, activity: Activity) -> dict[str, int]:
    """Cycles of the first token by stage: from the latest end before it to its own latest end.

    Stages of a layer end in the order that the data flows; those that end while a later one is
    already due take nothing. The sum is the token's latency.
    """
    ends: dict[tuple[int, str], int] = {}
    for stage, done in zip(program.stages, activity.stage_done[:, 0].tolist(), strict=True):
        key = stage.layer, re.sub(r"^(blocks|layers)\.\d+\.", "", stage.name)
        ends[key] = max(ends.get(key, 0), done)
    spans: dict[str, int] = {}
    now = int(activity.token_start[0])
    for (_, name), end in sorted(ends.items(), key=lambda item: item[1]):
        spans[name] = spans.get(name, 0) + max(0, end - now)
        now = max(now, end)
    spans["answer at the host"] = int(activity.token_done[0]) - now
    return spans


def speeds() -> list[str]:
    """Compiling and simulating the real programs: processor time, wall time, what was done."""
    body, sizes = [], []
    simulate_once()
    for name, tokens in (("rwkv4-169m", 50), ("rwkv4-3b", 1)):
        model = compiled(name)
        sizes.append([name, f"{model.chip.cores:,}", f"{model.seconds:.1f}", _memory()])
        for variant in ("natural", "sparsified"):
            stream = model.stream(variant, tokens)
            activity, wall, spent = _fastest(partial(simulate, model.chip, model.program, stream))
            body.append([name, variant, *_work(model, stream, activity, wall, spent), _memory()])
    big = compiled("rwkv4-14b")
    sizes.append(["rwkv4-14b", f"{big.chip.cores:,}", f"{big.seconds:.1f}", _memory()])
    head = [
        "model", "variant", "tokens", "wall, s", "processor, s", "tokens/s",
        "deliveries / token", "packets / token", "flit-hops / token", "wake-ups / token",
        "GB so far",
    ]  # fmt: skip
    load = f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"
    compiling = markdown(["compiled", "cores", "processor, s", "GB so far"], sizes)
    return [*compiling, "", *markdown(head, body), "", load]


def simulate_once() -> None:
    """Load the compiled engine, so that it is not part of a figure."""
    small = compiled("rwkv4-169m")
    simulate(small.chip, small.program, small.stream("sparsified", 1))


def _fastest(run: Callable[[], Activity]) -> tuple[Activity, float, float]:
    """Result, wall time and processor time of the fastest of three runs."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        wall, spent = time.perf_counter(), time.process_time()
        activity = run()
        best = min(best, (time.process_time() - spent, time.perf_counter() - wall))
    return activity, best[1], best[0]


def _work(
    model: Compiled, stream: EventStream, activity: Activity, wall: float, spent: float
) -> list[str]:
    tokens = stream.tokens
    packets = _packets(model.chip, stream)
    reach = np.array([len(model.program.destinations(i)) for i in range(len(packets))])
    hops = int(activity.token_ops[:, OP_INDEX["noc.flit_hop"]].sum())
    each = (int(packets @ reach), int(packets.sum()), hops, activity.wakeups)
    counts = [f"{number // tokens:,}" for number in each]
    return [str(tokens), f"{wall:.2f}", f"{spent:.2f}", f"{tokens / spent:.1f}", *counts]


def _packets(chip: Chip, stream: EventStream) -> Ints:
    """Packets of each route: full ones, and one that closes the vector."""
    size = chip.noc.packet_events
    packets: Ints = np.maximum(-(-stream.counts // size), 1).sum(axis=1)
    return packets


def _memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f}"
