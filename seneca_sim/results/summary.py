"""summary.json as plain data: everything that a report, a comparison or a CI job reads.

Energies are in joules here; a sum of whole femtojoules divided by 1e15 is the nearest float to
it, so the integers can be had back. Nothing in it depends on when or where it was made, except
for what the caller puts under ``wall``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from seneca_sim import __version__
from seneca_sim.errors import InternalError
from seneca_sim.program.passes import load_of, parts_of
from seneca_sim.results.ids import MODEL_VERSION, content_hash, group_id
from seneca_sim.results.kinds import DENSE_KINDS, RELOADING
from seneca_sim.results.pieces import HOST_LAYER
from seneca_sim.results.run import RunResult
from seneca_sim.results.sparsity import sparsity_by_stem, work_of
from seneca_sim.results.steady import rate_of
from seneca_sim.results.tokens import percentile

SCHEMA: Final = "seneca-summary/1"
FJ_PER_J: Final = 10**15
PERCENTILE: Final = "inverted_cdf"


def summary_of(results: Sequence[RunResult], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Sum up runs that belong together, the baseline first.

    Args:
        results: one per variant, with different labels.
        extra: further entries at the top, such as ``inputs``, ``warnings``, ``bits_per_byte``
            (label -> number) and ``wall``.

    Raises:
        InternalError: no result, a label twice, or an entry of `extra` that is already taken.
    """
    labels = [result.label for result in results]
    if not labels or len(set(labels)) != len(labels):
        raise InternalError(f"results need different labels, got {labels}")
    variants = [variant_of(result) for result in results]
    summary: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "model_version": MODEL_VERSION,
        "run_id": run_id_of(results),
        "program": results[0].program.name,
        "variants": variants,
        "comparison": [compare(*pair) for pair in combinations(variants, 2)],
        "warnings": [],
    }
    taken = sorted(set(extra) & (set(summary) - {"warnings"}))
    if taken:
        raise InternalError(f"summary: '{taken[0]}' is an entry of its own")
    return summary | dict(extra)


def run_id_of(results: Sequence[RunResult]) -> str:
    """The id of what is shown together: a single run's own id, else one made of all."""
    if len(results) == 1:
        return results[0].run_id
    return group_id((result.label, result.run_id) for result in results)


def variant_of(result: RunResult) -> dict[str, Any]:
    """Sum up one run."""
    chip, tokens = result.chip, len(result.tokens.start)
    return {
        "label": result.label,
        "run_id": result.run_id,
        "activity_id": result.activity_id,
        "inputs": _inputs(result),
        "engine": result.activity.engine,
        "mode": result.mode,
        "chip": {"name": chip.name, "cores": chip.cores, "clock_hz": chip.clock_hz},
        "mapping": dict(result.program.mapping),
        "cycles": result.cycles,
        "time_s": result.time_s,
        "tokens": tokens,
        "sequences": result.program.sequences,
        "throughput": _throughput(result),
        **({"passes": _passes(result)} if result.program.passes else {}),
        "energy_fj": result.energy_fj,
        "energy_j": _energy(result),
        "energy_per_token_j": _statistics(result.tokens.energy_fj, FJ_PER_J),
        "latency_per_token_s": _statistics(result.tokens.latency_cycles, chip.clock_hz),
        "percentile_method": PERCENTILE,
        "average_power_w": result.average_power_w,
        "peak_power_w": result.peak_power_w,
        "peak_window_s": result.peak.width_cycles / chip.clock_hz,
        "energy_delay_js": result.energy_delay_js,
        "dense_share": result.dense_fj / max(1, result.energy_fj),
        "npe_cycles_by_kind": dict(result.npe_cycles_by_kind),
        "npe_dense_share": _npe_dense_share(result),
        **_sparsity(result, tokens),
        "bottleneck": _bottleneck(result),
        "nearest_bound": {
            "name": result.bound.name,
            "least_cycles": result.bound.least,
            "cycles": result.bound.cycles,
            "times": result.bound.times,
        },
    }


def _throughput(result: RunResult) -> dict[str, Any]:
    """Tokens a second: over the run, its filling and emptying included, and in steady state."""
    tokens, hertz = len(result.tokens.start), result.chip.clock_hz
    rate = rate_of(result.activity, result.program.sequences)
    steady = None
    if rate is not None:
        steady = {
            "tokens_per_s": hertz / rate.cycles_per_token,
            "error": rate.error,
            "warm_up": rate.warm_up,
            "tail": rate.tail,
        }
    return {"tokens_per_s": tokens / result.time_s, "steady": steady}


