"""Whole programs with INT8 and INT4 weights: against the interpreter, torch, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.errors import InputError
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.functional.lanes import lanes_of
from seneca_sim.functional.narrow import narrow
from seneca_sim.functional.quantise import quantise
from seneca_sim.program import (
    HOST_STAGE,
    NO_REGION,
    Consumer,
    Program,
    Region,
    Route,
    Site,
    Stage,
    Step,
)
from seneca_sim.program.verify import verify
from workloads.compiler import lower, rwkv4_graph
from workloads.compiler.check import check_values, verdict
from workloads.models import Rwkv4
from workloads.traces.record import record


def compiled(case, bits, cores=2, npes=8, kernel=""):
    chip = Chip("test", core=CoreSpec(npes=npes, line_bits=max(128, 16 * npes)))
    program = lower(rwkv4_graph("random", case.trace.shape), chip, cores)
    narrowed = narrow(program, bits, kernel=kernel)
    verify(narrowed, chip)
    return narrowed


def tokens_run(case, program, tokens=2, **options):
    """Vectors and memories after a few tokens from the empty state."""
    image = MemoryImage.load(program, case.weights, "bf16")
    inputs = {"emb": case.weights["emb.weight"][case.trace.tokens[:tokens]]}
    found = list(run_values(program, image, inputs, thresholds=case.trace.thresholds, **options))
    return found, image


def assert_same(found, other):
    for a, b in zip(found[0], other[0], strict=True):
        for name in a:
            assert np.array_equal(a[name].view(np.uint32), b[name].view(np.uint32)), name
    for mine, theirs in zip(found[1].words, other[1].words, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("kernel", "npes"),
    [
        ("event_int8", 8),
        ("event_int4", 8),
        ("event_int8", 4),
        ("event_int4", 16),
        ("event_int8_explicit", 8),
        ("event_int4_explicit", 8),
    ],
)
def test_a_program_is_bit_identical_to_its_kernels(case, kernel, npes):
    bits = int(kernel.split("_")[1][3:])
    program = compiled(case, bits, 1 if npes == 16 else 2, npes, kernel)
    assert lanes_of(program) == npes
    assert {c.kernel for c in program.consumers} == {"", kernel}
    assert "scale_rows" in {step.kernel for stage in program.stages for step in stage.steps}
    found = tokens_run(case, program)
    assert_same(found, tokens_run(case, program, interpret=True))
    assert all(np.isfinite(vector).all() for vector in found[0][-1].values())


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(1, 30),
    ffn=st.integers(1, 40),
    vocab=st.integers(1, 20),
    cores=st.integers(1, 3),
    bits=st.sampled_from([8, 4]),
    seed=st.integers(0, 50),
)
def test_any_small_program_is(make_case, width, ffn, vocab, cores, bits, seed):
    cores = min(cores, max(1, width // 8))
    case = make_case((1, width, ffn, vocab), cores, tokens=2, seed=seed)
    program = compiled(case, bits, cores)
    assert_same(tokens_run(case, program), tokens_run(case, program, interpret=True))


@pytest.mark.parametrize("kernel", ["event_binary_int8", "event_binary_int4"])
def test_one_bit_events_count_as_one(case, kernel):
    bits = int(kernel[-1])
    program = compiled(case, bits, kernel=kernel)
    found = tokens_run(case, program, 1)
    assert_same(found, tokens_run(case, program, 1, interpret=True))
    graded = tokens_run(case, compiled(case, bits), 1)
    first = "blocks.0.att.key", "blocks.0.att.out"
    assert np.array_equal(found[0][0][first[0]], graded[0][0][first[0]])
    assert not np.array_equal(found[0][0][first[1]], graded[0][0][first[1]])


@pytest.mark.parametrize("bits", [8, 4])
def test_explicit_unpacking_changes_cost_and_no_value(case, bits):
    """Weights times 256 or 4096, scales that much smaller: powers of two round nothing."""
    free = tokens_run(case, compiled(case, bits))[0]
    explicit = tokens_run(case, compiled(case, bits, kernel=f"event_int{bits}_explicit"))[0]
    for a, b in zip(free, explicit, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("sparsified", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_at_fp32_it_is_torch_with_quantised_weights(make_case, bits, sparsified):
    """PyTorch's forward on the dequantised tensors, at every site of every token."""
    case = make_case((2, 40, 72, 30), 2, sparsified=sparsified, tokens=4)
    matrices = {c for r in case.program.regions if r.columns > 8 and (c := r.tensor)}
    assert len(matrices) == 2 * 7 + 1
    tensors = {
        name: torch.from_numpy(quantise(tensor.numpy(), bits).dequantised())
        if name in matrices
        else tensor
        for name, tensor in case.model.weights.items()
    }
    model = Rwkv4(case.model.shape, tensors)
    text = case.trace.tokens.tolist()
    trace = record(model, text, 1, case.trace.thresholds, case.trace.variant, name="narrow")
    program = compiled(case, bits)
    checks = check_values(program, trace, case.weights)
    assert verdict(checks).passed, str(verdict(checks))
    assert not verdict(check_values(compiled(case, 12 - bits), trace, case.weights)).passed


