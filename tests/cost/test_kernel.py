"""Costs of micro-kernels against counts made by hand and against published energies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seneca_sim.cost.kernel import (
    LOOP_BUFFER_ENTRIES,
    REGISTERS,
    build_kernel,
    kernel_names,
    linear_cost,
    load_kernel,
)
from seneca_sim.cost.notation import parse
from seneca_sim.cost.ops import NPE_OPS, OP_INDEX, OPS
from seneca_sim.errors import InputError

HEAD = "kernel k\nmark: assumed\nsource: none\ndoc: none\n"

# Tang et al. 2023, table 8, in pJ: each NPE, data memory per NPE, loop buffer per core.
TABLE_8 = {
    "npe.add": (1.3, 0, 0.9),
    "npe.mul": (1.3, 0, 0.9),
    "npe.i2f": (1.0, 0, 0.9),
    "npe.mld": (0.6, 2.9, 1.6),
    "npe.mst": (0.2, 3.5, 1.6),
}


def named(counts):
    return {op: count for op, count in zip(OPS, counts, strict=True) if count}


def build(body, npes=8):
    return build_kernel(parse(HEAD + body, "k.npe"), npes)


def test_ops_are_a_fixed_order():
    assert len(OPS) == len(set(OPS)) == 31
    assert OPS[0] == "npe.add"
    assert OPS[-1] == "leak.registers"
    assert OP_INDEX["noc.flit_hop"] == 23


def test_names_that_the_compiler_uses_exist():
    wanted = (
        "event_bf16 event_int8 event_int4 event_binary_int4 ln_stats ln_combine ln_apply "
        "token_shift_mix token_shift_save wkv wkv_plain residual_add relu2_fire gate_residual "
        "send_dense send_acc exp sigmoid reciprocal rsqrt"
    )
    assert set(wanted.split()) <= set(kernel_names())


def test_event_bf16_counted_by_hand():
    cost = load_kernel("event_bf16").cost(rows=4, g=16)
    assert cost.cycles == 16 + 4 * (1 + 16 * 3 + 1) == 216
    assert named(cost.counts) == {
        "npe.add": 64,
        "npe.mul": 64,
        "npe.mld": 16 + 4 * 17,
        "npe.mst": 4,
    }


@pytest.mark.parametrize(
    ("name", "coefficients"),
    [
        ("event_bf16", (0, 1, 2, 3, 0)),
        ("event_int8", (0, 1, 4, 7, 0)),
        ("event_int4", (0, 1, 8, 13, 0)),
        ("event_binary_int4", (0, 0, 8, 5, 0)),
        ("ln_apply", (2, 0, 8, 0, 0)),
        ("ln_stats", (3, 0, 6, 0, 2 * 3 * 3 + 2 + 4 + 2)),
        ("token_shift_mix", (1, 0, 9, 0, 0)),
        ("residual_add", (1, 0, 5, 0, 0)),
        ("send_dense", (0, 0, 2, 0, 0)),
    ],
)
def test_coefficients_counted_by_hand(name, coefficients):
    assert load_kernel(name).cycles == coefficients


@pytest.mark.parametrize("npes", [1, 4, 8, 16])
def test_a_tree_has_a_step_per_doubling_of_the_lanes(npes):
    steps = {1: 0, 4: 2, 8: 3, 16: 4}[npes]
    assert load_kernel("ln_stats", npes).cycles.e0 == 8 + 2 * 3 * steps


@pytest.mark.parametrize("npes", [4, 8, 16])
def test_a_block_of_lanes_runs_once_for_each(npes):
    """A row of keys: five instructions a channel; a row of values: two; six before them."""
    kernel = load_kernel("attention_append", npes)
    assert kernel.cycles == (6, 0, 5 * npes + 2, 0, 0)
    assert kernel.cost(kernel.rows_for(80)).cycles == {4: 446, 8: 426, 16: 416}[npes]


@pytest.mark.parametrize(
    ("name", "energies"),
    [
        ("event_bf16", (14.10, 8.40, 7.45, 6.975)),
        ("event_int8", (13.35, 7.65, 6.70, 6.225)),
        ("event_int4", (12.425, 6.725, 5.775, 5.30)),
        ("event_binary_int4", (9.925, 4.225, 3.275, 2.80)),
    ],
)
def test_energy_of_a_synaptic_operation_is_the_published_one(name, energies):
    """Without the event values, which are loaded once for all rows; per NPE, as published.

    Published rows are rounded to 0.1 pJ (an ADD is 1.3 + 0.9/8 = 1.4125), hence the tolerance.
    """
    kernel = load_kernel(name)
    for g, expected in zip((1, 4, 8, 16), energies, strict=True):
        counts = named([c.r0 + c.r1 * g for c in kernel.counts])
        picojoule = sum(
            count * (TABLE_8[op][0] + TABLE_8[op][1] + TABLE_8[op][2] / 8)
            for op, count in counts.items()
        )
        assert picojoule / (g * kernel.width) == pytest.approx(expected, abs=0.04)


@given(
    name=st.sampled_from(kernel_names()),
    rows=st.integers(0, 1000),
    more=st.integers(0, 1000),
    g=st.integers(0, 16),
)
def test_cost_is_linear_in_rows_and_events(name, rows, more, g):
    kernel = load_kernel(name)
    rows, more = (min(n, (kernel.max_rows or 2000) // 2) for n in (rows, more))
    both, one, other, none = (kernel.cost(n, g) for n in (rows + more, rows, more, 0))
    assert both.cycles + none.cycles == one.cycles + other.cycles
    assert both.cycles == linear_cost(*kernel.cycles, rows + more, g)
    assert both.cycles == sum(both.counts)
    step = kernel.cost(rows, g + 1).cycles - kernel.cost(rows, g).cycles
    assert step == kernel.cost(rows, 1).cycles - kernel.cost(rows, 0).cycles


@pytest.mark.parametrize("name", kernel_names())
def test_every_kernel_fits_and_says_where_it_comes_from(name):
    kernel = load_kernel(name)
    assert kernel.name == name
    assert kernel.source
    assert kernel.doc
    assert kernel.max_group is None or kernel.max_group >= 32
    assert all(not any(c) for c in kernel.counts[len(NPE_OPS) :])
    assert kernel.registers <= REGISTERS


@pytest.mark.parametrize("name", kernel_names())
def test_memory_ops_of_the_text_are_those_of_the_cost(name):
    """Counted again from the linked sections: one event, and two NPEs, so a tree has one step."""
    kernel = load_kernel(name, 2)
    total = 0
    for section in kernel.sections:
        for part in section.body:
            trips = 2 if getattr(part, "trips", "") == "lanes" else 1
            total += trips * len(getattr(part, "body", (part,)))
    assert kernel.cost(1, 1).cycles == total


def test_rows_are_whole_lines_of_weights():
    assert load_kernel("event_bf16").rows_for(65) == 9
    assert load_kernel("event_int8").rows_for(65) == 5
    assert load_kernel("event_int4").rows_for(65) == 3
    assert load_kernel("event_bf16", 16).rows_for(65) == 5


def test_loading_is_cached():
    assert load_kernel("wkv") is load_kernel("wkv")
    assert load_kernel("wkv").cost(3) is load_kernel("wkv").cost(3)


def test_constants_of_inlined_kernels_are_loaded_once():
    twice = build("row:\n  MLD x, x\n  call exp x -> y\n  call exp y -> z\n  MST z, x\n".replace(
        "row:", "memory x[row]\nrow:", 1))  # fmt: skip
    assert twice.cycles == (9, 0, 2 * 17 + 2, 0, 0)
    assert twice.registers == 3 + 9 + 3  # x y z, constants of exp, scratch of exp


def test_group_beyond_the_registers():
    with pytest.raises(InputError) as error:
        load_kernel("event_bf16").cost(1, 63)
    assert str(error.value) == (
        "kernel event_bf16: a group of 63 events needs 65 registers of 64; "
        "use a group of at most 62"
    )


def test_register_limit():
    lines = "".join(f"  MLD r{i}, x\n" for i in range(REGISTERS + 1))
    with pytest.raises(InputError) as error:
        build("memory x\nrow:\n" + lines)
    assert str(error.value) == "k.npe: 65 registers are used; an NPE has 64"


def test_loop_buffer_limit():
    with pytest.raises(InputError) as error:
        build("memory x\nrow:\n" + "  MLD r, x\n" * (LOOP_BUFFER_ENTRIES + 1))
    assert str(error.value) == (
        "k.npe: a 'row:' section has 129 instructions; the loop buffer holds 128; "
        "split it into two sections"
    )


def test_negative_rows():
    with pytest.raises(InputError, match="rows -1 and g 0 must not be negative"):
        load_kernel("exp").cost(-1)


def test_unknown_kernel():
    with pytest.raises(InputError, match="no kernel 'wvk'; expected one of attention_append, "):
        load_kernel("wvk")


def test_npes_must_be_a_power_of_two():
    with pytest.raises(InputError, match="kernel exp: 6 NPEs; expected a power of two"):
        load_kernel("exp", 6)


def test_table_of_the_docs():
    lines = (Path(__file__).parents[2] / "docs" / "kernels.md").read_text("utf-8").splitlines()
    for name in kernel_names():
        kernel = load_kernel(name)
        group = " + G" if kernel.registers_per_event else ""
        cells = " | ".join(map(str, kernel.cycles))
        assert f"| {name} | {cells} | {kernel.registers}{group} |" in lines
