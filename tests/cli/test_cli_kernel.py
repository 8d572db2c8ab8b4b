"""`kernel`: what a stranger reads about a micro-kernel, and the same for machines."""

import json

import pytest
from cli_tools import Call

from seneca_sim.cost.kernel import kernel_names, load_kernel


def test_the_list_has_every_kernel_with_its_cycles(call: Call) -> None:
    done = call("kernel", "list")
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert set(kernel_names()) <= set(lines)
    assert "G + R (2 + 3 G)" in lines["event_bf16"]
    assert "29 + 6 R" in lines["ln_stats"]
    report = json.loads(call("kernel", "list", "--json", "--npes", 16).out)
    assert report["schema"] == "seneca-kernels/1"
    assert [k["name"] for k in report["kernels"]] == list(kernel_names())
    by_name = {k["name"]: k for k in report["kernels"]}
    assert by_name["ln_stats"]["cycles"]["e0"] == 8 + 2 * 3 * 4


def test_event_bf16_is_shown_whole(call: Call) -> None:
    """Four rows, two events; every number by hand.

    A row: 3 loads, 2 MUL, 2 ADD, 1 store: 3 x 29.6 + 4 x 11.3 + 31.2 = 165.2 pJ; 16 SOps.
    """
    done = call("kernel", "show", "event_bf16", "--rows", 4, "--g", 2)
    assert done.code == 0
    assert done.out.splitlines() == [
        "event_bf16: G grouped graded events, BF16 weights; the accumulator is loaded and stored "
        "once per group.",
        "A task over 4 rows on 8 NPEs: 32 values, a group of 2 events.",
        "",
        "mark        derived: Tang et al. 2023 table 8; grouping of Xu et al. 2024; 6.98 pJ per "
        "operation at G = 16",
        "memory      acc[row]  weight[g, row]  value[g]",
        "registers   4 of 64 (2 and one for each event; at most 62 events)",
        "",
        "entry line  program                                   issued",
        "            prologue:                                   once, 2 cycles",
        "        10    repeat G:",
        "    0   11      MLD v[g], value[g]                         2",
        "            row:                                     4 times, 32 cycles",
        "    0   13    MLD acc, acc                                 4",
        "        14    repeat G:",
        "    1   15      MLD w, weight[g]                           8",
        "    2   16      MUL w, w, v[g]                             8",
        "    3   17      ADD acc, acc, w                            8",
        "    4   18    MST acc, acc                                 4",
        "",
        "cycles      34 = G + R (2 + 3 G)",
        "ops         8 npe.add, 8 npe.mul, 14 npe.mld, 4 npe.mst",
        "energy      720 pJ a task (seneca-gf22)",
        "            165 pJ a row of 8 values",
        "            238 pJ an event, over all rows",
        "            10.3 pJ a synaptic operation, 11.2 pJ with what the task does once "
        "(64 of them)",
        "            not in it: set-up of the task, controller, leakage",
    ]


def test_the_published_figure_is_there(call: Call) -> None:
    report = json.loads(call("kernel", "show", "event_binary_int4", "--json").out)
    assert report["schema"] == "seneca-kernel/1"
    assert report["g"] == 16
    assert report["synaptic_operations"] == 16 * 16 * 4 * 8
    # 5 x 29.6 + ... as of table 8: 2.8 published, rounded there
    assert report["energy_fj"]["synaptic_operation"] == pytest.approx(2800, rel=0.01)
    explicit = json.loads(call("kernel", "show", "event_binary_int4_explicit", "--json").out)
    assert explicit["energy_fj"]["synaptic_operation"] == pytest.approx(5100, rel=0.01)


@pytest.mark.parametrize("name", kernel_names())
def test_what_is_shown_adds_up(call: Call, name: str) -> None:
    report = json.loads(call("kernel", "show", name, "--rows", 3, "--npes", 4, "--json").out)
    kernel = load_kernel(name, 4)
    cost = kernel.cost(3, report["g"])
    assert report["cycles"] == cost.cycles == sum(s["cycles"] for s in report["sections"])
    assert sum(report["ops"].values()) == cost.cycles
    for section in report["sections"]:
        issued = [line["times"] for line in section["program"] if line["address"] is not None]
        assert len(issued) == section["entries"] <= 128
        assert [x["address"] for x in section["program"] if x["address"] is not None] == list(
            range(len(issued))
        )
    energy = report["energy_fj"]
    assert energy["task"] > 0
    assert (energy["event"] is None) == (report["g"] == 0)
    assert (energy["synaptic_operation"] is None) == (not name.startswith("event_"))


def test_every_kernel_is_readable(call: Call) -> None:
    for name in kernel_names():
        done = call("kernel", "show", name, "--rows", 1)
        assert done.code == 0
        assert "cycles " in done.out
        assert "1 rows" not in done.out
    shown = call("kernel", "show", "exp").out
    assert "error       0.61 % at most in -20 .. 20" in shown
    assert "$4340 192" in shown
    assert "not in it: evg.event" not in shown
    assert "not in it: evg.event" in call("kernel", "show", "lif").out


def test_any_number_of_lanes(call: Call) -> None:
    """A load on 16 lanes: 16 x 3.5 + 1.6 = 57.6 pJ, and a store 16 x 3.7 + 1.6 = 60.8."""
    wide = json.loads(call("kernel", "show", "bias_reset", "--npes", 16, "--json").out)
    assert wide["energy_fj"]["row"] == 57600 + 60800
    assert call("kernel", "show", "bias_reset", "--npes", 1).code == 0


def test_another_energy_table(call: Call, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.yaml"
    path.write_text(
        "schema: seneca-energy/1\nextends: seneca-gf22\nname: mine\nops:\n"
        "  npe.mld: {parts: {npe: 0 pJ, memory: 0 pJ, loop_buffer: 0 pJ}, mark: assumed, "
        'source: "x"}\n'
    )
    free = json.loads(call("kernel", "show", "send_dense", "--energy", path, "--json").out)
    full = json.loads(call("kernel", "show", "send_dense", "--json").out)
    assert full["energy_fj"]["row"] - free["energy_fj"]["row"] == 29600


def test_bad_input(call: Call) -> None:
    for arguments, words in (
        (("show", "wkw"), "no kernel 'wkw'"),
        (("show", "exp", "--g", 4), "kernel exp works on no events; leave the group out"),
        (("show", "event_bf16", "--g", 63), "use a group of at most 62"),
        (("show", "exp", "--npes", 6), "6 NPEs; expected a power of two"),
        (("show", "ln_stats", "--rows", 65), "65 rows of 8 lanes, but a lane may add up 64 terms"),
        (("show", "exp", "--rows", -1), "-1 is not in the range x>=1"),
        (("show", "event_bf16", "--rows", 0), "0 is not in the range x>=1"),
    ):
        done = call("kernel", *arguments)
        assert (done.code, words in done.err) == (2, True), done
        assert len(done.err.splitlines()) == 1
