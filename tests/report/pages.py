"""Pages for the tests: a small run, with names that try to be markup, and a study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from seneca_sim.report.page import Points
from seneca_sim.results import RunResult
from seneca_sim.results.folder import write_run

EVIL = "</script><img src=x onerror=alert(1)>&amp;\u2028'\""


def run_folder(path: Path, results: tuple[RunResult, ...]) -> Path:
    """A run folder whose name, inputs and warnings are not to be trusted."""
    resolved = {"schema": "seneca-run/1", "workload": {"name": EVIL}}
    write_run(path, results, resolved, {"warnings": [EVIL], "bits_per_byte": {}})
    return path


def data_of(page: str) -> dict[str, Any]:
    """What a browser finds in the page's data element."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def study(points: int = 60) -> Points:
    """A study with a known front: y falls as x rises, and odd points are worse in both."""
    rows = [
        {
            "run_id": f"{n:064x}",
            "status": "ok",
            "core.npes": [4, 8, 16][n % 3],
            "weights.bits": ["bf16", "int4", EVIL][n % 3],
            "core.data_memory_bits": ["4 Mib", "512 Kib"][n % 2],
            "energy_per_token_j": (10 + n) * 1e-6 * (2 if n % 2 else 1),
            "latency_per_token_s": (500 - n / 20) * 1e-6 * (2 if n % 2 else 1),
            "cycles": 1000 + n,
            "error": "",
        }
        for n in range(points)
    ]
    failed = {"run_id": "f", "status": "failed", "core.npes": 32, "error": f"does not fit {EVIL}"}
    return Points(
        "a-study", [*rows, failed], ["core.npes", "weights.bits", "core.data_memory_bits"]
    )
