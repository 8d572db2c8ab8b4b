"""Tensors lie in memory where the program's map says."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from seneca_sim.errors import InputError
from seneca_sim.functional import MemoryImage
from seneca_sim.functional.parameters import CONSTANTS
from seneca_sim.program import Program, Region, Stage, Step


def region(name="w", **changes):
    plain = Region(0, name, 0, rows=2, columns=3, word_bits=16, stride_bits=64, tensor="t", high=2)
    return replace(plain, **changes)


def program(*regions):
    stage = Stage(
        0, 1, "s", (), (Step("k", 1, tuple((r.name, i) for i, r in enumerate(regions))),), ()
    )
    return Program("hand", 1, (), (), (), (), (stage,), regions)


MATRIX = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)


def test_importing_needs_no_torch_and_the_package_no_numba():
    code = (
        "import sys, seneca_sim; print('numba' in sys.modules); "
        "import seneca_sim.functional, workloads.compiler.check; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_a_matrix_lies_column_by_column_at_its_stride():
    slices = region(low=1, high=3, address_bits=32), region("top", low=0, high=2, address_bits=256)
    image = MemoryImage.load(program(*slices), {"t": MATRIX})
    assert image.words[0].tolist() == [
        *(0, 0),
        *(4, 7, 0, 0),
        *(5, 8, 0, 0),
        *(6, 9, 0, 0),
        *(0, 0),
        *(1, 4, 0, 0),
        *(2, 5, 0, 0),
        *(3, 6, 0, 0),
    ]


def test_an_event_word_takes_two_elements_and_its_value_is_the_second():
    events = region(columns=1, word_bits=32, tensor="", copies=2)
    image = MemoryImage.load(program(events), {})
    for token in range(4):
        image.view(events, token)[:] = 10 * token + np.arange(2)
    assert image.words[0].tolist() == [0, 20, 0, 21, 0, 30, 0, 31]


def test_words_may_overlap_where_a_program_is_wrong():
    a, b = region(), region("b", address_bits=16)
    image = MemoryImage.load(program(a, b), {"t": MATRIX[:2]})
    assert image.table(a)[0].tolist() != [1, 4]
    assert image.table(b).T.tolist() == MATRIX[:2].tolist()


@pytest.mark.parametrize(
    ("changes", "tensors", "message"),
    [
        ({}, {}, "weights: no tensor 't', which region w is filled from"),
        (
            {},
            {"t": MATRIX},
            "weights: 't' is 3 x 3, but region w of core 0 is 2 x 3 words and takes rows 0:2 of "
            "2 x 3",
        ),
        (
            {"columns": 1},
            {"t": MATRIX[:1]},
            "weights: 't' is 1 x 3, but region w of core 0 is 2 x 1 words and takes rows 0:2 of "
            "2 x 1",
        ),
        (
            {"low": 1},
            {"t": MATRIX[:2]},
            "weights: 't' is 2 x 3, but region w of core 0 is 2 x 3 words and takes rows 1:2 of "
            "2 x 3",
        ),
        (
            {"tensor": "half:t"},
            {"t": MATRIX[:2]},
            "region w: unknown transform in 'half:t'; expected one of wkv_decay, wkv_shift, "
            "shift_r, shift_w, shift_k, shift_v, shift_a, shift_g, padding, inverse, shares, "
            "inverse_root, lowest, threshold, scale",
        ),
        (
            {"word_bits": 2},
            {"t": MATRIX[:2]},
            "region w of core 0 has words of 2 bits; values run on words of 16 and 32 bits, and on "
            "weights of 8 and 4",
        ),
        (
            {"address_bits": 8},
            {"t": MATRIX[:2]},
            "region w of core 0 starts at bit 8 with columns every 64 bits; expected whole 16-bit "
            "words",
        ),
        (
            {"stride_bits": 16},
            {"t": MATRIX[:2]},
            "region w of core 0: 3 columns of 2 words do not lie in the memory image; load it "
            "from this program",
        ),
    ],
)
def test_what_cannot_be_loaded(changes, tensors, message):
    with pytest.raises(InputError) as error:
        MemoryImage.load(program(region(**changes)), tensors)
    assert str(error.value) == message


def test_a_region_outside_the_image_is_refused():
    image = MemoryImage.load(program(region()), {"t": MATRIX[:2]})
    with pytest.raises(InputError, match="do not lie in the memory image"):
        image.table(region(address_bits=16))


def test_parameters_of_wkv_are_made_from_the_decay():
    """time_decay -0.5: w = -0.6065, nearest power of two 2^-1, d = 2 e^w - 1."""
    regions = [
        region(name, columns=1, stride_bits=32, address_bits=32 * i, tensor=f"wkv_{name}:att")
        for i, name in enumerate(("decay", "shift"))
    ]
    decays = {"att.time_decay": np.array([-0.5, -5], np.float32)}
    image = MemoryImage.load(program(*regions), decays)
    w = -np.exp([-0.5, -5])
    expected = [2 * np.exp(w[0]) - 1, np.exp(w[1]) - 1, -1, 0]
    assert image.words[0] == pytest.approx(expected, rel=1e-6)


def test_states_of_layers_go_in_and_come_out(case):
    image = MemoryImage.load(case.program, case.weights)
    states = np.random.default_rng(0).standard_normal((2, 24)).astype(np.float32)
    image.set_layers(case.program, "att.prev", states)
    assert np.array_equal(image.get_layers(case.program, "att.prev"), states)
    assert not image.get_layers(case.program, "ffn.prev").any()
    with pytest.raises(InputError, match=r"no stage uses a region called 'att\.pref'"):
        image.set_layers(case.program, "att.pref", states)


def test_every_weight_is_in_exactly_one_place(case):
    """Slices of all cores together are the tensors, padding is 0."""
    image = MemoryImage.load(case.program, case.weights)
    total = sum(float(words.astype(np.float64).sum()) for words in image.words)
    parts = sum(
        float(image.table(r).astype(np.float64).sum()) for r in case.program.regions if r.tensor
    )
    plain = {r.tensor for r in case.program.regions if r.tensor and ":" not in r.tensor}
    constants = [r for r in case.program.regions if r.tensor.partition(":")[0] in CONSTANTS]
    fixed = sum(float(image.table(r).astype(np.float64).sum()) for r in constants)
    assert plain == {n for n in case.weights if not n.endswith("time_decay")} - {"emb.weight"}
    exact = sum(float(case.weights[name].astype(np.float64).sum()) for name in plain)
    made = sum(
        float(image.get_layers(case.program, f"att.{n}").astype(np.float64).sum())
        for n in ("decay", "shift")
    )
    assert total == pytest.approx(parts, abs=1e-9)
    assert total == pytest.approx(exact + made + fixed, abs=1e-6)
