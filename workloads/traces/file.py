"""Traces in files: safetensors, schema `seneca-trace/1` (docs/traces.md has every key).

The same trace always gives the same bytes. The safetensors library writes its metadata in a random
order, so the header is sorted afterwards.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json, sorted_header
from workloads.traces import canonical
from workloads.traces.checks import check_array
from workloads.traces.sites import TraceShape, check_names, check_shape, site_widths
from workloads.traces.trace import ActivationTrace, SiteTrace

Arrays = dict[str, NDArray[Any]]

# The dtype of each kind of key, as safetensors names it.
_DTYPES = {"tokens": "I32", "mask": "U8", "values": "F32", "state": "F32"}


def write_trace(path: str | Path, trace: ActivationTrace) -> None:
    """Write `trace` under a temporary name beside `path`, then rename: never half a file.

    Raises:
        InputError: the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encode(trace))
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_trace(
    path: str | Path, *, model: str | None = None, shape: Mapping[str, object] | None = None
) -> ActivationTrace:
    """Read and check a trace file.

    Args:
        path: the file.
        model: if given, the trace must be of the model of this hash or name.
        shape: if given, the trace must be of a model of this shape.

    Raises:
        InputError: one line that starts with `path`, for anything wrong in the file.
    """
    with _located(Path(path)):
        header, arrays = _load(Path(path))
        trace = _build(header, arrays)
        _check_model(trace, model, shape)
    return trace


def encode(trace: ActivationTrace) -> bytes:
    """Give the bytes of the file of `trace`."""
    raw = save(canonical.arrays(trace), metadata=canonical.metadata(trace))
    return sorted_header(raw)


@contextmanager
def _located(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise InputError(f"{path}: truncated, or not a safetensors file ({error})") from error


def _load(path: Path) -> tuple[dict[str, str], Arrays]:
    path.open("rb").close()  # the library's own error for a missing file has no strerror
    with safe_open(path, framework="np") as file:
        header = file.metadata() or {}
        _check_schema(header)
        keys = list(file.keys())
        for key in keys:
            _check_dtype(key, file.get_slice(key).get_dtype())
        return header, {key: file.get_tensor(key) for key in keys}


def _check_schema(header: Mapping[str, str]) -> None:
    if "schema" not in header:
        raise InputError(f"metadata has no 'schema'; expected {canonical.SCHEMA!r}")
    if header["schema"] != canonical.SCHEMA:
        raise InputError(f"schema is {header['schema']!r}; expected {canonical.SCHEMA!r}")
    for key in ("shape", "model", "variant", "thresholds"):
        if key not in header:
            raise InputError(f"metadata has no {key!r}")


def _check_dtype(key: str, dtype: str) -> None:
    kind = key.split("/")[0]
    if kind not in _DTYPES or (kind == "tokens") != ("/" not in key):
        raise InputError(
            f"unknown key {key!r}; expected tokens, mask/SITE, values/SITE or state/NAME"
        )
    if dtype != _DTYPES[kind]:
        raise InputError(f"{key} is {dtype}; expected {_DTYPES[kind]}")


def _build(header: Mapping[str, str], arrays: Arrays) -> ActivationTrace:
    if "tokens" not in arrays:
        raise InputError("key 'tokens' is missing")
    check_array("tokens", arrays["tokens"], np.dtype(np.int32), 1)
    shape = check_shape(_json_object(header, "shape"))
    return ActivationTrace(
        shape=shape,
        model=header["model"],
        variant=header["variant"],
        tokens=arrays["tokens"],
        sites=_sites(arrays, shape),
        state=_group(arrays, "state"),
        thresholds=_numbers(_json_object(header, "thresholds")),
        context=_context(header),
    )


def _context(header: Mapping[str, str]) -> int | None:
    text = header.get("context")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"metadata 'context' is {text!r}; expected a whole number of tokens")
    return int(text)


def _sites(arrays: Arrays, shape: TraceShape) -> dict[str, SiteTrace]:
    masks, values = _group(arrays, "mask"), _group(arrays, "values")
    if shape["layers"] > len(masks):  # before a list of all sites is made: it could be any number
        raise InputError(f"shape.layers is {shape['layers']}, but there are {len(masks)} masks")
    widths = site_widths(shape)
    check_names("site", masks, widths)
    check_names("site with values but no mask", values, masks)
    return {
        name: _site(name, widths[name], arrays["tokens"].shape[0], masks[name], values.get(name))
        for name in masks
    }


def _site(
    name: str, width: int, tokens: int, packed: NDArray[Any], values: NDArray[Any] | None
) -> SiteTrace:
    expected = (tokens, -(-width // 8))
    if packed.shape != expected:
        raise InputError(f"mask/{name} has shape {packed.shape}; expected {expected}")
    mask = canonical.unpack(packed, width)
    if not np.array_equal(canonical.pack(mask), packed):
        raise InputError(f"mask/{name} has bits past channel {width - 1}; expected zeros there")
    try:
        return SiteTrace(width, mask, values)
    except InputError as error:
        raise InputError(f"site {name}: {error}") from error


def _check_model(
    trace: ActivationTrace, model: str | None, shape: Mapping[str, object] | None
) -> None:
    if shape is not None and trace.shape != check_shape(shape):
        raise InputError(f"trace of a model of shape {trace.shape}; expected {dict(shape)}")
    if model is not None and trace.model != model:
        raise InputError(f"trace of model {trace.model!r}; expected {model!r}")


def _group(arrays: Arrays, kind: str) -> Arrays:
    return {key.split("/", 1)[1]: a for key, a in arrays.items() if key.startswith(f"{kind}/")}


def _json_object(header: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        value = parse_json(header[key])
    except json.JSONDecodeError as error:
        raise InputError(f"metadata {key!r} is not JSON: {error.msg}") from error
    if not isinstance(value, dict):
        raise InputError(f"metadata {key!r} is not a JSON object")
    return value


def _numbers(thresholds: dict[str, Any]) -> dict[str, float]:
    for name, value in thresholds.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"threshold of {name} is {value!r}; expected a number")
    return thresholds
