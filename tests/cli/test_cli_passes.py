"""`mapping.passes` and `mapping.reload` on the command line: compile, check, run."""

import json
from pathlib import Path

import pytest
from cli_tools import Call

SMALL = (
    "--set", "workload.tokens=2", "--set", "workload.context=3", "--chip", "seneca-8x8-hbm",
    "--set", "columns=2", "--set", "rows=1", "--set", "core.data_memory_bits=262144 b",
)  # fmt: skip
PASSES = (*SMALL, "--set", "mapping.passes=2")


def test_compile_says_where_the_model_is_cut(call: Call, tiny: Path) -> None:
    done = call("compile", tiny, *PASSES)
    assert done.code == 0, done.err
    (line,) = (line for line in done.out.splitlines() if line.startswith("passes"))
    assert line.startswith("passes   2: layers 0-0, 1-2; a turn loads ")
    assert line.endswith("before each pass")
    facts = json.loads(call("compile", tiny, *PASSES, "--json").out)
    assert sum(facts["passes"]["load_cycles"]) / 500e6 == facts["passes"]["load_s"]


def test_values_of_passes_are_checked(call: Call, tiny: Path, text: Path) -> None:
    done = call("check", tiny, "--text", text, *PASSES, "--set", "mapping.batch=2")
    assert done.code == 0, done.out
    assert "vectors agree" in done.out


def test_the_smallest_chip_for_so_many_passes(call: Call, tiny: Path) -> None:
    """Each number of passes has its mesh; it says how many cores, and takes no more."""
    sizes = {}
    hbm = ("--chip", "seneca-8x8-hbm", "--set", "core.data_memory_bits=262144 b", "--smallest")
    for count in ("off", "1", "2", "3"):
        passes = ("--set", f"mapping.passes={count}", "--json")
        done = call("compile", tiny, *hbm, *passes)
        assert done.code == 0, done.err
        facts = json.loads(done.out)
        sizes[count] = facts["cores"]
        cut = facts.get("passes", {"layers": ["all"]})["layers"]
        assert len(cut) == (1 if count == "off" else int(count))
    assert sizes["off"] == sizes["1"] > sizes["2"] >= sizes["3"]
    done = call("compile", tiny, *hbm, "--set", "mapping.passes=auto")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "say how many, as in mapping.passes=4" in done.err


def test_rwkv7_is_refused_with_what_to_do(call: Call) -> None:
    hbm = ("--chip", "seneca-8x8-hbm", "--set", "mapping.passes=4")
    done = call("compile", "rwkv7-0.1b", *hbm)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "rwkv7-0.1b cannot run in passes: between them the host keeps the residual" in done.err
    assert "but blocks.0 also sends blocks.1.att.first; leave mapping.passes out" in done.err


@pytest.mark.nightly
def test_run_tells_what_reloading_costs(call: Call, tiny: Path, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = call("run", tiny, "--text", text, *PASSES, "--no-accuracy", "--out", out)
    assert done.code == 0, done.err
    assert "reloaded a token, before each pass, nothing overlaps" in done.out
    last = json.loads((out / "summary.json").read_text())["variants"][-1]
    found = last["passes"]
    assert (found["count"], found["turns"], found["ahead"]) == (2, 2, False)
    assert found["wait_s_per_token"] == pytest.approx(found["load_s_per_token"])
    assert last["latency_per_token_s"]["mean"] > found["load_s_per_token"]
    assert 0 < found["load_j_per_token"] < last["energy_per_token_j"]["mean"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("mapping.passes=few",), "--set mapping.passes=few: expected a whole number"),
        (("mapping.passes=9",), "mapping.passes is 9;"),
        (("mapping.reload=never",), "--set mapping.reload=never: expected before or ahead"),
        (("mapping.passes=2", "memory.kind=none"), "has no off-core memory to load weights from"),
        (("mapping.passes=0",), "--set mapping.passes=0: expected off, auto or a number from 1 on"),
        (("mapping.passes=2", "mapping.weights=shared"), "come event by event, so no pass has any"),
    ],
)
def test_what_is_refused(call: Call, tiny: Path, settings: tuple[str, ...], message: str) -> None:
    sets = [word for text in settings for word in ("--set", text)]
    done = call("compile", tiny, *SMALL, *sets)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
