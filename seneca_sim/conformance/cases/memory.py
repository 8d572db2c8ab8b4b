"""Weights in off-core memory (S18). A column of 8 neurons has 128 bit."""

from typing import Any

from seneca_sim.chip import Chip
from seneca_sim.chip.spec import MemorySpec
from seneca_sim.conformance.build import Builder, stream_of
from seneca_sim.conformance.programs import chip, single
from seneca_sim.conformance.scenario import Run, scenario
from seneca_sim.program import HOST_STAGE, Program


def _chip(columns: int = 1, group_size: int = 16, latency: int = 10, **values: Any) -> Chip:
    """A cycle has 2,000 ps."""
    fixed = {"kind": "hbm", "channel_bits": 32, "burst_bits": 128, "cores_per_channel": 4}
    spec = MemorySpec(**{"latency_ps": 2_000 * latency, **fixed, **values})
    return chip(columns, group_size=group_size, memory=spec)


@scenario("S16", "S18")
def starved_by_a_fetch() -> Run:
    """Two events in a group: 256 bit, 8 cycles on the channel, 10 of latency.

    3 flits, there in 4, the group pushed in 4 + 46 = 50, the stage in 56. Fetch 50 .. 58 .. 68. The
    NPEs wait 50 .. 68, group 68 .. 74, stage .. 80. 256 / 16 words are written.
    """
    c = _chip()
    return Run(c, single(c, shared=True), stream_of(2, 0, 0), {
        "stage_done": [[80]],
        "npe_starved": [18],
        "channel_busy": [8],
        "channel_bits": [256],
        "fifo_peak": [2],
        "item_ops": {0: {
            "npe.mld": 2, "ctrl.instruction": 46, "ctrl.memory": 2,
            "mem.hbm_bit": 256, "dm.write_word": 16,
        }},
    })  # fmt: skip


@scenario("S18")
def no_latency() -> Run:
    """As `starved_by_a_fetch` with latency 0.

    There in ARRIVE of 58, used in START: group 58 .. 64, stage .. 70.
    """
    c = _chip(latency=0)
    return Run(c, single(c, shared=True), stream_of(2, 0, 0), {
        "stage_done": [[70]],
        "npe_starved": [8],
    })  # fmt: skip


@scenario("S18")
def whole_bursts_and_cycles() -> Run:
    """Bursts of 256 bit for columns of 128, 100 bit a cycle, 5,001 ps of latency.

    2 x 256 bit: 6 cycles (5.12 rounded up), 50 .. 56; 3 cycles of latency (2.5005), 59; group ..
    65, stage .. 71. 512 / 16 words.
    """
    c = _chip(kind="lpddr", burst_bits=256, channel_bits=100, latency_ps=5_001)
    return Run(c, single(c, shared=True), stream_of(2, 0, 0), {
        "stage_done": [[71]],
        "npe_starved": [9],
        "channel_busy": [6],
        "channel_bits": [512],
        "item_ops": {0: {
            "npe.mld": 2, "ctrl.instruction": 46, "ctrl.memory": 2,
            "mem.lpddr_bit": 512, "dm.write_word": 32,
        }},
    })  # fmt: skip


@scenario("S11", "S18")
def overlap_hides_the_fetch() -> Run:
    """Groups of 1 over 40 rows, a column of 5,120 bit in 10 cycles, latency 5.

    There in 4; pushed in 40 and 56, the stage in 62. Fetches 40 .. 50 .. 55 and 56 .. 66 .. 71,
    while the first group runs, 55 .. 99. The second 99 .. 143, stage .. 149. Only the first
    starves, 15.
    """
    c = _chip(group_size=1, latency=5, channel_bits=512)
    return Run(c, single(c, 320, shared=True), stream_of(2, 0, 0), {
        "stage_done": [[149]],
        "npe_starved": [15],
        "channel_busy": [20],
        "channel_bits": [10_240],
    })  # fmt: skip


@scenario("S18")
def prefetch_of_one() -> Run:
    """As `overlap_hides_the_fetch`, but the second fetch is asked for when the first task is done.

    99 .. 109 .. 114: the NPEs starve 15 more; group 114 .. 158, stage .. 164; answer 165 .. 185,
    credit .. 205. Active but in 99 .. 114.
    """
    c = _chip(group_size=1, latency=5, channel_bits=512, prefetch=1)
    return Run(c, single(c, 320, shared=True), stream_of(2, 0, 0), {
        "stage_done": [[164]],
        "npe_starved": [30],
        "core_active": [(99 - 4) + (205 - 114)],
    })  # fmt: skip


def _both(c: Chip) -> Program:
    """Route 0: host -> weights in shared memory of cores 0 and 1; 1: core 0's answer."""
    b = Builder(c)
    x, y = b.site("x"), b.site("y")
    stages = [b.stage(core, [b.weighted(core, x, shared=True)]) for core in (0, 1)]
    b.stored(b.host, y)
    b.route(x, HOST_STAGE, [0, 1])
    b.route(y, stages[0], [b.host])
    return b.build()


@scenario("S18")
def two_cores_on_one_channel() -> Run:
    """Groups of 1, 128 bit in 32 cycles, latency 10, prefetch 3: three fetches of each core.

    4 flits, there in 5 and 7; pushed in 41, 57, 73 (stage 79) and 43, 59, 75 (81). Channel: core 0
    in 41; in 73 both ask, the pointer is behind core 0: core 1 73, core 0 105, core 1 137, core 0
    169, core 1 201 .. 233. Weights there in 83, 147, 211 and 115, 179, 243. A group takes 5: core 0
    starves 41 .. 83, 88 .. 147, 152 .. 211; core 1 43 .. 115, 120 .. 179, 184 .. 243. Stages ..
    222, .. 254.
    """
    c = _chip(2, group_size=1, channel_bits=4, prefetch=3)
    return Run(c, _both(c), stream_of(3, 0), {
        "stage_done": [[222], [254]],
        "npe_starved": [42 + 59 + 59, 72 + 59 + 59],
        "channel_busy": [192],
        "channel_bits": [768],
        "fifo_peak": [4, 4],
    })  # fmt: skip


@scenario("S18")
def two_channels() -> Run:
    """As `two_cores_on_one_channel`, one channel for each core: they do not meet.

    Core 0: 41 .. 73 .. 105 .. 137: there in 83, 115, 147. Starves 42, 88 .. 115, 120 .. 147. Stage
    152 .. 158. Core 1 the same, 2 later.
    """
    c = _chip(2, group_size=1, channel_bits=4, prefetch=3, cores_per_channel=1)
    return Run(c, _both(c), stream_of(3, 0), {
        "stage_done": [[158], [160]],
        "npe_starved": [42 + 27 + 27, 42 + 27 + 27],
        "channel_busy": [96, 96],
    })  # fmt: skip
