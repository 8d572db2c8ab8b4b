"""A trace as flat metadata and named arrays: the one form behind its file and its hash."""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workloads.traces.trace import ActivationTrace

SCHEMA = "seneca-trace/1"


def metadata(trace: "ActivationTrace") -> dict[str, str]:
    """Give the scalars of a trace; `shape` and `thresholds` as JSON with sorted keys.

    `context` is there where the trace says it, so that traces without one keep their hashes.
    """
    context = {} if trace.context is None else {"context": str(trace.context)}
    return {
        **context,
        "schema": SCHEMA,
        "shape": _json(trace.shape),
        "model": trace.model,
        "variant": trace.variant,
        "thresholds": _json(trace.thresholds),
    }


def arrays(trace: "ActivationTrace") -> dict[str, NDArray[np.generic]]:
    """Give the arrays by file key, little-endian and contiguous, in sorted order."""
    flat: dict[str, NDArray[np.generic]] = {"tokens": trace.tokens}
    for name, site in trace.sites.items():
        flat[f"mask/{name}"] = pack(site.mask)
        if site.values is not None:
            flat[f"values/{name}"] = site.values
    flat |= {f"state/{name}": array for name, array in trace.state.items()}
    return {key: _little_endian(flat[key]) for key in sorted(flat)}


def content_hash(trace: "ActivationTrace") -> str:
    """SHA-256, as hex, over the metadata, the arrays' types and shapes, and their bytes."""
    flat = arrays(trace)
    layout = {key: [array.dtype.str, array.shape] for key, array in flat.items()}
    digest = hashlib.sha256(_json([metadata(trace), layout]).encode())
    for array in flat.values():
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bool [T, W] -> uint8 [T, ceil(W / 8)]; channel c is bit c % 8, counted from the lowest."""
    return np.packbits(mask, axis=1, bitorder="little")


def unpack(packed: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Undo `pack`; bits past `width` are dropped."""
    return np.unpackbits(packed, axis=1, count=width, bitorder="little").view(np.bool_)


def _little_endian(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
