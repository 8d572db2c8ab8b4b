"""`bench`: how fast the engines are, on programs that anybody can make again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import json_option

if TYPE_CHECKING:
    from seneca_sim.bench.work import Work

SHIPPED = {"layers": 6, "width": 256, "ffn": 1024, "vocab": 256}
DENSITIES = (0.01, 0.1, 0.4, 1.0)
BESIDE_THE_REFERENCE = 0.4
SWEEP_TOKENS = {4: 100, 16: 100, 64: 100, 256: 20, 1024: 4}
Make = Callable[[], "Work"]


@click.command("bench")
@click.option("--tokens", default=50, show_default=True, help="Tokens of the shipped shape.")
@click.option("--repeats", default=5, show_default=True, help="Runs of which the fastest counts.")
@click.option("--quick", is_flag=True, help="The shipped shape at one density only.")
@click.option("--only", default="", help="Only the cases with this text in their name.")
@json_option
def command(tokens: int, repeats: int, quick: bool, only: str, as_json: bool) -> None:
    """Time the compiled engine, and the reference beside it, in this process.

    Nothing fails where a target is missed; the line or the field `met` says so.
    """
    from seneca_sim.bench.measure import floors, measure, sweeps

    rows = []
    for name, make in cases(tokens, quick).items():
        if only in name:
            rows.append(measure(make(), repeats))
            if not as_json:
                click.echo(_line(rows[-1]))
    document: dict[str, Any] = {"schema": "seneca-bench/2", "runs": rows, "sweeps": sweeps(rows)}
    if not quick:
        document["floors"] = floors()
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for sweep in document["sweeps"]:
        click.echo(
            f"{sweep['sweep']}: nanoseconds a packet-hop, largest by smallest "
            f"{sweep['max_by_min']:.2f}{_met(sweep)}"
        )
    if "floors" in document:
        bare = ", ".join(f"{name} {spent:.1f}" for name, spent in document["floors"].items())
        click.echo(f"nanoseconds an event of a bare queue: {bare}")


def cases(tokens: int, quick: bool) -> dict[str, Make]:
    """Name -> how to make it: nothing large is made before its turn."""
    if quick:
        return {"shipped": lambda: shipped_shape(tokens, BESIDE_THE_REFERENCE)}
    from seneca_sim.bench import hand, llm
    from seneca_sim.bench.work import Target

    deliveries = {64: 3e6, 256: 2.5e6}
    found: dict[str, Make] = {
        f"shipped {density}": partial(shipped_shape, tokens, density) for density in DENSITIES
    }
    for cores, steps in SWEEP_TOKENS.items():
        wanted = deliveries.get(cores)
        targets = (Target("deliveries_per_second", wanted),) if wanted else ()
        found[f"D1024 {cores}"] = partial(
            hand.d1024, cores, "tree", steps, sweep="D1024, 4 to 1,024 cores", targets=targets
        )
    found["D1024 unicast"] = partial(hand.d1024, 64, "unicast")
    for cores in SWEEP_TOKENS:
        found[f"blocks {cores}"] = partial(llm.scaled, cores)
    for cores in hand.PEER_EVENTS:
        found[f"connected {cores}"] = partial(hand.fully_connected, cores)
    found["idle"] = hand.idle
    small = (Target("tokens_per_second", 50),)
    large = (
        Target("seconds_per_token", 2, at_least=False),
        Target("peak_gigabytes", 3, at_least=False),
    )
    found["169M"] = lambda: llm.rwkv(llm.SMALL, "169M sparsified", 20, small)
    found["3B natural"] = lambda: llm.rwkv(llm.LARGE, "3B natural", 1, large)
    found["3B sparsified"] = lambda: llm.rwkv(llm.LARGE, "3B sparsified", 1, large)
    return found


def shipped_shape(tokens: int, density: float) -> Work:
    """RWKV-4 in the size that ships, on the default chip, with a synthesised trace."""
    from seneca_sim.bench.work import Target, Work
    from seneca_sim.chip.load import load_chip
    from workloads.compiler import event_stream, lower, rwkv4_graph
    from workloads.traces import synthesise
    from workloads.traces.sites import BLOCK_SITES

    chip = load_chip("seneca-8x8").chip
    program = lower(rwkv4_graph("rwkv4-shipped", SHIPPED), chip)
    shape: Any = {"family": "rwkv4", **SHIPPED}
    trace = synthesise(shape, dict.fromkeys(BLOCK_SITES, density), tokens=tokens, seed=1)
    beside = density == BESIDE_THE_REFERENCE
    targets = (
        Target("packet_hops_per_second", 6e6),
        Target("wakeups_per_packet_hop", 4, at_least=False),
        *((Target("times_the_reference", 100),) if beside else ()),
    )
    return Work(
        f"rwkv4 6 x 256, density {density:.0%}", chip, program, event_stream(program, trace),
        by_reference=beside, sweep="density, 1 to 100 %", targets=targets,
    )  # fmt: skip


def _line(row: dict[str, Any]) -> str:
    text = (
        f"{row['name']:30} {row['nanoseconds_per_packet_hop']:6.1f} ns a packet-hop, "
        f"{row['packet_hops_per_second'] / 1e6:5.1f} M/s, "
        f"{row['deliveries_per_second'] / 1e6:5.2f} M deliveries/s, "
        f"{row['wakeups_per_packet_hop']:.2f} wake-ups and {row['turns_per_packet_hop']:.2f} turns"
    )
    if "times_the_reference" in row:
        same = "same numbers" if not row["differences"] else "OTHER NUMBERS"
        text += f"; {row['times_the_reference']:.0f} x the reference, {same}"
    if "times_the_peer" in row:
        text += f"; {row['times_the_peer']:.0f} x the peer"
    if "nearest_bound" in row:
        text += f"; {row['times_the_bound']:.2f} x the bound of the {row['nearest_bound']}"
    per_token = [
        f"{row[f'{what}_per_token']:,.0f} {what.replace('_', '-')}"
        for what in ("deliveries", "packets", "packet_hops", "wakeups")
    ]
    lines = [text, "    a token: " + ", ".join(per_token) + f", {row['seconds_per_token']:.4f} s"]
    for target in row["targets"]:
        sign = ">=" if target["at_least"] else "<="
        value = row[target["figure"]]
        lines.append(
            f"    {target['figure']} {value:,.4g} {sign} {target['limit']:,g}{_met(target)}"
        )
    return "\n".join(lines)


def _met(target: dict[str, Any]) -> str:
    return "" if target["met"] else " MISSED"
