"""Whole programs at the chip's own precision: against the interpreter, and against fp32."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from seneca_sim.chip import Chip, CoreSpec
from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import load_kernel
from seneca_sim.errors import InputError
from seneca_sim.functional import MemoryImage, run_values
from seneca_sim.functional.lanes import lanes_of
from seneca_sim.functional.parameters import TRANSFORMS, at_bf16, chip_state, model_state
from workloads import zoo
from workloads.compiler import lower, rwkv4_graph
from workloads.compiler.check import load_image, run_tokens


def compiled(case, cores=2, npes=8, state_words=2):
    chip = Chip("test", core=CoreSpec(npes=npes, line_bits=max(128, 16 * npes)))
    graph = rwkv4_graph("random", case.trace.shape, state_words=state_words)
    return lower(graph, chip, cores)


def both_ways(case, program):
    """The vectors and the memories of a compiled and of an interpreted run of a trace's tokens."""
    inputs = {"emb": case.weights["emb.weight"][case.trace.tokens]}
    found = []
    for interpret in (False, True):
        image = load_image(program, case.trace, case.weights, "bf16")
        run = run_values(
            program, image, inputs, thresholds=case.trace.thresholds, interpret=interpret
        )
        found.append((list(run), image))
    return found


def assert_same(found):
    (mine, image), (theirs, other) = found
    for a, b in zip(mine, theirs, strict=True):
        for name in a:
            assert np.array_equal(a[name].view(np.uint32), b[name].view(np.uint32)), name
    for a, b in zip(image.words, other.words, strict=True):
        assert a.dtype == np.uint16
        assert np.array_equal(a, b)


