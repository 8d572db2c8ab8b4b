"""Results as tables: one pandas DataFrame per question, columns in snake_case with their unit.

pandas is imported when a table is made, not with the package.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from seneca_sim.chip.mesh import HOST, LOCAL, crosses_boundary, links, neighbour
from seneca_sim.results.detail import bounds_table, breakdown_table, phases_table
from seneca_sim.results.packets import packets_frame
from seneca_sim.results.run import RunResult
from seneca_sim.results.sparsity import events_sent, site_sparsity, values_to_send
from seneca_sim.results.terms import apportion
from seneca_sim.results.tokens import used_cores

if TYPE_CHECKING:
    import pandas as pd

LAYER_COLUMNS: Final = (
    "layer",
    "site",
    "part",
    "cores",
    "events_in",
    "events_out",
    "sparsity",
    "sops",
    "busy_cycles",
    "energy_pj",
)
CORE_COLUMNS: Final = (
    "core",
    "x",
    "y",
    "npe_busy_cycles",
    "npe_idle_cycles",
    "npe_starved_cycles",
    "controller_busy_cycles",
    "controller_stall_cycles",
    "controller_idle_cycles",
    "generator_busy_cycles",
    "output_stall_cycles",
    "input_queue_peak_flits",
    "output_queue_peak_flits",
    "fifo_peak_tasks",
    "memory_bits",
    "energy_dynamic_pj",
    "energy_leakage_pj",
)
CHANNEL_COLUMNS: Final = (
    "channel",
    "first_core",
    "last_core",
    "bits",
    "busy_cycles",
    "utilisation",
    "energy_pj",
)
LINK_COLUMNS: Final = (
    "source",
    "destination",
    "flits",
    "packets",
    "busy_cycles",
    "blocked_cycles",
    "utilisation",
    "energy_pj",
)
TOKEN_COLUMNS: Final = (
    "token",
    "start_cycles",
    "done_cycles",
    "latency_cycles",
    "latency_s",
    "energy_dynamic_pj",
    "energy_leakage_pj",
    "energy_pj",
)
ENERGY_COLUMNS: Final = ("component", "op", "count", "fj_per_count", "energy_fj", "mark")


def energy_table(result: RunResult) -> pd.DataFrame:
    """One row per (component, op): energy_fj = count x fj_per_count, rounded half to even.

    `fj_per_count` is exact text: a decimal or, where there is none, a fraction.
    """
    rows = [
        (t.component, t.op, t.count, exact(t.fj_per_count), t.energy_fj, str(t.mark))
        for t in result.book.terms
    ]
    return _frame(rows, ENERGY_COLUMNS)


def layers_table(result: RunResult) -> pd.DataFrame:
    """One row per site, per sort of stage, and for the host; energies without leakage.

    `part` says which: at a ``site`` events are taken and weights applied, a ``stage`` computes
    and sends. `busy_cycles` are the NPEs' of all its cores together.
    """
    energy = result.book.total_by(lambda e: e.piece.item if e.piece else -1)
    rows = [*_site_rows(result, energy), *_stage_rows(result, energy)]
    activity = result.activity
    host = len(activity.item_ops) - 1
    sent = int(activity.item_events_out[host])
    rows.append((None, "host", "host", 0, 0, sent, None, None, 0, pj(energy.get(host, 0))))
    frame = _frame(rows, LAYER_COLUMNS)
    return frame.astype({"layer": "Int64", "sops": "Int64"})


def _site_rows(result: RunResult, energy: Mapping[int, int]) -> Iterable[tuple[Any, ...]]:
    program, activity = result.program, result.activity
    values, sent = values_to_send(program), events_sent(program, result.stream)
    items = _grouped(enumerate(program.consumers), lambda c: c.site)
    for index, site in enumerate(program.sites):
        here = items.get(index, [])
        if not here:
            continue
        consumers = [program.consumers[i] for i in here]
        events = [int(activity.item_events_in[i]) for i in here]
        work = [e * c.neurons for e, c in zip(events, consumers, strict=True) if c.kernel]
        sparse = site.kind == "events"
        yield (
            site.layer,
            site.name,
            "site",
            len(here),
            sum(events),
            0,
            site_sparsity(values[index], sent[index], result.stream.tokens) if sparse else 0.0,
            sum(work) if work else None,
            sum(int(activity.item_npe_cycles[i]) for i in here),
            pj(sum(energy.get(i, 0) for i in here)),
        )


def _stage_rows(result: RunResult, energy: Mapping[int, int]) -> Iterable[tuple[Any, ...]]:
    program, activity = result.program, result.activity
    first = len(program.consumers)
    items = _grouped(enumerate(program.stages, first), lambda s: (s.layer, s.name))
    for (layer, name), here in sorted(items.items(), key=lambda kv: kv[1][0]):
        yield (
            layer,
            name,
            "stage",
            len(here),
            0,
            sum(int(activity.item_events_out[i]) for i in here),
            None,
            None,
            sum(int(activity.item_npe_cycles[i]) for i in here),
            pj(sum(energy.get(i, 0) for i in here)),
        )


def cores_table(result: RunResult) -> pd.DataFrame:
    """One row per core. Busy, stalled and idle cycles of a unit add up to the run's cycles."""
    activity, chip = result.activity, result.chip
    memory = [0] * chip.cores
    for region in result.program.regions:
        memory[region.core] += 0 if region.shared else region.bits
    used = used_cores(result.program)
    gated = chip.core.gating == "power"
    weights = [int(not gated or core in used) for core in range(chip.cores)]
    leakage = apportion(result.book.leakage_fj, weights)
    rows = []
    for core in range(chip.cores):
        npe, busy = int(activity.npe_busy[core]), int(activity.controller_busy[core])
        stalled = int(activity.controller_blocked[core])
        rows.append(
            (
                core,
                *chip.position(core),
                npe,
                activity.cycles - npe,
                int(activity.npe_starved[core]),
                busy,
                stalled,
                activity.cycles - busy - stalled,
                int(activity.generator_busy[core]),
                int(activity.output_blocked[core]),
                int(activity.input_peak[core]),
                int(activity.output_peak[core]),
                int(activity.fifo_peak[core]),
                memory[core],
                pj(result.by_core[core]),
                pj(leakage[core]),
            )
        )
    return _frame(rows, CORE_COLUMNS)


