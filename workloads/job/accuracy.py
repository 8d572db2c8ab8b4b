"""Bits per byte, remembered by content: the same weights, thresholds and text are measured once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from seneca_sim.errors import InputError
from seneca_sim.files import parse_json, write_text
from workloads.models import content_hash
from workloads.models.load import Loaded
from workloads.sparsity.evaluate import bits_per_byte

CACHE_VARIABLE = "SENECA_SIM_CACHE"
_VERSION = 1  # of the measurement: windows of 1,024 bytes, or as many as there are positions

Progress = Callable[[int, int, str], None]


def cached_bits_per_byte(
    model: Loaded,
    text: bytes,
    thresholds: Mapping[str, float] | None,
    progress: Progress | None = None,
) -> float:
    """Measure bits per byte, or look the answer up.

    The cache is the folder named by SENECA_SIM_CACHE, else the user's cache folder; a cache that
    cannot be read or written costs time and nothing else.
    """
    place = cache_folder() / f"bits-{_key(model, text, thresholds or {})}.json"
    found = _read(place)
    if found is not None:
        return found
    bits = bits_per_byte(model, text, thresholds, progress)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps({"bits_per_byte": bits}) + "\n")
    except (OSError, InputError):
        pass  # measured all the same
    return bits


def cache_folder() -> Path:
    """Where measurements are remembered."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("seneca-sim"))


def _key(model: Loaded, text: bytes, thresholds: Mapping[str, float]) -> str:
    parts = [
        _VERSION,
        content_hash(model.weights),
        hashlib.sha256(text).hexdigest(),
        sorted((name, value.hex()) for name, value in thresholds.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _read(place: Path) -> float | None:
    try:
        found = parse_json(place.read_text(encoding="utf-8"))["bits_per_byte"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, float) and found > 0 else None
