"""`timeline`: from a workload, from a finished run, and what it refuses."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from cli_tools import Call

pytest.importorskip("perfetto")
sys.path.append(str(Path(__file__).parents[1] / "timeline"))
from decoded import decode


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded trace of a small model: no torch is needed to replay it."""
    from workloads.traces import write_trace
    from workloads.traces.synthesise import synthesise

    sites = ("att.key", "att.rec", "att.val", "att.out", "ffn.rec", "ffn.key", "ffn.val")
    shape = {"family": "rwkv4", "layers": 1, "width": 32, "ffn": 128, "vocab": 40}
    made = synthesise(shape, dict.fromkeys(sites, 0.5), tokens=3, seed=1)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("trace") / "small.npz"
    write_trace(path, made)
    return path


def test_a_trace_as_a_timeline_with_its_packets(call: Call, trace: Path) -> None:
    done = call(
        "timeline", "--trace", trace, "--chip", "seneca-4x4", "-o", "t.pftrace",
        "--set", "mapping.strategy=output-split",  # on all cores, whatever the choice would be
        "--packets", "p.csv", "--json",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    size = json.loads(done.out)
    shown = decode(Path("t.pftrace").read_bytes())
    assert len(shown.slices) == size["slices"] > 1000
    assert size["packet_rows"] == size["arrows"] == len(Path("p.csv").read_text().splitlines()) - 1


def test_both_engines_write_the_same_file(call: Call, trace: Path) -> None:
    asked = ("timeline", "--trace", trace, "--chip", "seneca-4x4", "--from-cycle", 500)
    asked = (*asked, "--to-cycle", 3000, "--tokens", "0-1", "--cores", "0-3,7")
    for engine in ("reference", "compiled"):
        done = call(*asked, "--engine", engine, "-o", f"{engine}.pftrace")
        assert done.code == 0, done.err
        assert "Open it at https://ui.perfetto.dev" in done.out
    assert Path("reference.pftrace").read_bytes() == Path("compiled.pftrace").read_bytes()


def test_a_finished_run_again(call: Call, trace: Path) -> None:
    ran = call("run", "--trace", trace, "--chip", "seneca-4x4", "--set", "mode=pipelined",
               "--out", "here", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    cycles = json.loads(ran.out)["variants"][0]["cycles"]
    again = ("timeline", "here", "--trace", trace, "-o", "t.pftrace")
    done = call(*again, "--variant", "dense", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["cycles"] == cycles


def test_a_run_that_cannot_be_made_again_is_refused(
    call: Call, trace: Path, tmp_path: Path
) -> None:
    assert call("run", "--trace", trace, "--chip", "seneca-4x4", "--out", "here").code == 0
    (kept,) = Path("here").rglob("trace.safetensors")
    kept.unlink()
    done = call("timeline", "here", "-o", "t.pftrace")
    assert (done.code, done.out) == (2, "")
    assert "give it with --trace" in done.err
    done = call("timeline", "here", "--trace", trace, "--chip", "seneca-8x8-hbm", "-o", "t.pftrace")
    assert "leave --chip, --energy and --set out" in done.err
    other = json.loads(Path("here/summary.json").read_text())
    for variant in other["variants"]:
        variant["activity_id"] = "0"
    Path("here/summary.json").write_text(json.dumps(other))
    done = call("timeline", "here", "--trace", trace, "-o", "t.pftrace")
    assert "its events differ" in done.err
    assert not Path("t.pftrace").exists()


def test_a_run_of_a_checkpoint_that_has_moved(call: Call, tiny: Path, text: Path) -> None:
    Path("models").mkdir()
    moved = shutil.copy(tiny, "models/mine.safetensors")
    texts = shutil.copy(text, "models/mine.txt")
    short = ("--set", "workload.tokens=2", "--set", "workload.context=4", "--no-accuracy")
    ran = call(
        "run", moved, "--text", texts, "--chip", "seneca-4x4", *short, "--out", "here", "--json"
    )
    assert ran.code == 0, ran.err
    shutil.rmtree("models")
    for variant in json.loads(ran.out)["variants"]:
        asked = ("timeline", "here", "-o", "t.pftrace", "--variant", variant["label"])
        done = call(*asked, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["cycles"] == variant["cycles"]
    kept = Path("here/natural/trace.safetensors")
    kept.write_bytes(kept.read_bytes()[:-9])
    done = call("timeline", "here", "-o", "t.pftrace")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("seneca-sim: here/natural/trace.safetensors: truncated")
    kept.unlink()
    done = call("timeline", "here", "-o", "t.pftrace")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "here: cannot be made again: workload 'mine.safetensors' is neither a file" in done.err


def test_a_run_of_a_shape_file_that_has_moved(call: Call) -> None:
    Path("shape.yaml").write_text(
        "schema: seneca-shape/1\nfamily: rwkv4\nlayers: 1\nwidth: 32\nffn: 128\nvocab: 40\n"
    )
    short = ("--set", "workload.tokens=1", "--set", "mapping.balance=events")
    ran = call("run", "shape.yaml", "--chip", "seneca-4x4", *short, "--out", "here", "--json")
    assert ran.code == 0, ran.err
    Path("shape.yaml").unlink()
    done = call("timeline", "here", "-o", "t.pftrace", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["cycles"] == json.loads(ran.out)["variants"][-1]["cycles"]


def test_the_smallest_chip_that_fits(call: Call, trace: Path) -> None:
    fit = ("--trace", trace, "--set", "mapping.fit=smallest")
    ran = call("run", *fit, "--out", "here", "--json")
    assert ran.code == 0, ran.err
    for asked in (("here",), fit):
        done = call("timeline", *asked, "-o", "t.pftrace", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["cycles"] == json.loads(ran.out)["variants"][-1]["cycles"]


PASSES = (
    "--chip", "seneca-8x8-hbm", "--set", "columns=4", "--set", "rows=2",
    "--set", "mapping.passes=2",
)  # fmt: skip


def test_a_program_in_passes(call: Call, trace: Path) -> None:
    """Two loads a token on the channel's track; packets are those of `run --packets`."""
    ran = call("run", "--trace", trace, *PASSES, "--packets", "--out", "here", "--json")
    assert ran.code == 0, ran.err
    log = sorted(Path("here").rglob("packets.csv"))[-1]  # dense, natural
    done = call("timeline", "here", "-o", "t.pftrace", "--packets", "p.csv", "--json")
    assert done.code == 0, done.err
    size, shown = json.loads(done.out), decode(Path("t.pftrace").read_bytes())
    assert size["cycles"] == json.loads(ran.out)["variants"][-1]["cycles"]
    assert Path("p.csv").read_text() == log.read_text()
    assert size["packet_rows"] == size["arrows"]
    loads = shown.by_path()["off-core memory", "channel 0"]
    assert [s.name for s in loads] == ["load layers 0-0", "load layers 1-1"] * 3
    assert [s.notes["token"] for s in loads] == [0, 0, 1, 1, 2, 2]
    hops = shown.by_path()["host", "receives"]
    assert all(any(load.end <= hop.start for load in loads) for hop in hops)
    done = call("timeline", "here", "-o", "t.pftrace", "--tokens", "1", "--cores", "0")
    assert done.code == 0, done.err
    loads = decode(Path("t.pftrace").read_bytes()).by_path()["off-core memory", "channel 0"]
    assert [s.notes["token"] for s in loads] == [1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to-cycle", "5", "--from-cycle", "9"), "expected more than --from-cycle 9"),
        (("--tokens", "1,3"), "expected one token or range"),
        (("--tokens", "x"), "expected numbers and ranges"),
        (("--cores", "3-1"), "ends before it begins"),
        (("--cores", "16"), "expected cores from 0 to 15"),
        (("--variant", "sparse"), "there are"),
        (("--packets", "p.txt"), "ends in .csv or .parquet"),
        (("--packets", "no/p.csv"), "in a folder that exists"),
        (("--limit", "10"), "more than the limit of 10"),
        (("--from-cycle", "900000000"), "nothing happens in what is chosen"),
    ],
)
def test_what_is_refused(call: Call, trace: Path, options: tuple[str, ...], message: str) -> None:
    done = call(
        "timeline",
        "--trace",
        trace,
        "--chip",
        "seneca-4x4",
        "--set",
        "mapping.strategy=output-split",
        "-o",
        "t.pftrace",
        *options,
    )
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("t.pftrace").exists()
