"""What must stand in a summary.json that is read back: what reports and comparisons use of it.

Entries that newer versions add may be missing, since folders of before are read, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from seneca_sim.errors import InputError

Check = Callable[[Any, str], None]
"""(value, its path) -> nothing, or InputError with the path in front."""


def number(value: Any, path: str) -> None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(value, path, "a number")


def whole(value: Any, path: str) -> None:
    """A whole number that counts something."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(value, path, "a whole number from 0 on")


def text(value: Any, path: str) -> None:
    """Text, be it empty."""
    if not isinstance(value, str):
        raise _wrong(value, path, "text")


def sentence(value: Any, path: str) -> None:
    """Text that is not empty."""
    text(value, path)
    if not value:
        raise _wrong(value, path, "a sentence")


def flag(value: Any, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(value, path, "true or false")


def or_null(check: Check) -> Check:
    """What `check` wants, or null."""

    def checked(value: Any, path: str) -> None:
        if value is not None:
            check(value, path)

    return checked


def one_of(*known: str) -> Check:
    """One of some words."""

    def checked(value: Any, path: str) -> None:
        if value not in known:
            raise _wrong(value, path, ", ".join(known[:-1]) + f" or {known[-1]}")

    return checked


def each(check: Check) -> Check:
    """A list, or an object with any keys, each of whose values `check` takes."""

    def checked(value: Any, path: str) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                check(inner, f"{path}.{key}")
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                check(inner, f"{path}[{place}]")
        else:
            raise _wrong(value, path, "several values")

    return checked


def several(check: Check) -> Check:
    """As `each`, of a list alone."""
    return _only(list, "a list", check)


def by_name(check: Check) -> Check:
    """As `each`, of an object alone."""
    return _only(dict, "an object", check)


def _only(kind: type, name: str, check: Check) -> Check:
    def checked(value: Any, path: str) -> None:
        if not isinstance(value, kind):
            raise _wrong(value, path, name)
        each(check)(value, path)

    return checked


def table(**fields: Check) -> Check:
    """An object with these entries and any others; `maybe_…` may be missing."""

    def checked(value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(value, path, "an object")
        for name, check in fields.items():
            key = name.removeprefix("maybe_")
            place = f"{path}.{key}" if path else key
            if key in value:
                check(value[key], place)
            elif key == name:
                raise InputError(f"{place} is missing")

    return checked


def _wrong(value: Any, path: str, expected: str) -> InputError:
    shown = "null" if value is None else f"{value!r}"
    shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
    return InputError(f"{path} is {shown}, expected {expected}")


_STATISTICS: Final = table(median=number, p95=number, mean=number)
_STEADY: Final = table(tokens_per_s=number, error=or_null(number))
_VARIANT: Final = table(
    label=text,
    activity_id=text,
    mode=one_of("generation", "pipelined"),
    chip=table(name=text, cores=whole, clock_hz=number),
    maybe_mapping=by_name(text),
    maybe_inputs=by_name(text),
    cycles=whole,
    time_s=number,
    tokens=whole,
    maybe_sequences=whole,
    maybe_throughput=table(tokens_per_s=number, steady=or_null(_STEADY)),
    maybe_passes=table(
        count=whole, ahead=flag, load_bits_per_token=number, load_j_per_token=number,
        wait_s_per_token=number,
    ),
    energy_fj=whole,
    energy_j=table(
        total=number, by_class=by_name(number), by_kind=by_name(number), by_mark=by_name(number),
        maybe_by_op=by_name(number), maybe_by_layer=by_name(number), maybe_by_core=by_name(number),
    ),
    energy_per_token_j=_STATISTICS,
    latency_per_token_s=_STATISTICS,
    average_power_w=number,
    peak_power_w=number,
    peak_window_s=number,
    energy_delay_js=number,
    npe_cycles_by_kind=by_name(number),
    sparsity=number,
    sparsity_by_site=by_name(number),
    macs_per_token=number,
    macs_per_token_with_head=number,
    bottleneck=table(sentence=sentence),
    maybe_nearest_bound=table(
        name=one_of("npe", "controller", "generator", "link", "channel", "critical path"),
        times=number,
    ),
)  # fmt: skip
_GAINS: Final = (
    "energy_gain", "latency_gain", "energy_delay_gain", "total_energy_gain", "total_time_gain",
    "mac_ratio", "mac_ratio_with_head",
)  # fmt: skip
_SUMMARY: Final = table(
    version=text,
    model_version=whole,
    run_id=text,
    program=text,
    variants=several(_VARIANT),
    comparison=several(
        table(label=text, against=text, **dict.fromkeys(_GAINS, or_null(number)))
    ),
    warnings=several(text),
    maybe_bits_per_byte=by_name(number),
    maybe_text_bytes=or_null(whole),
)  # fmt: skip


def check_summary(summary: Any) -> None:
    """Refuse a summary that lacks an entry, or has one of another kind.

    Raises:
        InputError: with the entry's path, as in ``variants[0].energy_j.total``.
    """
    _SUMMARY(summary, "")
    labels = [variant["label"] for variant in summary["variants"]]
    if not labels:
        raise InputError("variants is empty")
    if len(set(labels)) != len(labels):
        raise InputError("variants have the same label twice")
    for place, pair in enumerate(summary["comparison"]):  # those of the last variant are shown
        if pair["label"] == labels[-1] and pair["against"] not in labels:
            raise _wrong(pair["against"], f"comparison[{place}].against", "the label of a variant")