def links_table(result: RunResult) -> pd.DataFrame:
    """One row per link, in the order of `chip.mesh.links`."""
    activity, chip = result.activity, result.chip
    energies = _link_energies(result)
    rows = []
    for index, (node, port) in enumerate(links(chip)):
        ends = {LOCAL: f"core {node}", HOST: "host"}
        busy = int(activity.link_busy[index])
        rows.append(
            (
                f"router {node}",
                ends.get(port) or f"router {neighbour(chip, node, port)}",
                int(activity.link_flits[index]),
                int(activity.link_packets[index]),
                busy,
                int(activity.link_blocked[index]),
                busy / max(1, activity.cycles),
                pj(energies[index]),
            )
        )
    return _frame(rows, LINK_COLUMNS)


def _link_energies(result: RunResult) -> list[int]:
    """FJ of every link: its flits, and for a link between reticles its bits."""
    flits = result.activity.link_flits.tolist()
    far = [
        n * crosses_boundary(result.chip, hop)
        for n, hop in zip(flits, links(result.chip), strict=True)
    ]
    own = apportion(result.by_op.get("noc.flit_hop", 0), flits)
    beyond = apportion(result.by_op.get("noc.boundary_bit", 0), far)
    return [a + b for a, b in zip(own, beyond, strict=True)]


def channels_table(result: RunResult) -> pd.DataFrame | None:
    """One row per channel of off-core memory; None for a chip without."""
    activity, chip = result.activity, result.chip
    if not activity.channel_busy.size:
        return None
    fetched = activity.channel_bits.tolist()
    energies = apportion(result.by_class.get("off_core_memory", 0), fetched)
    size = chip.memory.cores_per_channel
    rows = [
        (
            index,
            index * size,
            min(chip.cores, (index + 1) * size) - 1,
            bits,
            busy,
            busy / max(1, activity.cycles),
            pj(energy),
        )
        for index, (bits, busy, energy) in enumerate(
            zip(fetched, activity.channel_busy.tolist(), energies, strict=True)
        )
    ]
    return _frame(rows, CHANNEL_COLUMNS)


def tokens_table(result: RunResult) -> pd.DataFrame:
    """One row per token; the energies add up to the run's."""
    tokens = result.tokens
    rows = [
        (n, start, done, cycles, cycles / result.chip.clock_hz, pj(own), pj(leak), pj(own + leak))
        for n, (start, done, cycles, own, leak) in enumerate(
            zip(
                tokens.start,
                tokens.done,
                tokens.latency_cycles,
                tokens.dynamic_fj,
                tokens.leakage_fj,
                strict=True,
            )
        )
    ]
    return _frame(rows, TOKEN_COLUMNS)


def packets_table(result: RunResult) -> pd.DataFrame | None:
    """One row per (packet, destination) with every delay apart; None where none were logged."""
    log = result.activity.packets
    return None if log is None else packets_frame(result.chip, result.program, log)


TABLES: Final[dict[str, Callable[[RunResult], pd.DataFrame | None]]] = {
    "energy": energy_table,
    "layers": layers_table,
    "cores": cores_table,
    "links": links_table,
    "channels": channels_table,
    "tokens": tokens_table,
    "packets": packets_table,
    "breakdown": breakdown_table,
    "phases": phases_table,
    "bounds": bounds_table,
}
"""Every table by the name of its file."""


def pj(femtojoules: int) -> float:
    """Picojoules; the nearest float to the exact value, so that the integer can be had back."""
    return femtojoules / 1000


def exact(value: Fraction) -> str:
    """`value` as text that `Fraction` reads back: a decimal if it ends, else a fraction."""
    places, scaled = 0, value
    while scaled.denominator != 1:
        places, scaled = places + 1, scaled * 10
        if places > 30:
            return str(value)
    digits = f"{abs(scaled.numerator):0{places + 1}d}"
    whole, rest = digits[: len(digits) - places], digits[len(digits) - places :]
    return f"{whole}.{rest}" if rest else whole


def _grouped(items: Iterable[tuple[int, Any]], key: Callable[[Any], Any]) -> dict[Any, list[int]]:
    groups: dict[Any, list[int]] = defaultdict(list)
    for index, item in items:
        groups[key(item)].append(index)
    return groups


def _frame(rows: Iterable[Iterable[Any]], columns: Iterable[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