@pytest.mark.parametrize("state_words", [2, 1])
@pytest.mark.parametrize("npes", [4, 8, 16])
def test_a_program_is_bit_identical_to_its_kernels(case, npes, state_words):
    program = compiled(case, 1 if npes == 16 else 2, npes, state_words)
    assert lanes_of(program) == npes
    kernels = {step.kernel for stage in program.stages for step in stage.steps}
    assert ("wkv" if state_words == 2 else "wkv_plain") in kernels
    found = both_ways(case, program)
    assert_same(found)
    assert all(np.isfinite(vector).all() for vector in found[0][0][-1].values())


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(1, 30),
    ffn=st.integers(1, 40),
    vocab=st.integers(1, 20),
    cores=st.integers(1, 3),
    sparsified=st.booleans(),
    seed=st.integers(0, 50),
)
def test_any_small_program_is(make_case, width, ffn, vocab, cores, sparsified, seed):
    cores = min(cores, max(1, width // 8))
    size = (1, width, ffn, vocab)
    case = make_case(size, cores, sparsified=sparsified, tokens=2, seed=seed)
    assert_same(both_ways(case, case.program))


def test_padding_counts_at_bf16(make_case):
    """What fp32 does not need is needed here: 24 channels on two cores, the last row half empty."""
    case = make_case((1, 20, 24, 9), 2)
    step = next(s for s in case.program.stages[1].steps if s.kernel == "ln_stats")
    pad = case.program.regions[dict(step.regions)["pad"]]
    regions = list(case.program.regions)
    regions[dict(step.regions)["pad"]] = replace(pad, tensor="padding:8")
    wrong = replace(case.program, regions=tuple(regions))
    right, other = both_ways(case, case.program)[0][0], both_ways(case, wrong)[0][0]
    assert not np.array_equal(right[0]["blocks.0.att.key"], other[0]["blocks.0.att.key"])


def test_everything_that_is_sent_is_a_bf16_number(case):
    for vectors in both_ways(case, case.program)[0][0]:
        for name, vector in vectors.items():
            assert np.array_equal(round_bf16(vector), vector), name


def test_thresholds_are_words_of_memory_and_rounded(case):
    """0.3 is 0.30078125 on the chip: a value of that size does not fire."""
    image = load_image(case.program, case.trace, case.weights, "bf16")
    sites = [site.name for site in case.program.sites if site.kind == "events"]
    inputs = {"emb": case.weights["emb.weight"][:1]}
    list(run_values(case.program, image, inputs, thresholds=dict.fromkeys(sites, 0.3)))
    found = [image.view(r) for r in case.program.regions if r.name.startswith("threshold:")]
    assert len(found) == 2 * 2 * 7
    assert all(words.tolist() == [0x3E9A] for words in found)


def test_the_interpreter_is_for_bf16(case):
    image = MemoryImage.load(case.program, case.weights)
    with pytest.raises(InputError, match="the interpreter runs micro-kernels at bf16 only"):
        list(run_values(case.program, image, {"emb": np.zeros((1, 24))}, interpret=True))
    with pytest.raises(InputError, match="no precision 'fp16'; expected one of fp32, bf16"):
        MemoryImage.load(case.program, case.weights, "fp16")


def test_recorded_events_are_rounded_too(case):
    inputs = {"emb": case.weights["emb.weight"][case.trace.tokens]}
    recorded = {"blocks.0.att.val": np.full((5, 24), 1.001, np.float32)}
    rounded = {"blocks.0.att.val": np.ones((5, 24), np.float32)}
    runs = []
    for values in (recorded, rounded):
        image = load_image(case.program, case.trace, case.weights, "bf16")
        runs.append([v["logits"] for v in run_values(case.program, image, inputs, recorded=values)])
    assert np.array_equal(runs[0], runs[1])


def test_bf16_is_near_fp32(make_case):
    """A small random model, from the state in the middle of its trace."""
    case = make_case((2, 64, 128, 32), 2, sparsified=False, context=20, tokens=8)
    inputs = {"emb": case.weights["emb.weight"][case.trace.tokens]}
    image = load_image(case.program, case.trace, case.weights, "bf16")
    wanted = case.trace.sites["logits"].filled()
    mine = np.array([v["logits"] for v in run_values(case.program, image, inputs)])
    assert 0.001 < np.sqrt(np.mean((mine - wanted) ** 2) / np.mean(wanted**2)) < 0.04


def test_the_shipped_model_on_the_chip(zoo_model):
    """The first 24 bytes of the text; docs/functional.md has the figures for 4,096."""
    weights = {name: tensor.numpy() for name, tensor in zoo_model.weights.items()}
    shape = {"layers": 6, "width": 256, "ffn": 1024, "vocab": 256}
    program = lower(rwkv4_graph("zoo", shape), Chip("test"))
    text = list(zoo.evaluation_text()[:24])
    logits = [
        np.array([v["logits"] for v in run_tokens(program, weights, text, precision=precision)])
        for precision in ("fp32", "bf16")
    ]
    error = np.sqrt(np.mean((logits[1] - logits[0]) ** 2) / np.mean(logits[0] ** 2))
    assert 0.005 < error < 0.04
    bits = [
        float(cross_entropy(torch.from_numpy(x[:-1]).double(), torch.tensor(text[1:])))
        / math.log(2)
        for x in logits
    ]
    assert bits[1] == pytest.approx(bits[0], abs=0.1)


# -- state -----------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_the_state_goes_to_the_chip_and_back(seed):
    """aa e^pp and bb e^pp keep their values, to the precision of two words."""
    rng = np.random.default_rng(seed)
    aa, pp = (rng.standard_normal(50).astype(np.float32) * s for s in (3, 10))
    bb = np.exp(rng.uniform(-5, 5, 50)).astype(np.float32)
    chip = chip_state(aa, bb, pp)
    assert all(np.array_equal(round_bf16(x), x) for x in chip)
    assert ((chip[1][0] >= 1) & (chip[1][0] < 2)).all()
    assert (chip[2] == np.round(chip[2])).all()
    a, b, p = model_state(*chip)
    scale = np.exp((p - pp).astype(np.float64))
    assert b * scale == pytest.approx(bb, rel=1e-4)
    assert a * scale == pytest.approx(aa, rel=1e-4, abs=1e-4)


def test_an_empty_state_is_zero():
    nothing = np.zeros(3, np.float32), np.zeros(3, np.float32), np.full(3, -1e30, np.float32)
    assert all(not x.any() for x in chip_state(*nothing))
    assert all(
        np.array_equal(x, y)
        for x, y in zip(model_state(*chip_state(*nothing)), nothing, strict=True)
    )


@pytest.mark.parametrize("fall", [0, 10, 20, 30, 60])
@pytest.mark.parametrize("time_decay", [3.0, 3.2, 4.0, 5.0])
@pytest.mark.parametrize("name", ["wkv", "wkv_plain"])
def test_fast_decays_and_falling_keys_are_safe(name, time_decay, fall):
    """The sums never come to nothing, and what is sent stays between the values that came in."""
    td = np.full(8, time_decay, np.float32)
    fixed = {
        "u": np.zeros((1, 8)),
        "decay": at_bf16("wkv_decay", TRANSFORMS["wkv_decay"][1](td))[None],
        "shift": TRANSFORMS["wkv_shift"][1](td)[None],
    }
    state, kernel = {}, load_kernel(name)
    values = [1.0, 1.0, 2.0, 2.0, 2.0, 1.0]
    for k, v in zip([fall, fall, 0, 0, 0, fall], values, strict=True):
        memory = {"k": np.full((1, 8), k), "v": np.full((1, 8), v), "r": np.full((1, 8), 80.0)}
        run = run_kernel(kernel, fixed | state | memory, 1)
        state = {n: run.memory[n] for n in ("aa", "bb", "pp")}
        assert 0.98 <= run.events[0].values[0] <= 2.03
        bb = run.value("bb").reshape(-1, 8)[0]
        assert ((bb >= 1) & (bb < 2)).all()
    assert run.events[0].values[0] == pytest.approx(1 if fall >= 10 else 1.5, rel=0.02)
