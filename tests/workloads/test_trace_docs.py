"""The writer printed in docs/traces.md is run as it stands there."""

import re
from pathlib import Path

import numpy as np

from workloads.traces import read_trace, site_widths

PAGE = Path(__file__).parents[2] / "docs" / "traces.md"
SHAPE = {"family": "rwkv4", "layers": 2, "width": 6, "ffn": 9, "vocab": 50}


def test_the_writer_of_the_page(tmp_path, monkeypatch):
    (code,) = re.findall(r"<!-- test: the writer -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    rng = np.random.default_rng(0)
    activations = {}
    for site, width in site_widths(SHAPE).items():
        if site.startswith("blocks"):
            y = rng.standard_normal((4, width)).astype(np.float32)
            activations[site] = np.where(abs(y) > 0.5, y, 0)
    monkeypatch.chdir(tmp_path)
    exec(code, {"tokens": [1, 2, 3, 49], "activations": activations, "shape": SHAPE})
    trace = read_trace("mine.trace")
    assert trace.shape == SHAPE
    assert trace.tokens.tolist() == [1, 2, 3, 49]
    for site, y in activations.items():
        np.testing.assert_array_equal(trace.sites[site].filled(), y)
    assert len(code.strip().splitlines()) <= 12
