"""The examples of docs/functional.md run."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "functional.md"


def test_the_examples_run(case, capsys):
    text = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"<!-- test -->\n```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 5
    names = {
        "program": case.program,
        "trace": case.trace,
        "weights": case.weights,
        "thresholds": case.trace.thresholds,
        "no_past": np.full((2, 24), -1e30, np.float32),
        "rows": case.weights["emb.weight"][case.trace.tokens],
    }
    for example in examples:
        exec(example, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("85 vectors agree")
    assert lines[11:] == ["int8 (17,)", "(17,)"]
