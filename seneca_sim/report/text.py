"""A run as at most 25 plain lines, the verdict first.

There is one way from summary to text, so that a report made later from summary.json is the one
that was printed after the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from seneca_sim.report.layout import (
    NONE,
    aligned,
    change,
    counted,
    counted_alone,
    pair,
    percent,
    times,
    wrapped,
)
from seneca_sim.results.folder import SUMMARY, read_summary
from seneca_sim.results.kinds import (
    ATTENTION,
    DENSE_KINDS,
    EVENT_HANDLING,
    GATES,
    HEAD,
    HOST,
    LAYERNORM,
    LEAKAGE,
    MATRICES,
    OTHER,
    RELOADING,
    SYNAPTIC,
    TOKEN_SHIFT,
    WKV,
)
from seneca_sim.results.run import RunResult
from seneca_sim.results.summary import summary_of
from seneca_sim.units import si

_CLASS_NAMES: Final = {
    "npe": "NPE",
    "loop_buffer": "loop buffer",
    "memory": "memory",
    "event_generator": "event gen.",
    "controller": "controller",
    "noc": "NoC",
    "off_core_memory": "off-core",
    "leakage": "leakage",
}
_KIND_NAMES: Final = {
    SYNAPTIC: "synaptic",
    EVENT_HANDLING: "events",
    LEAKAGE: "leakage",
    LAYERNORM: "norm",
    TOKEN_SHIFT: "shift",
    WKV: "wkv",
    ATTENTION: "attention",
    MATRICES: "matrices",
    GATES: "gates",
    HEAD: "head",
    HOST: "host",
    RELOADING: "reload",
    OTHER: "other",
}
"""Columns of the work table; those of dense work are the last."""
_MODES: Final = {"generation": "one after another", "pipelined": "overlapping"}


@dataclass(frozen=True)
class Extras:
    """What a report shows beside the runs, of which engine and pricing know nothing.

    Attributes:
        bits_per_byte: by label; a label without one shows a dash.
        text_bytes: length of the text that it was measured on.
        folder: where the run is kept; not part of the summary.
        warnings: one line each.
    """

    bits_per_byte: Mapping[str, float | None] = field(default_factory=dict)
    text_bytes: int | None = None
    folder: str | Path | None = None
    warnings: Sequence[str] = ()

    def entries(self) -> dict[str, Any]:
        """The entries of summary.json: the `extra` of `write_run`, to which more may be added."""
        measured = {label: b for label, b in self.bits_per_byte.items() if b is not None}
        return {
            "bits_per_byte": measured,
            "text_bytes": self.text_bytes,
            "warnings": list(self.warnings),
        }


def render_run(results: Sequence[RunResult], extras: Extras | None = None) -> list[str]:
    """Render runs that belong together, the baseline first, as plain lines."""
    extras = extras or Extras()
    return render_summary(summary_of(results, extras.entries()), extras.folder)


def render_report(folder_or_summary: str | Path) -> list[str]:
    """Render a run folder, or its summary.json, as it was after the run.

    Raises:
        InputError: no summary there.
    """
    path = Path(folder_or_summary)
    folder = path.parent if path.name == SUMMARY and not path.is_dir() else path
    return render_summary(read_summary(path), folder)


def render_summary(summary: Mapping[str, Any], folder: str | Path | None = None) -> list[str]:
    """Render the content of a summary.json."""
    variants = summary["variants"]
    last = variants[-1]
    return [
        *wrapped(verdict_of(summary)),
        "",
        *wrapped(context_of(summary)),
        *aligned(main_table(summary)),
        *_site_table(variants[-2:]),
        *aligned(_class_table(last)),
        *aligned(_work_table(variants[-2:])),
        *_time(last),
        *wrapped(hint_of(last), 2),
        *_passes(last),
        *wrapped(_marks(last), 2),
        *_where(summary, folder),
        *(line for text in summary["warnings"] for line in wrapped(f"Warning: {text}", 2)),
    ]


def verdict_of(summary: Mapping[str, Any]) -> str:
    """What a token costs in the last variant, and against the one before it."""
    last = summary["variants"][-1]
    energy = si(last["energy_per_token_j"]["median"], "J")
    latency = si(last["latency_per_token_s"]["median"], "s")
    text = f"{last['label'].capitalize()}, a token costs {energy} and {latency}"
    if not summary["comparison"]:
        return text + "."
    found = summary["comparison"][-1]
    text += (
        f": {_less(found['energy_gain'], 'energy')} and {_less(found['latency_gain'], 'time')} "
        f"than {found['against']} (surviving MACs {times(found['mac_ratio'])})"
    )
    bits = summary.get("bits_per_byte", {})
    before, after = bits.get(found["against"]), bits.get(found["label"])
    paid = NONE if before == after else change(after, before)
    return f"{text}, for {paid} bits per byte." if paid != NONE else text + "."


def _less(gain: float | None, what: str) -> str:
    if gain is None or gain >= 1:
        return f"{times(gain)} less {what}"
    return f"{times(1 / gain)} more {what}"


def context_of(summary: Mapping[str, Any]) -> str:
    """What ran on what, without a full stop."""
    last = summary["variants"][-1]
    chip = last["chip"]
    return (
        f"{summary['program']} on {chip['name']}: {chip['cores']} cores at "
        f"{si(chip['clock_hz'], 'Hz')}, {last['tokens']} tokens{_order(last)}"
        f"{_placed(last.get('mapping', {}))}"
    )


def _order(variant: Mapping[str, Any]) -> str:
    """How tokens follow each other, and of how many sequences they are."""
    sequences = variant.get("sequences", 1)
    if sequences == 1:
        return f", {_MODES[variant['mode']]}"
    if variant["mode"] == "pipelined":
        return f" of {sequences} sequences, overlapping"
    return f" of {sequences} sequences side by side, those of each one after another"


def _placed(mapping: Mapping[str, str]) -> str:
    """What is left out of a run or stored at fewer bits, and the cache that attention reads."""
    weights, head = mapping.get("weights", "bf16"), mapping.get("head", "in")
    text = "" if weights == "bf16" else f", {weights} weights"
    text += "" if head == "in" else ", head out"
    context = mapping.get("context")
    return text if context is None else f"{text}, cache of {context}"


def main_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """The figures of all variants as cells, the header first, and the gains of the last one."""
    variants = summary["variants"]
    last = variants[-1]["label"]
    gains = [c for c in summary["comparison"] if c["label"] == last]
    window = si(variants[-1]["peak_window_s"], "s")
    bits = summary.get("bits_per_byte", {})
    size = summary.get("text_bytes")
    text = f"bits per byte ({size / 1000:.0f} kB text)" if size else "bits per byte"

    def row(name: str, cells: list[str], key: str = "") -> list[str]:
        return [name, *cells, *(times(c[key]) if key else "" for c in gains)]

    def pairs(entry: str, unit: str) -> list[str]:
        return [pair(v[entry]["median"], v[entry]["p95"], unit) for v in variants]

    accuracy = [
        text,
        *(f"{bits[v['label']]:.3f}" if v["label"] in bits else NONE for v in variants),
        *(change(bits.get(c["label"]), bits.get(c["against"])) for c in gains),
    ]
    return [
        ["", *(v["label"] for v in variants), *(f"vs {c['against']}" for c in gains)],
        row("token energy, median / p95", pairs("energy_per_token_j", "J"), "energy_gain"),
        row("token latency, median / p95", pairs("latency_per_token_s", "s"), "latency_gain"),
        row(
            f"power, mean / {window} peak",
            [pair(v["average_power_w"], v["peak_power_w"], "W") for v in variants],
        ),
        _rate_row(variants, gains)
        if all(map(_overlaps, variants))
        else row(
            "energy-delay product",
            [si(v["energy_delay_js"], "J").replace("J", "J·s") for v in variants],
            "energy_delay_gain",
        ),
        row(
            "MACs a token, blocks / all",
            [counted(v["macs_per_token"], v["macs_per_token_with_head"]) for v in variants],
            "mac_ratio",
        ),
        row("sparsity, weighted by MACs", [f"{percent(v['sparsity'])} %" for v in variants]),
        *([accuracy] if bits else []),
    ]


def _overlaps(variant: Mapping[str, Any]) -> bool:
    """Whether throughput is more than latency turned round; folders of before do not say."""
    several = variant.get("sequences", 1) > 1 or variant["mode"] == "pipelined"
    return several and "throughput" in variant


def _rate_row(
    variants: Sequence[Mapping[str, Any]], gains: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Tokens a second; with its error where it is that of the steady state.

    A pipeline's rate over the run, filling and emptying included, stands beside the steady one;
    several sequences have that of each beside that of all.
    """
    steady = [v["throughput"]["steady"] for v in variants]
    known = all(found and found["error"] is not None for found in steady)
    over_run = [float(v["throughput"]["tokens_per_s"]) for v in variants]
    rates = [float(found["tokens_per_s"]) for found in steady] if known else over_run
    error = f" ±{percent(max(found['error'] for found in steady))} %" if known else ""
    if variants[-1]["sequences"] > 1:
        name = f"tokens/s{error}, all / a sequence"
        cells = [counted(r, r / v["sequences"]) for r, v in zip(rates, variants, strict=True)]
    elif known:
        name = f"tokens/s, run / steady{error}"
        cells = [counted(run, rate) for run, rate in zip(over_run, rates, strict=True)]
    else:
        name, cells = "tokens/s of the run", [counted_alone(rate) for rate in rates]
    of = dict(zip((v["label"] for v in variants), rates, strict=True))
    return [name, *cells, *(times(rates[-1] / of[c["against"]]) for c in gains)]


