from dataclasses import replace

import numpy as np
from tiny_run import LOADED, TABLE, TINY_STREAM, broken, tiny, tiny_activity, tiny_program

from seneca_sim.chip.load import load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.program import EventStream
from seneca_sim.results.ids import activity_id, content_hash, group_id, run_id

CHIP = LOADED.chip


def asked(**changes: object) -> str:
    arguments = {
        "chip": CHIP,
        "program": tiny_program(),
        "stream": TINY_STREAM,
        "mode": "generation",
        "window_cycles": 5000,
    }
    return activity_id(**(arguments | changes))  # type: ignore[arg-type]


def test_ids_do_not_depend_on_engine_or_label() -> None:
    other = tiny(activity=broken(engine="compiled", wakeups=1), label="another")
    assert other.activity_id == tiny().activity_id
    assert other.run_id == tiny().run_id


def test_activity_id_hangs_on_all_that_moves_a_cycle() -> None:
    slow = replace(CHIP, noc=replace(CHIP.noc, hop_cycles=3))
    stream = EventStream(np.array([[8, 8], [3, 1], [8, 8]], np.int64))
    program = replace(tiny_program(), shape=(("width", 8),))
    ids = {
        asked(),
        asked(chip=slow),
        asked(stream=stream),
        asked(mode="pipelined"),
        asked(window_cycles=100),
        asked(program=program),
    }
    assert len(ids) == 6


def test_activity_id_does_not_hang_on_names_clock_or_leaking_bits() -> None:
    core = replace(CHIP.core, instruction_memory_bits=1)
    assert asked(chip=replace(CHIP, name="x", clock_hz=1, core=core)) == asked()


def test_run_id_hangs_on_the_price() -> None:
    clocked = load_chip("seneca-8x8", {"columns": "2", "rows": "1", "clock_hz": "200 MHz"})
    dear = load_energy("seneca-gf22", {"noc.flit_hop.noc": "4 pJ"})
    one = asked()
    ids = {run_id(one, LOADED, TABLE), run_id(one, clocked, TABLE), run_id(one, LOADED, dear)}
    assert len(ids) == 3
    assert run_id(one, LOADED, replace(TABLE, name="renamed", sha256="")) in ids


def test_content_hash_is_that_of_the_content() -> None:
    assert content_hash(tiny_program()) == content_hash(tiny_program())
    assert content_hash(replace(tiny_program(), cores=3)) != content_hash(tiny_program())
    assert tiny_activity().engine == "reference"


def test_a_group_is_named_by_its_members_in_order() -> None:
    pair = [("dense", "1"), ("natural", "2")]
    assert group_id(pair) != group_id(pair[::-1])
