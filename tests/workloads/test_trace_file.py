"""What the reader refuses, each in one line; bytes that do not depend on the process."""

import contextlib
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from seneca_sim.errors import InputError
from workloads.traces import BLOCK_SITES, read_trace, synthesise, write_trace
from workloads.traces.file import encode

SHAPE = {"family": "rwkv4", "layers": 1, "width": 5, "ffn": 20, "vocab": 7}
META = {
    "schema": "seneca-trace/1",
    "shape": json.dumps(SHAPE),
    "model": "mine",
    "variant": "natural",
    "thresholds": "{}",
}


def plain():
    """Arrays of a good file, made without the package."""
    arrays = {"tokens": np.array([3, 4], np.int32)}
    for kind in BLOCK_SITES:
        packed = [[0b10001, 0, 1], [0, 0, 8]] if kind == "ffn.val" else [[0b10001], [0]]
        arrays[f"mask/blocks.0.{kind}"] = np.array(packed, np.uint8)
    arrays["values/blocks.0.att.out"] = np.array([1.5, -2], np.float32)
    return arrays


def test_a_file_made_by_hand_is_understood(tmp_path):
    save_file(plain(), tmp_path / "t", META | {"comment": "ignored"})
    trace = read_trace(tmp_path / "t")
    assert trace.tokens.tolist() == [3, 4]
    assert trace.model == "mine"
    out = trace.sites["blocks.0.att.out"]
    assert out.filled().tolist() == [[1.5, 0, 0, 0, -2], [0] * 5]
    assert np.argwhere(trace.sites["blocks.0.ffn.val"].mask).tolist() == [
        [0, 0],
        [0, 4],
        [0, 16],
        [1, 19],
    ]
    assert trace.sites["blocks.0.att.key"].values is None
    assert not trace.state


SITE = "mask/blocks.0.att.key"
WIDE = "mask/blocks.0.ffn.val"
BAD_ARRAYS = [
    ({"tokens": None}, "key 'tokens' is missing"),
    ({SITE: None}, "site blocks.0.att.key is missing; a trace holds every block site"),
    ({SITE: np.zeros((3, 1), np.uint8)}, f"{SITE} has shape (3, 1); expected (2, 1)"),
    ({WIDE: np.zeros((2, 2), np.uint8)}, f"{WIDE} has shape (2, 2); expected (2, 3)"),
    ({SITE: np.zeros(2, np.uint8)}, f"{SITE} has shape (2,); expected (2, 1)"),
    (
        {SITE: np.full((2, 1), 32, np.uint8)},
        f"{SITE} has bits past channel 4; expected zeros there",
    ),
    ({SITE: np.zeros((2, 1), np.int32)}, f"{SITE} is I32; expected U8"),
    ({"tokens": np.zeros(2, np.int64)}, "tokens is I64; expected I32"),
    ({"tokens": np.zeros((2, 1), np.int32)}, "tokens has 2 dimensions; expected 1"),
    ({"tokens": np.array(3, np.int32)}, "tokens has 0 dimensions; expected 1"),
    ({"tokens": np.array([3, 7], np.int32)}, "tokens span 3 … 7; expected 0 … 6"),
    (
        {"values/blocks.0.att.out": np.ones(3, np.float32)},
        "site blocks.0.att.out: 3 values for 2 survivors in the mask",
    ),
    (
        {"values/blocks.0.att.out": np.array([1, np.inf], np.float32)},
        "site blocks.0.att.out: values holds a value that is not finite",
    ),
    (
        {"mask/blocks.1.att.key": np.zeros((2, 1), np.uint8)},
        "unknown site 'blocks.1.att.key'; did you mean 'blocks.0.att.key'?",
    ),
    ({"values/emb": np.ones(10, np.float32)}, "unknown site with values but no mask 'emb'"),
    ({"state/aa": np.zeros((1, 5), np.float32)}, "state has only aa; expected all of"),
    ({"bias": np.zeros(1, np.uint8)}, "unknown key 'bias'; expected tokens, mask/SITE"),
    ({"tokens/x": np.zeros(1, np.int32)}, "unknown key 'tokens/x'; expected tokens, mask/SITE"),
    ({"mask": np.zeros(1, np.uint8)}, "unknown key 'mask'; expected tokens, mask/SITE"),
]
BAD_META = [
    ({"schema": None}, "metadata has no 'schema'; expected 'seneca-trace/1'"),
    ({"schema": "seneca-trace/2"}, "schema is 'seneca-trace/2'; expected 'seneca-trace/1'"),
    ({"model": None}, "metadata has no 'model'"),
    ({"shape": "{"}, "metadata 'shape' is not JSON: "),
    ({"shape": "[]"}, "metadata 'shape' is not a JSON object"),
    ({"shape": json.dumps(SHAPE | {"width": "5"})}, "shape.width is '5'; expected a positive"),
    ({"shape": json.dumps(SHAPE | {"family": [1]})}, "shape.family is [1]; known families: rwkv4"),
    ({"shape": json.dumps(SHAPE | {"layers": 10**18})}, "shape.layers is 1000000000000000000, but"),
    ({"thresholds": '{"blocks.0.att.key": "1"}'}, "threshold of blocks.0.att.key is '1'; expected"),
    ({"thresholds": '{"blocks.0.att.key": NaN}'}, "threshold of blocks.0.att.key is nan; expected"),
    ({"thresholds": '{"att.key": 1}'}, "unknown threshold site 'att.key'"),
]