def _site_table(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Zeros per site, mean over layers, and in the last column weighted by MACs."""
    sites = list(variants[-1]["sparsity_by_site"])
    if not sites:
        return []
    rows = [["zeros by site, %", *sites]]
    rows += [
        [f"  {v['label']}", *(percent(v["sparsity_by_site"].get(site)) for site in sites)]
        for v in variants
    ]
    return aligned(rows)


def _class_table(variant: Mapping[str, Any]) -> list[list[str]]:
    """Shares of the energy by class of hardware."""
    energies = variant["energy_j"]["by_class"]
    names = [_CLASS_NAMES.get(name, name) for name in energies]
    return [["energy by class, %", *names], _row(variant["label"], energies, list(energies))]


def _work_table(variants: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Shares of the energy by kind of work, and of the NPEs' busy time in the last variant."""
    energies = [v["energy_j"]["by_kind"] for v in variants]
    cycles = variants[-1]["npe_cycles_by_kind"]
    kinds = [k for k in _KIND_NAMES if k in cycles or any(k in energy for energy in energies)]
    header = ["energy by work, %", *(_KIND_NAMES[kind] for kind in kinds)]
    rows = [_row(v["label"], e, kinds) for v, e in zip(variants, energies, strict=True)]
    rows.append(_row("  its NPEs' time", cycles, kinds))
    table = [header, *rows]
    dense = [sum(e.get(k, 0) for k in DENSE_KINDS) for e in (*energies, cycles)]
    totals = [sum(e.values()) for e in (*energies, cycles)]
    place = 1 + sum(kind not in DENSE_KINDS for kind in kinds)
    table[0].insert(place, "dense:")
    for row, share, total in zip(rows, dense, totals, strict=True):
        row.insert(place, percent(share / (total or 1)))
    return table


def _row(label: str, parts: Mapping[str, float], keys: Sequence[str]) -> list[str]:
    total = sum(parts.values()) or 1
    return [f"  {label}", *(percent(parts[k] / total) if k in parts else NONE for k in keys)]


def time_sentence(variant: Mapping[str, Any]) -> str:
    """Which unit bounds a variant's run."""
    return str(variant["bottleneck"]["sentence"])


def hint_of(variant: Mapping[str, Any]) -> str:
    """What would make a variant's run faster, where its counters tell; else empty."""
    return str(variant["bottleneck"].get("hint", ""))


def _time(variant: Mapping[str, Any]) -> list[str]:
    """What bounds the time; the nearest lower bound, too, where it takes no line of its own.

    The whole report is to fit a screen; summary.json has the bound always.
    """
    sentence = time_sentence(variant)
    first = f"Time: {sentence[0].lower()}{sentence[1:]}".removesuffix(".")
    short, full = (wrapped(f"{first}{more}.", 2) for more in ("", _bound(variant)))
    return full if len(full) == len(short) else short


def _passes(variant: Mapping[str, Any]) -> list[str]:
    """What reloading weights costs a token, where the chip is smaller than the model."""
    found = variant.get("passes")
    if not found:
        return []
    how = "while the pass before runs" if found["ahead"] else "before each pass, nothing overlaps"
    return wrapped(
        f"{found['count']} passes, {counted_alone(found['load_bits_per_token'])} bits of weights "
        f"reloaded a token, {how}: {si(found['load_j_per_token'], 'J')} and "
        f"{si(found['wait_s_per_token'], 's')} of waiting a token.",
        2,
    )


BOUNDS = {
    "npe": "the busiest NPEs",
    "controller": "the busiest controller",
    "generator": "the busiest event generator",
    "link": "the busiest link",
    "channel": "the busiest channel",
    "critical path": "the critical path",
}


def _bound(variant: Mapping[str, Any]) -> str:
    """How far the run is from what no run can beat; nothing for folders of before."""
    found = variant.get("nearest_bound")
    return f"; {found['times']:.2f}x {BOUNDS[found['name']]}" if found else ""


def _marks(variant: Mapping[str, Any]) -> str:
    energy = variant["energy_j"]
    shares = [
        f"{percent(joules / (energy['total'] or 1.0))} % {mark}"
        for mark, joules in energy["by_mark"].items()
    ]
    return f"Energy by the weakest number behind it: {', '.join(shares)}."


def _where(summary: Mapping[str, Any], folder: str | Path | None) -> list[str]:
    place = f", kept in {Path(folder)}" if folder is not None else ""
    return [f"Run {summary['run_id'][:12]}{place}"]