def _passes(result: RunResult) -> dict[str, Any]:
    """What it takes to load the weights of passes, by token, and whether that overlaps running.

    `wait_s_per_token` is the time in which nothing runs; `load_s_per_token` counts all loads.
    """
    program, chip, activity = result.program, result.chip, result.activity
    tokens, bits = len(result.tokens.start), activity.item_load_bits
    loaded = 0 if bits is None else int(bits.sum())
    once = [load_of(part, chip) for part in parts_of(program)]
    turns = loaded / max(1, sum(load.bits for load in once))
    cycles = turns * sum(load.cycles for load in once)
    return {
        "count": len(program.passes),
        "layers": dict(program.mapping).get("passes", ""),
        "ahead": program.ahead,
        "turns": round(turns),
        "load_bits_per_token": loaded / tokens,
        "load_j_per_token": result.by_kind.get(RELOADING, 0) / (tokens * FJ_PER_J),
        "load_s_per_token": cycles / (tokens * chip.clock_hz),
        "wait_s_per_token": activity.loading / (tokens * chip.clock_hz),
    }


def _inputs(result: RunResult) -> dict[str, str]:
    return {
        "chip_sha256": result.loaded.sha256,
        "energy": result.table.name,
        "energy_sha256": result.table.sha256,
        "program": result.program.name,
        "program_sha256": content_hash(result.program),
        "stream_sha256": result.stream.content_hash,
    }


def _energy(result: RunResult) -> dict[str, Any]:
    layers = {
        "host" if layer == HOST_LAYER else str(layer): fj for layer, fj in result.by_layer.items()
    }
    cores = {
        "host" if core == result.program.host else str(core): fj
        for core, fj in result.by_core.items()
    }
    return {
        "total": result.energy_fj / FJ_PER_J,
        "by_class": _joules(result.by_class),
        "by_kind": _joules(result.by_kind),
        "by_mark": _joules({str(mark): fj for mark, fj in result.by_mark.items()}),
        "by_op": _joules(result.by_op),
        "by_layer": _joules(layers),
        "by_core": _joules(cores),
    }


def _joules(energies: Mapping[str, int]) -> dict[str, float]:
    return {name: fj / FJ_PER_J for name, fj in energies.items()}


def _statistics(values: Sequence[int], scale: int) -> dict[str, float]:
    """Median and 95th percentile, both values of an actual token, and the mean."""
    return {
        "median": percentile(values, 50) / scale,
        "p95": percentile(values, 95) / scale,
        "mean": sum(values) / (len(values) * scale),
    }


def _npe_dense_share(result: RunResult) -> float:
    """Share of the NPEs' busy cycles that goes into dense work."""
    cycles = result.npe_cycles_by_kind
    return sum(cycles.get(kind, 0) for kind in DENSE_KINDS) / max(1, sum(cycles.values()))


def _sparsity(result: RunResult, tokens: int) -> dict[str, Any]:
    work = work_of(result.program, result.activity)
    return {
        "sparsity": work.sparsity,
        "sparsity_by_site": sparsity_by_stem(result.program, result.stream),
        "macs_per_token": work.blocks / tokens,
        "macs_per_token_with_head": (work.blocks + work.head) / tokens,
    }


def _bottleneck(result: RunResult) -> dict[str, Any]:
    found = result.bottleneck
    return {
        "unit": found.unit,
        "sentence": found.sentence,
        "npe_busy": found.npe,
        "controller_busy": found.controller,
        "controller_blocked": found.blocked,
        "link_busy": found.link,
        "npe_starved": found.starved,
        "waiting_cores": found.waiting_cores,
        "together": found.together,
        "hint": found.hint,
    }


def compare(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """How many times less `other` costs than `base`; energy and latency by their medians."""
    return {
        "label": other["label"],
        "against": base["label"],
        "energy_gain": _ratio(base, other, "energy_per_token_j", "median"),
        "latency_gain": _ratio(base, other, "latency_per_token_s", "median"),
        "energy_delay_gain": _ratio(base, other, "energy_delay_js"),
        "total_energy_gain": _ratio(base, other, "energy_j", "total"),
        "total_time_gain": _ratio(base, other, "time_s"),
        "mac_ratio": _ratio(base, other, "macs_per_token"),
        "mac_ratio_with_head": _ratio(base, other, "macs_per_token_with_head"),
    }


def _ratio(base: Mapping[str, Any], other: Mapping[str, Any], *path: str) -> float | None:
    """One entry of `base` over that of `other`; None where `other` has nothing."""
    above: Any = base
    below: Any = other
    for key in path:
        above, below = above[key], below[key]
    return float(above / below) if below else None