def test_memory_shrinks_by_what_weights_take(case):
    """24 neurons on 8 lanes: 3 rows of words at BF16, 2 at INT8, 1 at INT4."""
    strides = []
    for bits in (16, 8, 4):
        program = compiled(case, bits, 1)
        region = next(r for r in program.regions if r.name == "weight:blocks.0.att.key")
        assert region.word_bits == bits
        strides.append(region.stride_bits // 128)
    assert strides == [3, 2, 1]


def test_what_cannot_be_narrowed(case):
    assert narrow(case.program, 16) is case.program
    with pytest.raises(InputError, match="weights of 2 bits; expected 16, 8 or 4"):
        narrow(case.program, 2)
    with pytest.raises(InputError, match="event_int8 already reads narrow weights"):
        narrow(narrow(case.program, 8), 4)


# -- by hand -----------------------------------------------------------------------------------

MATRIX = np.array([[127, 3, -60, 0, 254, 1], [1, -7, 2, 3, 4, 127]], np.float32)


def two_tiles(bits, kernel):
    """Columns 0:4 of a matrix on one core and 4:6 on another; each sends its sums to the host."""
    regions, consumers, routes, stages = [], [], [], []
    sites = [Site("x", 0, 6, "dense"), Site("y0", 0, 2, "dense"), Site("y1", 0, 2, "dense")]
    for core, (low, high) in enumerate([(0, 4), (4, 6)]):
        first = len(regions)
        places = [("w", high - low, bits, "t"), ("acc", 1, 16, ""), ("s", 1, 16, "scale:t")]
        places.append(("out", 1, 32, ""))
        address = 0
        for name, columns, word, tensor in places:
            stride = 512
            column = low if name == "w" else 0
            regions.append(
                Region(
                    core, name, address, 2, columns, word, stride, 1, tensor, 0, 2, False, column
                )
            )
            address += columns * stride
        consumers.append(Consumer(core, 0, kernel, 1, 2, first, first + 1))
        routes.append(Route(0, 2, core, low, high, HOST_STAGE))
        steps = (
            Step("scale_rows", 1, (("acc", first + 1), ("scale", first + 2))),
            Step("send_acc", 1, (("acc", first + 1), ("out", first + 3))),
        )
        stages.append(Stage(core, 0, "sums", (core,), steps, (2 + core,)))
    routes += [Route(1 + c, c, 2, 0, 2, c, buffer=4 * c + 3) for c in range(2)]
    consumers += [Consumer(2, 1 + c, "", 0, 0, NO_REGION, NO_REGION) for c in range(2)]
    return Program(
        "tiles", 2, tuple(sites), ((0,), (1,), (2,)), tuple(routes), tuple(consumers),
        tuple(stages), tuple(regions),
    )  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tiles_of_columns_share_the_scale_of_the_whole_row(precision):
    """Scales are 2 and 1, from columns 4 and 5; a tile alone would find 1 and 0.055 for 0:4."""
    program = two_tiles(8, "event_int8")
    image = MemoryImage.load(program, {"t": MATRIX}, precision)
    x = np.array([[1, 0, 1, 0, 1, 2]], np.float32)
    (vectors,) = run_values(program, image, {"x": x})
    # 127/2 = 63.5 goes to 64, -60/2 = -30; 254/2 = 127, 1/2 goes to 0.
    assert vectors["y0"].tolist() == [2 * (64 - 30), 1 + 2]
    assert vectors["y1"].tolist() == [2 * 127, round_bf16(4 + 254) if precision == "bf16" else 258]


def test_scales_of_weights_that_are_not_narrow():
    program = two_tiles(16, "event_bf16")
    with pytest.raises(InputError, match="scales of 't', which no core applies as INT8 or INT4"):
        MemoryImage.load(program, {"t": MATRIX}, "bf16")


def test_accumulators_must_hold_whole_rows_of_the_kernel():
    """event_int4 with 8 lanes writes 32 of them, whatever the number of neurons."""
    program = two_tiles(4, "event_int4")
    short = replace(program.regions[1], stride_bits=256)
    program = replace(program, regions=(program.regions[0], short, *program.regions[2:]))
    image = MemoryImage.load(program, {"t": MATRIX}, "bf16")
    with pytest.raises(InputError, match="region acc of core 0: 1 columns of 32 words do not lie"):
        list(run_values(program, image, {"x": np.zeros((1, 6), np.float32)}))


def test_packed_weights_are_no_table():
    program = two_tiles(8, "event_int8")
    image = MemoryImage.load(program, {"t": MATRIX}, "bf16")
    with pytest.raises(InputError, match="region w of core 0 holds packed weights"):
        image.table(program.regions[0])
    with pytest.raises(InputError, match="4 columns of 33 words do not lie in the memory image"):
        image.columns(program.regions[0], 33)
