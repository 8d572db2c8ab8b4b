"""The trace value: what it refuses, equality by content, slices, dense, round trips."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seneca_sim.errors import InputError
from workloads.traces import ActivationTrace, SiteTrace, read_trace, site_widths, write_trace
from workloads.traces.canonical import pack, unpack

SHAPE = {"family": "rwkv4", "layers": 2, "width": 5, "ffn": 20, "vocab": 11}


def build(rng, shape=SHAPE, tokens=4, values=True, checks=True, state=True, thresholds=None):
    """A trace with random masks and values, made here without `synthesise`."""
    sites = {}
    for name, width in site_widths(shape).items():
        if name in ("emb", "head", "logits"):
            if not checks:
                continue
            mask = np.ones((tokens, width), bool)
        else:
            mask = rng.random((tokens, width)) < 0.5
        numbers = rng.standard_normal(mask.sum()).astype(np.float32) if values else None
        sites[name] = SiteTrace(width, mask, numbers)
    size = (shape["layers"], shape["width"])
    names = ("att_x", "aa", "bb", "pp", "ffn_x") if state else ()
    return ActivationTrace(
        shape=shape,
        model="some model",
        variant="sparsified" if thresholds else "natural",
        tokens=rng.integers(0, shape["vocab"], tokens, np.int32),
        sites=sites,
        state={n: rng.standard_normal(size).astype(np.float32) for n in names},
        thresholds=thresholds or {},
    )


@st.composite
def traces(draw):
    counts = st.integers(1, 19)
    shape = {"family": "rwkv4", "layers": draw(st.integers(1, 3)), "width": draw(counts)}
    shape |= {"ffn": draw(counts), "vocab": draw(counts)}
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    flags = {key: draw(st.booleans()) for key in ("values", "checks", "state")}
    limits = st.floats(0, 1e30, allow_subnormal=False)
    thresholds = draw(
        st.dictionaries(st.sampled_from(["blocks.0.att.key", "blocks.0.ffn.val"]), limits)
    )
    return build(rng, shape, draw(st.integers(1, 6)), **flags, thresholds=thresholds)


@pytest.fixture
def trace():
    return build(np.random.default_rng(0))


@settings(deadline=None, max_examples=60)
@given(trace=traces())
def test_a_file_gives_back_the_trace_and_the_same_bytes(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "a.trace"
    write_trace(path, trace)
    first = path.read_bytes()
    back = read_trace(path)
    assert back == trace
    assert back.tokens.tolist() == trace.tokens.tolist()
    assert back.thresholds == trace.thresholds
    assert list(back.sites) == list(trace.sites)
    for name, site in trace.sites.items():
        assert back.sites[name] == site
    for name, array in trace.state.items():
        np.testing.assert_array_equal(back.state[name], array)
    write_trace(path, back)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["a.trace"]


@given(tokens=st.integers(1, 4), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_packed_bits_are_counted_from_the_lowest(tokens, width, seed):
    mask = np.random.default_rng(seed).random((tokens, width)) < 0.4
    packed = pack(mask)
    assert packed.shape == (tokens, (width + 7) // 8)
    for t in range(tokens):
        number = sum(1 << c for c in range(width) if mask[t, c])
        assert packed[t].tobytes() == number.to_bytes(packed.shape[1], "little")
    np.testing.assert_array_equal(unpack(packed, width), mask)


@settings(deadline=None)
@given(trace=traces(), data=st.data())
def test_one_flipped_bit_changes_the_hash(trace, data):
    name = data.draw(st.sampled_from([n for n in trace.sites if n.startswith("blocks")]))
    mask = trace.sites[name].mask.copy()
    token = data.draw(st.integers(0, mask.shape[0] - 1))
    channel = data.draw(st.integers(0, mask.shape[1] - 1))
    mask[token, channel] ^= True
    flipped = SiteTrace(mask.shape[1], mask)
    bare = SiteTrace(mask.shape[1], trace.sites[name].mask)
    before = replace(trace, sites={**trace.sites, name: bare})
    after = replace(trace, sites={**trace.sites, name: flipped})
    assert before.content_hash != after.content_hash
    assert before != after
    assert bare != flipped


def test_the_hash_sees_every_field(trace):
    moved = dict(trace.state) | {"aa": trace.state["aa"] + 1}
    site = trace.sites["blocks.1.ffn.val"]
    other = SiteTrace(site.width, site.mask, site.values * np.float32(2))
    variants = [
        trace,
        replace(trace, model="another"),
        replace(trace, variant="other"),
        replace(trace, tokens=(trace.tokens + 1) % np.int32(11)),
        replace(trace, shape={**SHAPE, "vocab": 11}, thresholds={"blocks.0.att.key": 0.5}),
        replace(trace, thresholds={"blocks.1.att.key": 0.5}),
        replace(trace, state={}),
        replace(trace, state=moved),
        replace(trace, sites={**trace.sites, "blocks.1.ffn.val": other}),
    ]
    assert len({v.content_hash for v in variants}) == len(variants)
    assert len(set(variants)) == len(variants)


def test_the_hash_does_not_depend_on_the_order_of_dicts(trace):
    shuffled = replace(
        trace,
        shape=dict(reversed(trace.shape.items())),
        sites=dict(reversed(trace.sites.items())),
        state=dict(reversed(trace.state.items())),
    )
    assert shuffled == trace
    assert list(shuffled.sites) == list(site_widths(SHAPE))
    assert hash(shuffled) == hash(trace)
    assert trace != "trace"


@settings(deadline=None)
@given(trace=traces(), data=st.data())
def test_slices_put_together_are_the_whole(trace, data):
    total = trace.tokens.size
    cut = data.draw(st.integers(0, total))
    parts = [trace.slice(a, b) for a, b in ((0, cut), (cut, total)) if a < b]
    assert np.concatenate([p.tokens for p in parts]).tolist() == trace.tokens.tolist()
    for name, site in trace.sites.items():
        pieces = [p.sites[name] for p in parts]
        values = None
        if site.values is not None:
            values = np.concatenate([p.values for p in pieces])
        assert SiteTrace(site.width, np.concatenate([p.mask for p in pieces]), values) == site
    assert parts[0].state.keys() == trace.state.keys()
    assert all(not p.state for p in parts[1:])


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (2, 1), (-1, 2), (0, 5)])
def test_a_slice_outside_the_trace_is_refused(trace, start, stop):
    with pytest.raises(InputError, match=f"slice {start}:{stop} of a trace of 4 tokens"):
        trace.slice(start, stop)


def test_dense_sends_the_zeros_as_values():
    site = SiteTrace(3, np.array([[1, 0, 1], [0, 1, 0]], bool), np.array([4, 5, 6], np.float32))
    assert site.filled().tolist() == [[4, 0, 5], [0, 6, 0]]
    assert site.dense().mask.all()
    assert site.dense().values.tolist() == [4, 0, 5, 0, 6, 0]
    assert SiteTrace(3, site.mask).dense().values is None


def test_dense_of_a_trace_keeps_all_but_masks_and_variant(trace):
    dense = trace.dense()
    assert dense.variant == "dense"
    assert all(site.mask.all() for site in dense.sites.values())
    assert dense.thresholds == trace.thresholds
    assert dense.sites["logits"] == trace.sites["logits"]
    assert dense.dense() == dense


def test_masks_alone_have_no_values_to_fill():
    with pytest.raises(InputError, match="holds masks only"):
        SiteTrace(2, np.ones((1, 2), bool)).filled()


def test_a_trace_cannot_be_changed(trace):
    with pytest.raises(FrozenInstanceError):
        trace.model = "x"
    for array in (trace.tokens, trace.sites["emb"].mask, trace.sites["emb"].values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_trace_keeps_its_own_copy():
    mask = np.ones((1, 2), bool)
    site = SiteTrace(2, mask)
    mask[0, 0] = False
    assert site.survivors == 2


MASK = np.array([[True, False]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, MASK), "mask has 2 channels; expected 3"),
        ((2, MASK[0]), "mask has 1 dimensions; expected 2"),
        ((2, MASK.astype(np.uint8)), "mask is uint8; expected a numpy array of bool"),
        ((2, [[True, False]]), "mask is list; expected a numpy array of bool"),
        ((2, MASK, np.ones(2, np.float32)), "2 values for 1 survivors in the mask"),
        ((2, MASK, np.ones(1)), "values is float64; expected a numpy array of float32"),
        ((2, MASK, np.full(1, np.nan, np.float32)), "values holds a value that is not finite"),
    ],
)
def test_a_site_refuses(arguments, message):
    with pytest.raises(InputError) as caught:
        SiteTrace(*arguments)
    assert str(caught.value) == message


def ones(width, tokens=4):
    return SiteTrace(width, np.ones((tokens, width), bool))


def holed():
    return SiteTrace(5, np.zeros((4, 5), bool))


STATE = np.zeros((2, 5), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": {"family": "rwkv4"}}, "shape has the keys ['family']; expected"),
        ({"shape": SHAPE | {"family": "gru"}}, "shape.family is 'gru'; known families: rwkv4"),
        ({"shape": SHAPE | {"ffn": 0}}, "shape.ffn is 0; expected a positive integer"),
        ({"shape": SHAPE | {"layers": True}}, "shape.layers is True; expected a positive integer"),
        ({"tokens": np.zeros(0, np.int32)}, "a trace needs at least one token"),
        ({"tokens": np.zeros(4)}, "tokens is float64; expected a numpy array of int32"),
        ({"tokens": np.array([0, 1, 2, 11], np.int32)}, "tokens span 0 … 11; expected 0 … 10"),
        ({"tokens": np.array([0, 1], np.int32)}, "has 4 tokens; the trace has 2"),
        ({"state": {"bb": STATE}}, "state has only bb; expected all of att_x, aa, bb, pp, ffn_x"),
        ({"state": {"att_y": STATE}}, "unknown state 'att_y'; did you mean 'att_x'?"),
        (
            {"state": dict.fromkeys(("att_x", "aa", "bb", "pp", "ffn_x"), STATE.T)},
            "state att_x has shape (5, 2); expected (2, 5)",
        ),
        (
            {"thresholds": {"blocks.0.att.ket": 1.0}},
            "unknown threshold site 'blocks.0.att.ket'; did you mean 'blocks.0.att.key'?",
        ),
        (
            {"thresholds": {"blocks.0.att.key": -1.0}},
            "threshold of blocks.0.att.key is -1.0; expected a finite number >= 0",
        ),
    ],
)
def test_a_trace_refuses(trace, change, message):
    with pytest.raises(InputError) as caught:
        replace(trace, **change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "site", "message"),
    [
        (
            "blocks.0.att.kay",
            ones(5),
            "unknown site 'blocks.0.att.kay'; did you mean 'blocks.0.att.key'?",
        ),
        ("zzz", ones(5), "unknown site 'zzz'; known are 'blocks.0.att.key' … 'logits'"),
        ("blocks.1.ffn.val", ones(5), "site blocks.1.ffn.val has 5 channels; expected 20"),
        ("blocks.1.ffn.key", ones(5, 3), "site blocks.1.ffn.key has 3 tokens; the trace has 4"),
        ("emb", holed(), "site emb has zeros in its mask; it is dense, so all must be ones"),
    ],
)
def test_a_trace_refuses_a_site(trace, name, site, message):
    with pytest.raises(InputError) as caught:
        replace(trace, sites={**trace.sites, name: site})
    assert str(caught.value) == message


def test_every_block_site_must_be_there(trace):
    sites = {name: site for name, site in trace.sites.items() if name != "blocks.1.att.out"}
    with pytest.raises(InputError, match=r"site blocks\.1\.att\.out is missing"):
        replace(trace, sites=sites)


def test_the_package_loads_neither_torch_nor_pandas():
    code = "import sys, workloads.traces as _; "
    code += "sys.exit(bool({'torch', 'pandas', 'numba'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
