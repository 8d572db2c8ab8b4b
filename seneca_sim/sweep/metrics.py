"""The metrics that a study may name, known before anything runs."""

from __future__ import annotations

from typing import Any, Final

from seneca_sim.cost.energy import CLASSES
from seneca_sim.cost.ops import OPS
from seneca_sim.results.kinds import KINDS
from seneca_sim.sweep.expressions import nested
from seneca_sim.sweep.stages import DEEP

ACCURACY: Final = "bits_per_byte"
METRICS: Final = {
    "cycles": "cycles of the whole run",
    "time_s": "seconds of the whole run",
    "tokens": "simulated tokens",
    "energy_fj": "energy of the whole run, leakage included, whole femtojoules",
    "energy_per_token_j": "median",
    "energy_per_token_p95_j": "95th percentile",
    "energy_per_token_mean_j": "mean",
    "latency_per_token_s": "median",
    "latency_per_token_p95_s": "95th percentile",
    "latency_per_token_mean_s": "mean",
    "energy_delay_js": "mean energy per token x mean latency per token",
    "average_power_w": "energy over time",
    "peak_power_w": "in the window of the highest power",
    "sparsity": "share of the blocks' multiply-accumulates that was skipped",
    "macs_per_token": "multiply-accumulates done, the head's included",
    "cores": "cores of the chip",
    "cores_used": "cores that hold a part of the program",
    "core_mm2": "area of a core",
    "used_mm2": "area of the cores that are used",
    "chip_mm2": "area of all cores",
    "energy_by_class_fj": "energy by class of hardware",
    "energy_by_op_fj": "energy by op",
}
"""What every record has: name -> meaning."""
BEYOND_ID: Final = frozenset({ACCURACY, "core_mm2", "used_mm2", "chip_mm2"})
"""Metrics that a run id does not settle: it knows events, but neither weights and the text they
were measured on, nor the area table. A point's key knows both."""
TEXTS: Final = ("bottleneck",)
"""Metrics that are words."""
TABLES: Final = (
    "energy_by_class_fj", "energy_by_op_fj", "npe_cycles_by_kind", "sparsity_by_site",
    "energy_by_kind_fj", "energy_by_layer_fj", "energy_by_mark_fj",
)  # fmt: skip
"""Metrics that are several numbers by name; those of the last five differ from model to model."""


def known_metrics(*, accuracy: bool) -> dict[str, Any]:
    """Nested names of all metrics, as expressions see them; values say only if one is a number."""
    flat: dict[str, Any] = dict.fromkeys((*METRICS, *DEEP), 0)
    flat |= {name: {} for name in TABLES} | dict.fromkeys(TEXTS, "")
    flat |= {f"energy_by_class_fj.{name}": 0 for name in CLASSES}
    flat |= {f"energy_by_op_fj.{name}": 0 for name in OPS}
    flat |= {f"energy_by_kind_fj.{name}": 0 for name in KINDS if name.isidentifier()}
    if accuracy:
        flat[ACCURACY] = 0
    return nested(flat)
