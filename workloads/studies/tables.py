"""Rows of a sweep, as `sweep table --json` has them -> tables in Markdown; nothing runs here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
FJ_PER_MJ = 1e12
SYNAPTIC = ("npe", "loop_buffer", "memory")
"""Classes of hardware that apply weights; dense work uses them too, about 1 % of it at 3B."""
SENDING = ("controller", "event_generator", "noc")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, one line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def energies(row: Row) -> tuple[float, float, float]:
    """Energy per token in mJ: where weights are applied, sending and taking events, leakage."""
    by_class = {
        key.removeprefix("energy_by_class_fj."): float(value or 0)
        for key, value in row.items()
        if key.startswith("energy_by_class_fj.")
    }
    scale = 1 / (FJ_PER_MJ * float(row["tokens"]))
    known = {*SYNAPTIC, *SENDING, "leakage"}
    apply = sum(by_class.get(name, 0.0) for name in SYNAPTIC)
    apply += sum(value for name, value in by_class.items() if name not in known)
    send = sum(by_class.get(name, 0.0) for name in SENDING)
    return apply * scale, send * scale, by_class.get("leakage", 0.0) * scale


def gains(rows: Sequence[Row]) -> list[str]:
    """Dense, natural and sparsified side by side, and how much better the last is than natural."""
    head = [
        "weights",
        "in",
        "head",
        "cores",
        "energy, mJ: dense / natural / sparsified",
        "latency, ms: dense / natural / sparsified",
        "energy gain",
        "latency gain",
        "MAC ratio",
    ]
    body = []
    for place, found in _by_place(rows).items():
        if set(found) != {"dense", "natural", "sparsified"}:
            continue
        three = [found[name] for name in ("dense", "natural", "sparsified")]
        energy = [1e3 * row["energy_per_token_j"] for row in three]
        latency = [1e3 * row["latency_per_token_s"] for row in three]
        macs = three[1]["macs_per_token"] / three[2]["macs_per_token"]
        bits, where, lead = place
        body.append(
            [
                bits.upper(),
                "HBM" if where == "shared" else "cores",
                lead,
                f"{three[2]['cores_used']:,}",
                _three(energy),
                _three(latency),
                f"{energy[1] / energy[2]:.2f}",
                f"{latency[1] / latency[2]:.2f}",
                f"{macs:.3f}",
            ]
        )
    return markdown(head, body)


def parts(rows: Sequence[Row]) -> list[str]:
    """Energy of natural and sparsified in three parts, and the gain of each part."""
    head = [
        "weights",
        "in",
        "head",
        "applying weights, mJ",
        "gain",
        "events, mJ",
        "gain",
        "leakage, mJ",
        "gain",
    ]
    body = []
    for (bits, where, lead), found in _by_place(rows).items():
        if not {"natural", "sparsified"} <= set(found):
            continue
        cells = [bits.upper(), "HBM" if where == "shared" else "cores", lead]
        for a, b in zip(energies(found["natural"]), energies(found["sparsified"]), strict=True):
            cells += [f"{a:.3g} / {b:.3g}", f"{a / b:.2f}" if b else "–"]
        body.append(cells)
    return markdown(head, body)


def _by_place(rows: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, Row]]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            place = (row["weights.bits"], row["mapping.weights"], row["mapping.head"])
            found.setdefault(place, {})[row["workload.variant"]] = row
    return found


def _three(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3g}" for value in values)


def layers(rows: Sequence[Row]) -> list[str]:
    """Energy by layer in µJ, without leakage, and by kind of work and class in mJ."""
    names = [str(row["workload.variant"]) for row in rows]
    lines: list[str] = []
    for title, prefix, scale in (
        ("layer, µJ", "energy_by_layer_fj.", 1e9),
        ("kind of work, mJ", "energy_by_kind_fj.", FJ_PER_MJ),
        ("class, mJ", "energy_by_class_fj.", FJ_PER_MJ),
    ):
        keys = [key for key in rows[0] if key.startswith(prefix)]
        body = [
            [
                key.removeprefix(prefix).replace("-1", "host"),
                *(f"{(row.get(key) or 0) / scale / row['tokens']:.4g}" for row in rows),
            ]
            for key in keys
        ]
        lines += [*markdown([title, *names], body), ""]
    return lines[:-1]


def scaling(rows: Sequence[Row]) -> list[str]:
    """Latency of a token alone beside throughput when tokens overlap, by cores."""
    alone = {row["columns"]: row for row in rows if row["mode"] == "generation"}
    full = {row["columns"]: row for row in rows if row["mode"] == "pipelined"}
    first = next(iter(alone.values()))
    body = [
        [
            f"{one['columns']} x {one['rows']}",
            f"{one['cores_used']:,}",
            f"{1e3 * one['latency_per_token_s']:.3f}",
            f"{first['latency_per_token_s'] / one['latency_per_token_s']:.2f}",
            f"{1e3 * one['energy_per_token_j']:.3f}",
            f"{one['tokens'] / one['time_s']:,.0f}",
            f"{full[key]['tokens'] / full[key]['time_s']:,.0f}",
            f"{1e3 * full[key]['energy_per_token_j']:.3f}",
        ]
        for key, one in alone.items()
        if key in full
    ]
    head = [
        "mesh",
        "cores used",
        "latency, ms",
        "speed-up",
        "energy, mJ",
        "tokens/s alone",
        "tokens/s pipelined",
        "energy pipelined, mJ",
    ]
    return markdown(head, body)


def batches(rows: Sequence[Row]) -> list[str]:
    """Latency beside throughput by the number of sequences, and a pipeline of one sequence."""
    body = []
    for row in rows:
        count = int(row["mapping.batch"])
        rate = row["tokens"] / row["time_s"]
        label = f"{count}, {row['mode']}"
        label += f", window {row['core.window']}" if "core.window" in row else ""
        body.append(
            [
                label,
                f"{row['cores_used']:,}",
                str(row["tokens"]),
                f"{1e3 * row['latency_per_token_mean_s']:.3g}",
                f"{rate:,.0f}",
                f"{rate / count:,.0f}",
                f"{1e6 * row['energy_per_token_mean_j']:.4g}",
                f"{1e3 * row['average_power_w']:.3g}",
            ]
        )
    head = [
        "sequences",
        "cores used",
        "tokens",
        "latency, ms",
        "tokens/s",
        "of a sequence",
        "energy a token, µJ",
        "power, mW",
    ]
    return markdown(head, body)


def compare(rows: Sequence[Row]) -> list[str]:
    """Every point with energy, latency, flit-hops, and energy in three parts."""
    varied = _varied(rows)
    head = [
        *varied,
        "cores used",
        "energy, mJ",
        "latency, ms",
        "weights / events / leakage, mJ",
        "flit-hops, M",
    ]
    body = []
    for row in rows:
        place = [str(row[name]) for name in varied]
        if row["status"] != "ok":
            body.append([*place, str(row["error"]), "", "", "", ""])
            continue
        body.append(
            [
                *place,
                f"{row['cores_used']:,}",
                f"{1e3 * row['energy_per_token_j']:.4g}",
                f"{1e3 * row['latency_per_token_s']:.4g}",
                _three(energies(row)),
                f"{_hops(row) / 1e6:.2f}",
            ]
        )
    return markdown(head, body)


def choice(rows: Sequence[Row]) -> list[str]:
    """Latency in ms of every strategy by mesh, and how far the choice is from the best."""
    return _beside(rows, "latency_per_token_s", 1e3)


def choice_energy(rows: Sequence[Row]) -> list[str]:
    """The same for energy times delay, in nJ s."""
    return _beside(rows, "energy_delay_js", 1e9)


def _beside(rows: Sequence[Row], metric: str, scale: float) -> list[str]:
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        mesh = f"{row['columns']} x {row['rows']}"
        found.setdefault(mesh, {})[str(row["mapping.strategy"])] = row
    names = list(dict.fromkeys(str(row["mapping.strategy"]) for row in rows))
    body = []
    for mesh, by in found.items():
        done = {n: scale * r[metric] for n, r in by.items() if r["status"] == "ok"}
        digits = 3 if scale < 1e6 else 0
        cells = [
            f"{done[n]:,.{digits}f} ({by[n]['cores_used']:,})" if n in done else "does not fit"
            for n in names
        ]
        body.append([mesh, *cells, f"{done['auto'] / min(done.values()):.2f}"])
    return markdown(["mesh", *names, "auto / best"], body)


def _hops(row: Row) -> float:
    """Flit-hops of a token; each is 2 pJ in the table that the studies use."""
    return float(row.get("energy_by_op_fj.noc.flit_hop") or 0) / 2000 / float(row["tokens"])


def _varied(rows: Sequence[Row]) -> list[str]:
    """Settings of the axes: what stands between the status and the first metric."""
    keys = list(next((row for row in rows if row["status"] == "ok"), rows[0]))
    end = keys.index("cycles") if "cycles" in keys else keys.index("error")
    return keys[keys.index("status") + 1 : end]


View = Callable[[Sequence[Row]], list[str]]
VIEWS: dict[str, tuple[View, ...]] = {
    "gains": (gains, parts),
    "layers": (layers,),
    "scaling": (scaling,),
    "batches": (batches,),
    "windows": (batches,),
    "boundaries": (compare,),
    "mappings": (compare,),
    "choice": (choice, choice_energy),
}
"""Views of a study, by a part of its name."""
