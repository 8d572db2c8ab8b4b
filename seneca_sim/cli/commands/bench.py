"""`bench`: how fast the engines are, on programs that anybody can make again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.engine.activity import Activity, Mode
    from seneca_sim.program import EventStream, Program

SHIPPED = {"layers": 6, "width": 256, "ffn": 1024, "vocab": 256}
DENSITIES = (0.01, 0.4, 1.0)
INPUTS = 1024


@dataclass(frozen=True)
class Work:
    """What an engine is timed on; `by_reference` if the reference is fast enough for it, too."""

    name: str
    chip: Chip
    program: Program
    stream: EventStream
    mode: Mode
    by_reference: bool


@click.command("bench")
@click.option("--tokens", default=50, show_default=True, help="Tokens of the shipped shape.")
@click.option("--repeats", default=5, show_default=True, help="Runs of which the fastest counts.")
@click.option("--quick", is_flag=True, help="The shipped shape at one density only.")
@json_option
def command(tokens: int, repeats: int, quick: bool, as_json: bool) -> None:
    """Time the compiled engine, and the reference beside it, in this process."""
    rows = [measure(work, repeats) for work in works(tokens, quick)]
    if as_json:
        import json

        click.echo(json.dumps({"schema": "seneca-bench/1", "runs": rows}, indent=2))
        return
    for row in rows:
        click.echo(_line(row))


def works(tokens: int, quick: bool) -> list[Work]:
    """The shipped shape at several densities, then D1024 with multicast and unicast."""
    densities = DENSITIES[1:2] if quick else DENSITIES
    found = [shipped_shape(tokens, density) for density in densities]
    if not quick:
        found += [d1024(64, "tree"), d1024(64, "unicast"), d1024(256, "tree")]
    return found


def measure(work: Work, repeats: int) -> dict[str, Any]:
    """Counters of a run, seconds of both engines, and what follows from them."""
    from seneca_sim.engine import compiled, reference

    first, activity = _timed(compiled.simulate, work)
    again = [_timed(compiled.simulate, work)[0] for _ in range(repeats)]
    effort = compiled.effort(work.chip, work.program, work.stream, work.mode)
    row: dict[str, Any] = {
        "name": work.name,
        "cores": work.chip.cores,
        "tokens": work.stream.tokens,
        "cycles": activity.cycles,
        "deliveries": activity.deliveries,
        "packet_hops": activity.packet_hops,
        "wakeups_per_packet_hop": round(activity.wakeups / activity.packet_hops, 3),
        "turns_per_packet_hop": round(effort["turns"] / activity.packet_hops, 3),
        "first_seconds": first,
        "seconds": min(again),
        "packet_hops_per_second": activity.packet_hops / min(again),
        "deliveries_per_second": activity.deliveries / min(again),
    }
    if work.by_reference:
        seconds, known = _timed(reference.simulate, work)
        row |= {
            "reference_seconds": seconds,
            "reference_packet_hops_per_second": known.packet_hops / seconds,
            "times_the_reference": seconds / min(again),
            "differences": activity.differences(known),
        }
    return row


def _timed(simulate: Callable[..., Activity], work: Work) -> tuple[float, Activity]:
    start = time.perf_counter()
    activity = simulate(work.chip, work.program, work.stream, mode=work.mode)
    return time.perf_counter() - start, activity


def _line(row: dict[str, Any]) -> str:
    text = (
        f"{row['name']:34} {row['packet_hops_per_second'] / 1e6:6.2f} M packet-hops/s "
        f"{row['deliveries_per_second'] / 1e6:6.2f} M deliveries/s "
        f"{row['wakeups_per_packet_hop']:5.2f} wake-ups "
        f"and {row['turns_per_packet_hop']:5.2f} turns a hop"
    )
    if "times_the_reference" in row:
        same = "same numbers" if not row["differences"] else "OTHER NUMBERS"
        text += f" {row['times_the_reference']:6.0f} x the reference, {same}"
    return text


def shipped_shape(tokens: int, density: float) -> Work:
    """RWKV-4 in the size that ships, on the default chip, with a synthesised trace."""
    from seneca_sim.chip.load import load_chip
    from workloads.compiler import event_stream, lower, rwkv4_graph
    from workloads.traces import synthesise
    from workloads.traces.sites import BLOCK_SITES

    chip = load_chip("seneca-8x8").chip
    program = lower(rwkv4_graph("rwkv4-shipped", SHIPPED), chip)
    shape: Any = {"family": "rwkv4", **SHIPPED}
    trace = synthesise(shape, dict.fromkeys(BLOCK_SITES, density), tokens=tokens, seed=1)
    stream = event_stream(program, trace)
    name = f"rwkv4 6 x 256, density {density:.0%}"
    return Work(name, chip, program, stream, "generation", density == DENSITIES[1])


def d1024(cores: int, multicast: str, tokens: int = 100) -> Work:
    """The public workload D1024: 1024 inputs dense to 1024 outputs, a tenth of them firing.

    Input i fires at step t if (97 i + 61 t) mod 1000 < 100; each firing is a packet of its own to
    every core. The host starts each step when all cores have ended the last one.
    """
    from seneca_sim.conformance.build import Builder, make_chip
    from seneca_sim.program import HOST_STAGE

    side = int(cores**0.5)
    memory = max(2**21, 2**24 // cores * 2)  # weights of few cores need more than a core has
    chip = make_chip(
        side, cores // side, packet_events=1, multicast=multicast, data_memory_bits=memory
    )
    b, everyone, share = (
        Builder(chip, "event_bf16", "send_acc"),
        list(range(cores)),
        INPUTS // cores,
    )
    go, x, answer = b.site("go", 1), b.site("x", INPUTS), b.site("answer", 1)
    way_in = b.route(go, HOST_STAGE, everyone, window=True)
    fire = [b.stage(core, [b.stored(core, go)], ("send_dense", 1)) for core in everyone]
    for core in everyone:
        b.route(x, fire[core], everyone, share * core, share * (core + 1))
    rows = -(-share // chip.core.npes)
    last = [b.stage(core, [b.weighted(core, x, share)], ("send_acc", rows)) for core in everyone]
    b.stored(b.host, answer)
    b.route(answer, last[0], [b.host])
    b.credits(way_in, last)
    program = b.build()
    stream = _firings(program, x, tokens)
    return Work(f"D1024, {cores} cores, {multicast}", chip, program, stream, "generation", False)


def _firings(program: Program, site: int, tokens: int) -> EventStream:
    """How many inputs of each route fire in each step; one event on the ways in and out."""
    import numpy as np

    from seneca_sim.program import EventStream

    step = np.arange(tokens)
    counts = np.zeros((len(program.routes), tokens), np.int64)
    for number, route in enumerate(program.routes):
        if route.site == site:
            inputs = np.arange(route.low, route.high)[:, None]
            counts[number] = ((97 * inputs + 61 * step) % 1000 < 100).sum(axis=0)
        else:
            counts[number] = route.high - route.low
    return EventStream(counts)