@pytest.mark.parametrize(
    ("arrays", "meta", "message"),
    [(a, {}, m) for a, m in BAD_ARRAYS] + [({}, h, m) for h, m in BAD_META],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, arrays, meta, message):
    path = tmp_path / "t"
    both = plain() | arrays, META | meta
    kept = [{k: v for k, v in part.items() if v is not None} for part in both]
    save_file(kept[0], path, kept[1])
    refused(path, message)


def refused(path, message, **options):
    with pytest.raises(InputError) as caught:
        read_trace(path, **options)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, size):
    save_file(plain(), tmp_path / "t", META)
    (tmp_path / "t").write_bytes((tmp_path / "t").read_bytes()[:size])
    refused(tmp_path / "t", "truncated, or not a safetensors file (")


def test_what_is_no_file_or_another_format_is_refused(tmp_path):
    refused(tmp_path / "none", "cannot be read: No such file or directory")
    refused(tmp_path, "cannot be read: Is a directory")
    (tmp_path / "t").write_text("token,channel\n" * 9)
    refused(tmp_path / "t", "truncated, or not a safetensors file (")
    save_file(plain(), tmp_path / "bare")
    refused(tmp_path / "bare", "metadata has no 'schema'; expected 'seneca-trace/1'")


@settings(deadline=None, max_examples=300)
@given(where=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_byte_never_ends_in_another_kind_of_error(damaged, where, byte):
    path, good = damaged
    raw = bytearray(good)
    raw[where % len(raw)] = byte
    path.write_bytes(raw)
    with contextlib.suppress(InputError):
        read_trace(path)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "t"
    save_file(plain(), path, META)
    return path, path.read_bytes()


def test_a_trace_of_another_model_is_refused(tmp_path):
    save_file(plain(), tmp_path / "t", META)
    assert read_trace(tmp_path / "t", model="mine", shape=SHAPE).model == "mine"
    refused(tmp_path / "t", "trace of model 'mine'; expected 'yours'", model="yours")
    other = SHAPE | {"vocab": 8}
    refused(tmp_path / "t", "trace of a model of shape {", shape=other)


def test_equal_content_has_one_hash_however_it_was_written(tmp_path):
    save_file(plain(), tmp_path / "a", META)
    spaced = {**META, "shape": json.dumps(SHAPE, indent=2, sort_keys=True)}
    save_file(dict(reversed(plain().items())), tmp_path / "b", spaced)
    assert read_trace(tmp_path / "a").content_hash == read_trace(tmp_path / "b").content_hash


PROGRAM = """
import hashlib
from workloads.traces import BLOCK_SITES, synthesise
from workloads.traces.file import encode
shape = {"family": "rwkv4", "layers": 1, "width": 5, "ffn": 20, "vocab": 7}
trace = synthesise(shape, dict.fromkeys(BLOCK_SITES, 0.5), tokens=3, seed=1)
print(hashlib.sha256(encode(trace)).hexdigest())
"""


def test_another_process_writes_the_same_bytes():
    trace = synthesise(SHAPE, dict.fromkeys(BLOCK_SITES, 0.5), tokens=3, seed=1)
    command = [sys.executable, "-c", PROGRAM]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(encode(trace)).hexdigest()


def test_the_file_is_plain_safetensors(tmp_path):
    write_trace(tmp_path / "t", synthesise(SHAPE, dict.fromkeys(BLOCK_SITES, 1), tokens=2, seed=1))
    with safe_open(tmp_path / "t", framework="np") as file:
        assert json.loads(file.metadata()["shape"]) == SHAPE
        assert file.get_tensor("mask/blocks.0.att.key").tolist() == [[31], [31]]
        assert file.get_tensor("mask/blocks.0.ffn.val").tolist() == [[255, 255, 15]] * 2


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    trace = synthesise(SHAPE, dict.fromkeys(BLOCK_SITES, 0.5), tokens=2, seed=1)
    write_trace(tmp_path / "t", trace)

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match="t: cannot be written: No space left on device"):
        write_trace(tmp_path / "t", trace.dense())
    assert [p.name for p in tmp_path.iterdir()] == ["t"]
    assert read_trace(tmp_path / "t") == trace


def test_a_missing_folder_is_named(tmp_path):
    trace = synthesise(SHAPE, dict.fromkeys(BLOCK_SITES, 0.5), tokens=2, seed=1)
    with pytest.raises(InputError, match="none/t: cannot be written: No such file"):
        write_trace(tmp_path / "none" / "t", trace)
