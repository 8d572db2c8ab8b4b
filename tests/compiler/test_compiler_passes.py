"""A chip smaller than the model: passes as one program, their loads, times and energies."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from builders import make_chip
from test_compiler_strategies import case

from seneca_sim.chip import Chip
from seneca_sim.chip.load import load_chip
from seneca_sim.cost.energy import load_energy
from seneca_sim.cost.ops import OP_INDEX
from seneca_sim.engine import compiled, reference
from seneca_sim.engine.activity import Activity
from seneca_sim.engine.passes import simulate_passes
from seneca_sim.errors import CapacityError, InputError
from seneca_sim.program import EventStream, Program
from seneca_sim.program.file import parse_program, program_text
from seneca_sim.program.passes import joined, load_of, parts_of
from seneca_sim.program.verify import verify
from seneca_sim.results import price_run
from seneca_sim.results.checks import check_activity
from seneca_sim.results.ids import content_hash
from workloads.compiler import MapSettings, event_stream, lower, rwkv4_graph
from workloads.compiler.choose import mesh_of
from workloads.compiler.passes import compile_passes, cuts, fewest_cores, in_passes

TOKENS = 5


def small_chip(memory: int = 200_000) -> Chip:
    """One channel for all 12 cores: 32 bits a cycle, 135 ns (68 cycles)."""
    chip = make_chip(4, 3, data_memory_bits=memory)
    return replace(chip, memory=replace(chip.memory, kind="hbm"))


@cache
def passes(batch: int = 1, *, ahead: bool = False) -> tuple[Chip, Program, EventStream]:
    chip = small_chip(440_000 if ahead else 230_000)
    graph = rwkv4_graph("r", case().trace.shape)
    how = MapSettings(strategy="grouped", batch=batch)
    program = compile_passes(graph, chip, how, 2 if ahead else 0, ahead=ahead)
    stream = event_stream(program, case().trace)
    times = -(-TOKENS // stream.tokens)
    return chip, program, EventStream(np.tile(stream.counts, times)[:, :TOKENS])


@cache
def run(batch: int = 1, mode: str = "generation", *, ahead: bool = False) -> Activity:
    return simulate_passes(compiled.simulate, *passes(batch, ahead=ahead), mode=mode)  # type: ignore[arg-type]


def alone(batch: int, mode: str, *, ahead: bool = False) -> list[list[tuple[int, int]]]:
    """By turn and pass: (cycles of loading, cycles of running by itself on an empty chip)."""
    chip, program, stream = passes(batch, ahead=ahead)
    turn, found = (batch if mode == "generation" else TOKENS), []
    for low in range(0, TOKENS, turn):
        row, steps = 0, []
        for part in parts_of(program):
            counts = stream.counts[row : row + len(part.routes), low : low + turn]
            took = reference.simulate(
                chip, part, EventStream(np.ascontiguousarray(counts)), mode="pipelined"
            ).cycles
            held = sum(r.bits for r in part.regions if r.name.startswith("weight:"))
            load = load_of(part, chip)
            assert held < load.bits < 1.2 * held
            assert load.cycles == -(-load.bits // 32) + 68
            steps.append((load.cycles, took))
            row += len(part.routes)
        found.append(steps)
    return found


def test_parts_come_back() -> None:
    """What was joined falls apart into the same programs, and a file keeps it."""
    chip, program, _ = passes()
    graph = rwkv4_graph("r", case().trace.shape)
    made = [p.program for p in in_passes(graph, chip, MapSettings(strategy="grouped"))]
    parts = parts_of(program)
    assert len(parts) == len(made) == 2
    assert replace(parts[0], mapping=made[0].mapping) == made[0]
    assert [s.layer for s in parts[1].stages] == [s.layer + 1 for s in made[1].stages]
    assert joined([made[0]]).stages == made[0].stages
    assert parse_program(program_text(program)) == program
    assert content_hash(program) != content_hash(replace(program, ahead=True))
    verify(program, chip)
    with pytest.raises(InputError, match="passes do not have all of its stages"):
        verify(replace(program, passes=program.passes[:1]), chip)


@pytest.mark.parametrize(
    ("batch", "mode"), [(1, "generation"), (2, "generation"), (1, "pipelined")]
)
def test_time_is_loading_and_running_in_turn(batch: int, mode: str) -> None:
    """Closed form: loads and runs of all passes and turns, one after another."""
    steps, found = alone(batch, mode), run(batch, mode)
    assert found.cycles == sum(load + took for turn in steps for load, took in turn)
    assert found.loading == sum(load for turn in steps for load, _ in turn)
    starts = np.cumsum([0, *(sum(map(sum, turn)) for turn in steps)])[:-1]
    per_turn = batch if mode == "generation" else TOKENS
    assert found.token_start.tolist() == np.repeat(starts, per_turn)[:TOKENS].tolist()
    assert (np.diff(found.token_done) > 0).all()
    assert (found.stage_done > found.token_start).all()


def test_loading_ahead_hides_behind_running() -> None:
    """Closed form: the next load begins with a run; both must be over before the next run."""
    steps = [step for turn in alone(2, "generation", ahead=True) for step in turn]
    cycles = waiting = steps[0][0]
    for (_, took), (load, _) in pairwise(steps):
        cycles += max(took, load)
        waiting += max(0, load - took)
    cycles += steps[-1][1]
    found = run(2, ahead=True)
    assert (found.cycles, found.loading) == (cycles, waiting)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_bits_that_are_loaded(batch: int, ahead: bool) -> None:
    """Closed form: every region of the checkpoint once a turn; written word by word."""
    chip, program, stream = passes(batch, ahead=ahead)
    found, turns = run(batch, ahead=ahead), -(-TOKENS // batch)
    once = sum(load_of(part, chip).bits for part in parts_of(program))
    for table in (found.item_ops, found.token_ops, found.window_ops):
        assert table.sum(axis=0)[OP_INDEX["mem.hbm_bit"]] == turns * once
    assert found.item_load_bits is not None
    assert found.item_load_bits.sum() == turns * once == found.channel_bits.sum()
    whole = lower(rwkv4_graph("r", case().trace.shape), make_chip(12, 12))
    plain = compiled.simulate(make_chip(12, 12), whole, event_stream(whole, case().trace))
    assert plain.item_load_bits is None
    check_activity(chip, program, stream, found)
    first, rest = np.divmod(once, batch)
    of_token = found.token_ops[:2, OP_INDEX["mem.hbm_bit"]]
    assert set(of_token.tolist()) <= {first, first + rest}


def test_both_engines_agree_and_windows_are_those_of_time() -> None:
    chip, program, stream = passes(2)
    how = {"mode": "generation", "window_cycles": 777}
    fast = simulate_passes(compiled.simulate, chip, program, stream, **how)  # type: ignore[arg-type]
    slow = simulate_passes(reference.simulate, chip, program, stream, **how)  # type: ignore[arg-type]
    assert fast == slow
    assert len(fast.window_ops) == -(-fast.cycles // 777)
    bits = fast.window_ops[:, OP_INDEX["mem.hbm_bit"]]
    assert bits.max() <= 777 * 32  # no more than the channel brings


def test_energy_of_reloading() -> None:
    """Bits and words times the table, to the femtojoule, under a kind of its own."""
    loaded = load_chip("seneca-8x8-hbm", {"columns": "4", "rows": "3"})
    loaded = replace(loaded, chip=replace(loaded.chip, core=small_chip(230_000).core))
    table, (_, program, stream) = load_energy(), passes()
    activity = simulate_passes(compiled.simulate, loaded.chip, program, stream)
    result = price_run(loaded, table, program, stream, activity, label="natural", mode="generation")
    bits = int(activity.item_load_bits.sum())  # type: ignore[union-attr]
    row = {op: table.row(op, loaded.chip).total for op in ("mem.hbm_bit", "dm.write_word")}
    expected = bits * row["mem.hbm_bit"] + bits // 16 * row["dm.write_word"]
    assert abs(result.by_kind["reloading"] - expected) <= len(result.book.terms)
    assert result.bottleneck.unit == "loading"
    assert sum(result.tokens.energy_fj) == result.energy_fj


def test_what_fits_is_not_cut() -> None:
    chip = replace(make_chip(12, 12), memory=small_chip().memory)
    graph = rwkv4_graph("r", case().trace.shape)
    assert compile_passes(graph, chip, MapSettings()) == lower(graph, chip)
    three = compile_passes(graph, chip, MapSettings(), 3)
    assert dict(three.mapping)["passes"].split() == ["0-0", "1-1", "2-2"]


def test_what_is_refused() -> None:
    graph, (chip, program, stream) = rwkv4_graph("r", case().trace.shape), passes()
    with pytest.raises(InputError, match=r"mapping\.passes is 4; r has 3 layers to share"):
        in_passes(graph, chip, MapSettings(), 4)
    with pytest.raises(CapacityError, match=r"in 1 passes; raise mapping\.passes"):
        in_passes(graph, chip, MapSettings(), 1)
    with pytest.raises(CapacityError, match=r"layer \d of 3 alone takes \d+ cores"):
        in_passes(graph, replace(chip, columns=2, rows=1), MapSettings())
    with pytest.raises(InputError, match="runs in 2 passes, and an engine runs one at a time"):
        compiled.simulate(chip, program, stream)


def test_bounds_of_level_pieces_by_hand() -> None:
    """The last layer weighs as much as two others: it is not put with as many as they are."""
    graph = rwkv4_graph("r", {"layers": 5, "width": 32, "ffn": 128, "vocab": 2000})
    weights = [sum(m.rows * m.columns for m in layer.matrices) for layer in graph.layers]
    # W_k, W_r, W_v, W_o and W_r' are 32 x 32, the FFN's other two 32 x 128, the head 2000 x 32.
    assert weights == [5 * 32 * 32 + 2 * 32 * 128] * 5 + [2000 * 32]
    assert cuts(graph, 1) == [(0, 6)]
    assert cuts(graph, 2) == [(0, 3, 6), (0, 5, 6)]  # 5 blocks 66,560, the head 64,000
    assert cuts(graph, 3) == [(0, 2, 4, 6), (0, 2, 5, 6)]
    assert cuts(graph, 6) == [(0, 1, 2, 3, 4, 5, 6)]


@pytest.mark.parametrize("ahead", [False, True])
def test_the_fewest_cores_for_so_many_passes(ahead: bool) -> None:
    """That mesh holds them, one with a row less does not; more passes take no more cores."""
    chip, graph = small_chip(400_000), rwkv4_graph("r", case().trace.shape)
    how = MapSettings(strategy="grouped", fewest=True)
    found = []
    for count in (1, 2, 3):
        cores = fewest_cores(graph, chip, how, count, ahead=ahead)
        columns, rows = mesh_of(cores)
        assert columns * rows == cores
        fitted = in_passes(
            graph, replace(chip, columns=columns, rows=rows), how, count, ahead=ahead
        )
        used = [{c.core for c in p.program.consumers if c.core < cores} for p in fitted]
        assert max(map(len, used)) > cores - columns  # the mesh's last row or column is needed
        with pytest.raises(CapacityError):
            in_passes(
                graph, replace(chip, columns=cores - columns, rows=1), how, count, ahead=ahead
            )
        found.append(cores)
    assert found == sorted(found, reverse=True)
    assert ahead or found[2] < found[0]  # half of each memory is for the next pass


def test_states_of_all_passes_fit_beside_each_other() -> None:
    """On every core, what a pass holds and the most states of each other pass."""
    chip, program, _ = passes()
    parts = parts_of(program)
    states, held = [], []
    for part in parts:
        kept, used = (np.zeros(chip.cores, np.int64) for _ in range(2))
        for region in part.regions:
            used[region.core] += region.bits
            if region.name in ("att.prev", "ffn.prev", "aa", "bb", "pp"):
                kept[region.core] += region.bits
        states.append(kept)
        held.append(used)
    for number in range(len(parts)):
        others = sum(kept.max() for i, kept in enumerate(states) if i != number)
        assert held[number].max() + others <= chip.core.data_memory_bits
