"""`compile` on shapes: smallest chips, strategies, and settings that do not go together."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

from seneca_sim.program.file import read_program

INT4 = ("--set", "weights.bits=int4")


def test_the_smallest_chip(call: Call, tmp_path: Path) -> None:
    """14 x 14 cores for 169M without its head; head, precision and traffic are stated."""
    where = tmp_path / "p.json"
    done = call("compile", "rwkv4-169m", "--smallest", *INT4, "--set", "mapping.head=out",
                "--variant", "sparsified", "--json", "-o", where)  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["cores"], told["cores_used"]) == (196, 194)
    assert told["mapping"]["head"] == "out"
    assert told["mapping"]["weights"] == "int4"
    assert told["mapping"]["groups"] == "residual 8, attention 4, key 16"
    assert told["report"]["flit_hops"] > told["report"]["flits"] > 0
    assert dict(read_program(where).mapping) == told["mapping"]


def test_densities_lower_the_traffic(call: Call) -> None:
    def flits(variant: str) -> float:
        done = call("compile", "rwkv4-169m", "--smallest", *INT4, "--variant", variant, "--json")
        return float(json.loads(done.out)["report"]["flits"])

    assert flits("sparsified") < flits("dense")


def test_text(call: Call) -> None:
    done = call("compile", "rwkv4-169m", "--smallest", *INT4, "--set", "mapping.strategy=tiles-2d")
    assert done.code == 0
    assert "tiles-2d, int4 weights, head in" in done.out
    assert "flit-hops a token, expected:" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "mapping.fit=small"), ("mapping.fit=small", "chip or smallest")),
        (("--smallest",), ("mapping.fit=smallest", "leave columns and rows out")),
        (("--set", "mapping.balance=luck"), ("mapping.balance=luck", "size or events")),
        (("--set", "mapping.file=none.yaml"), ("none.yaml",)),
        (("--set", "mapping.strategy=random"), ("mapping.strategy", "tiles-2d")),
        (("--set", "mapping.cores.keys=3"), ("mapping.cores.keys", "did you mean 'key'?")),
        (("--set", "mapping.cores.key=x"), ("mapping.cores.key=x", "whole number")),
        (("--set", "weights.bits=int3"), ("int3", "bf16, int8, int4")),
    ],
)
def test_refused(call: Call, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = call("compile", "rwkv4-169m", "--set", "columns=60", "--set", "rows=60", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    for word in words:
        assert word in done.err


def test_no_chip_is_large_enough(call: Call) -> None:
    """14B at BF16 in one line, with or without a mesh: more cores than a chip may have."""
    for arguments in (("--smallest",), ("--set", "columns=60", "--set", "rows=60")):
        done = call("compile", "rwkv4-14b", "--set", "mapping.head=out", *arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err.count("\n") == 1
        assert "104,000 cores of 2,097,152, and a chip has 65,536 at most" in done.err
        assert "weights.bits" in done.err
