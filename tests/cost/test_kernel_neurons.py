"""Biases, rectifiers, thresholds and neurons on values, against loops written out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.cost.bf16 import round_bf16
from seneca_sim.cost.interpreter import run_kernel
from seneca_sim.cost.kernel import event_kernel, load_kernel
from seneca_sim.errors import CapacityError, InputError

ROW = np.array([[-2, -1, -0.0, 0.5, 1, 2, 3, 4]])


def fired(run):
    return [e.values[e.fired].tolist() for e in run.events]


def test_bias():
    memory = {"acc": ROW, "bias": np.full((1, 8), 0.5)}
    run = run_kernel(load_kernel("bias"), memory, 1)
    assert run.value("acc").tolist() == (ROW + 0.5).tolist()
    run = run_kernel(load_kernel("bias_reset"), memory, 1)
    assert run.value("acc").tolist() == [[0.5] * 8]


def test_relu():
    run = run_kernel(load_kernel("relu"), {"x": ROW}, 1)
    assert run.value("x").tolist() == [[0, 0, 0, 0.5, 1, 2, 3, 4]]


def test_fire_captures_what_is_above_the_threshold_and_keeps_it():
    run = run_kernel(load_kernel("fire"), {"x": ROW, "threshold": 1.0}, 1)
    assert fired(run) == [[-2, 2, 3, 4]]
    assert run.value("x").tolist() == ROW.tolist()
    run = run_kernel(load_kernel("fire"), {"x": ROW}, 1)
    assert fired(run) == [[-2, -1, 0.5, 1, 2, 3, 4]]


def test_relu_fire():
    run = run_kernel(load_kernel("relu_fire"), {"acc": ROW, "threshold": 1.0}, 1)
    assert fired(run) == [[2, 3, 4]]
    assert not run.value("acc").any()


def lif(inputs, leak, threshold, *, soft):
    """One neuron in Python, rounded after every operation."""
    v, spikes = np.float32(0), []
    for current in inputs:
        v = round_bf16(round_bf16(v * leak) + current)
        spikes.append(bool(v > threshold))
        if spikes[-1]:
            v = round_bf16(v - threshold) if soft else np.float32(0)
    return spikes, float(v)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_lif_over_time(seed, soft):
    rng = np.random.default_rng(seed)
    inputs = round_bf16(rng.normal(size=(20, 8)) + 0.3)
    leak, threshold = np.float32(0.875), np.float32(1)
    kernel = load_kernel("lif_soft" if soft else "lif")
    v, spikes = np.zeros((1, 8)), []
    for now in inputs:
        memory = {"acc": now[None], "v": v, "leak": leak, "threshold": threshold}
        run = run_kernel(kernel, memory, 1)
        (event,) = run.events
        assert (event.values == 1).all()
        assert not run.value("acc").any()
        v = run.value("v")
        spikes.append(event.fired)
    for lane in range(8):
        wanted, rest = lif(inputs[:, lane], leak, threshold, soft=soft)
        assert [bool(s[lane]) for s in spikes] == wanted
        assert v[0, lane] == rest


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 2.0]))
def test_sigma_delta_follows_its_input(seed, step):
    """What was sent adds up to the input, within half a step; nothing is sent twice."""
    rng = np.random.default_rng(seed)
    acc = np.cumsum(rng.integers(-3, 4, (30, 8)) / 8, axis=0)
    kernel, sent, received = load_kernel("sigma_delta"), np.zeros((1, 8)), np.zeros(8)
    for x in acc:
        memory = {"acc": x[None], "sent": sent, "step": step, "inv_step": 1 / step}
        run = run_kernel(kernel, memory, 1)
        (event,) = run.events
        received += np.where(event.fired, event.values, 0)
        sent = run.value("sent")
        assert (event.fired == (event.values != 0)).all()
        assert (event.values / step == np.round(event.values / step)).all()
        assert np.abs(received - x).max() <= step / 2
        assert run.value("acc")[0].tolist() == x.tolist()
        assert sent[0].tolist() == received.tolist()


def test_a_negative_zero_is_no_event():
    memory = {"acc": np.full((1, 8), -0.1), "step": 1.0, "inv_step": 1.0}
    assert fired(run_kernel(load_kernel("sigma_delta"), memory, 1)) == [[]]


@pytest.mark.parametrize(
    ("name", "coefficients"),
    [
        ("bias", (0, 0, 4, 0, 0)),
        ("fire", (1, 0, 4, 0, 0)),
        ("lif", (4, 0, 10, 0, 0)),
        ("sigma_delta", (2, 0, 10, 0, 0)),
        ("event_binary_bf16", (0, 0, 2, 2, 0)),
        ("event_binary_int8", (0, 0, 4, 5, 0)),
        ("event_binary_int8_explicit", (1, 0, 4, 7, 0)),
        ("event_int8_explicit", (1, 1, 4, 9, 0)),
        ("event_binary_int4_explicit", (1, 0, 8, 13, 0)),
    ],
)
def test_coefficients_counted_by_hand(name, coefficients):
    assert load_kernel(name).cycles == coefficients


def test_names_of_event_kernels():
    assert event_kernel() == "event_bf16"
    assert event_kernel("int4", binary=True) == "event_binary_int4"
    assert event_kernel("int4", binary=True, unpack="explicit") == "event_binary_int4_explicit"
    assert event_kernel("int8", unpack="explicit") == "event_int8_explicit"
    assert event_kernel("bf16", unpack="explicit") == "event_bf16"
    assert event_kernel("int8", binary=True, unpack="explicit") == "event_binary_int8_explicit"
    with pytest.raises(
        InputError, match="no kernel 'event_int2' for int2 weights and unpack: free"
    ):
        event_kernel("int2")


def test_a_lane_adds_up_64_terms_at_most():
    kernel = load_kernel("ln_stats")
    assert kernel.rows_for(512) == 64
    assert kernel.cost(64).cycles == 29 + 6 * 64
    message = (
        "kernel ln_stats: 65 rows of 8 lanes, but a lane may add up 64 terms at most; "
        "split the vector over more cores"
    )
    for ask in (lambda: kernel.rows_for(513), lambda: kernel.cost(65)):
        with pytest.raises(CapacityError) as error:
            ask()
        assert str(error.value) == message


def test_the_compiler_refuses_slices_that_are_too_long():
    from seneca_sim.chip import Chip, CoreSpec
    from workloads.compiler import lower, rwkv4_graph

    chip = Chip("large", core=CoreSpec(data_memory_bits=2**30))
    graph = rwkv4_graph("wide", {"layers": 1, "width": 520, "ffn": 8, "vocab": 8})
    with pytest.raises(CapacityError, match="kernel ln_stats: 65 rows of 8 lanes"):
        lower(graph, chip, 1)
    assert lower(graph, chip, 2).stages
