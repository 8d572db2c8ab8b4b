"""Every rule of docs/semantics.md is cited by a test."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def cited(text: str) -> set[str]:
    """S3 and S5-S8 as single numbers."""
    found = set()
    for first, last in re.findall(r"\bS(\d+)(?:-S(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return {f"S{n}" for n in found}


def test_every_rule_is_cited() -> None:
    rules = set(
        re.findall(r"^\*\*(S\d+)\.", (HERE.parents[1] / "docs/semantics.md").read_text(), re.M)
    )
    assert len(rules) >= 16
    tests = [p.read_text() for p in HERE.glob("test_*.py") if p.name != Path(__file__).name]
    assert rules - cited("\n".join(tests)) == set()
