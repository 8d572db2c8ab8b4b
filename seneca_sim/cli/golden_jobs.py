"""Opening the inputs of a golden: chip, energies and workload, as its `spec` names them.

A spec is plain data. `kind` says where the events come from: ``traces`` (masks in the golden
itself), ``trace`` (a trace file), ``workload`` (a model, run with torch), ``shape`` (masks drawn
anew for a shape), ``program`` (with its events, in the golden) or ``test`` (a test's own run).
Paths are relative to the golden.
"""

from __future__ import annotations

import base64
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seneca_sim.chip.load import LIBRARY as CHIPS
from seneca_sim.chip.load import load_chip
from seneca_sim.cli.compiling import compile_shape, fitted_chip
from seneca_sim.cli.options import need_torch
from seneca_sim.cli.pipeline import with_dense
from seneca_sim.cli.settings import Settings, parse_settings
from seneca_sim.config import Library
from seneca_sim.cost.energy import LIBRARY as TABLES
from seneca_sim.cost.energy import load_energy
from seneca_sim.errors import InputError
from seneca_sim.golden.job import Build, Built, Job

if TYPE_CHECKING:
    from seneca_sim.chip import Chip
    from seneca_sim.results.compare.inputs import Leaf
    from workloads.traces import ActivationTrace

Spec = Mapping[str, Any]
RUN: Final = "run"
"""Label of the only variant of a program."""
_LINE: Final = 92
_FILES: Final = ("chip", "energy", "trace", "workload", "text", "recipe")


def open_job(spec: Spec, folder: Path) -> Job:
    """Open what a golden in `folder` runs on.

    Raises:
        InputError: an input is missing or cannot be read.
    """
    settings = parse_settings(tuple(_list(spec, "sets")))
    named = _library_path(spec, "chip", CHIPS, folder)
    loaded = load_chip(named, settings.chip)
    table = load_energy(_library_path(spec, "energy", TABLES, folder), settings.energy)
    facts: dict[str, Leaf] = {}
    if spec.get("kind") == "program":
        build = _program(spec)
    else:
        traces, facts = _traces(spec, folder, settings)
        build = _compiled(spec, traces, settings)
        shape = next(iter(traces.values())).shape
        loaded = fitted_chip("the workload", shape, loaded, named, settings)
    said: dict[str, Leaf] = dict(settings.run)
    if spec["kind"] not in ("workload", "shape"):  # how long and on what is the trace's to say
        said = {path: v for path, v in said.items() if not path.startswith("workload.")}
    return Job(loaded.chip, table, settings.mode, build, said, facts)


def owner(spec: Spec) -> str:
    """The test that a golden belongs to; nothing if it can be run by itself."""
    return str(spec.get("test", "")) if spec.get("kind") == "test" else ""


def _list(spec: Spec, key: str) -> list[str]:
    found = spec.get(key, [])
    if not isinstance(found, list):
        raise InputError(f"spec.{key} must be a list; record the golden anew")
    return [str(item) for item in found]


def _library_path(spec: Spec, key: str, library: Library, folder: Path) -> str:
    """A shipped name as it is, a path from the golden's folder."""
    name = str(spec.get(key, ""))
    return name if name in library.names() else str(folder / name)


def _traces(
    spec: Spec, folder: Path, settings: Settings
) -> tuple[Mapping[str, ActivationTrace], dict[str, Leaf]]:
    kind = spec.get("kind")
    if kind == "shape":
        traces, card = drawn(spec, folder, settings)
        return traces, card | _facts(traces)
    if kind == "traces":
        kept = spec.get("traces", {})
        traces = {label: unpacked(lines, label) for label, lines in kept.items()}
    elif kind == "trace":
        from seneca_sim.cli.replay import replayed
        from workloads.traces import read_trace

        trace = replayed(read_trace(folder / str(spec["trace"])), settings)
        traces = {trace.variant: trace}
    elif kind == "workload":
        traces = recorded(spec, folder, settings)
    else:
        raise InputError(
            f"spec.kind is {kind!r}; expected traces, trace, workload, shape or program"
        )
    return traces, _facts(traces)


def recorded(spec: Spec, folder: Path, settings: Settings) -> dict[str, ActivationTrace]:
    """Run a model and record it."""
    need_torch("a golden of a model (recorded with --live)")
    from seneca_sim.cli.options import inputs_of
    from seneca_sim.cli.progress import progress
    from workloads.job.prepare import prepare

    name, text, recipe = (spec.get(key) for key in ("workload", "text", "recipe"))
    here = folder / str(name)
    inputs = inputs_of(
        str(here) if name and here.exists() else name,
        folder / text if text else None,
        folder / recipe if recipe else None,
        settings,
        spec.get("rescaled"),
    )
    with progress("recording") as tell:
        return prepare(inputs, tell).traces


def drawn(
    spec: Spec, folder: Path, settings: Settings
) -> tuple[dict[str, ActivationTrace], dict[str, Leaf]]:
    """Draw the masks of a shape, those variants that are wanted, and say what they depend on."""
    from seneca_sim.cli.options import drawing_of
    from workloads.job.drawn import draw_variant
    from workloads.zoo import load_shape
    from workloads.zoo.densities import DENSE

    name = str(spec["workload"])
    card = load_shape(folder / name if (folder / name).is_file() else name)
    how = drawing_of(settings)
    known = (DENSE, *card.variants)
    wanted = _list(spec, "variants") or list(known)
    traces = {label: draw_variant(card, label, how) for label in known if label in wanted}
    if not traces:
        raise InputError(f"no variant '{wanted[0]}'; {card.name} has {', '.join(known)}")
    return traces, {"shape": card.name, "shape_file": card.sha256}


def _compiled(spec: Spec, traces: Mapping[str, ActivationTrace], settings: Settings) -> Build:
    from workloads.compiler import event_stream

    if not traces:
        raise InputError("spec has no trace; record the golden anew")
    variants = with_dense(traces)
    wanted = _list(spec, "variants") or list(variants)
    for label in wanted:
        if label not in variants:
            raise InputError(f"no variant '{label}'; there are {', '.join(variants)}")
    shape = next(iter(variants.values())).shape

    def build(chip: Chip) -> Built:
        program = compile_shape("the workload", shape, chip, settings)
        return program, {label: event_stream(program, variants[label]) for label in wanted}

    return build


def _facts(traces: Mapping[str, ActivationTrace]) -> dict[str, Leaf]:
    first = next(iter(traces.values()))
    hashes = {f"trace.{label}": trace.content_hash for label, trace in traces.items()}
    return {"model": first.model, "tokens": len(first.tokens), **hashes}


def _program(spec: Spec) -> Build:
    import json

    import numpy as np

    from seneca_sim.program import EventStream
    from seneca_sim.program.file import parse_program
    from seneca_sim.program.verify import verify

    program = parse_program(json.dumps(spec.get("program")), "spec.program")
    try:
        counts = np.array(spec.get("events"), dtype=np.int64)
    except (TypeError, ValueError):
        raise InputError("spec.events: expected a list of counts, one a token, per route") from None
    stream = EventStream(counts)
    if unknown := set(_list(spec, "variants")) - {RUN}:
        raise InputError(f"no variant '{min(unknown)}'; a program has one, {RUN}")
    if counts.shape[0] != len(program.routes):
        raise InputError(
            f"events of {counts.shape[0]} routes, but the program has {len(program.routes)}"
        )

    def build(chip: Chip) -> Built:
        verify(program, chip)
        return program, {RUN: stream}

    return build


# -- specs to be kept -----------------------------------------------------------------------------


def kept(asked: Spec, folder: Path, here: Path) -> dict[str, Any]:
    """A spec whose paths, relative to `here`, are made relative to the golden's `folder`."""
    out = {key: value for key, value in asked.items() if value not in (None, "", [], ())}
    for key in _FILES:
        if key in out and (here / str(out[key])).exists():
            out[key] = Path(os.path.relpath(here / str(out[key]), folder)).as_posix()
    return out


def embedded(spec: Spec, traces: Mapping[str, ActivationTrace]) -> dict[str, Any]:
    """A spec that holds the masks of its traces, and needs neither model nor file.

    ``from`` says where they came from, for people.
    """
    gone = ("kind", "workload", "text", "recipe", "rescaled", "trace", "sets")
    rest = {key: value for key, value in spec.items() if key not in gone}
    origin = {key: Path(v).name if key in _FILES else v for key, v in spec.items() if key in gone}
    rest["from"] = origin | ({} if "trace" in spec else {"workload": _named(spec)})
    sets = [text for text in _list(spec, "sets") if not text.strip().startswith("workload.")]
    masks = {label: packed(trace) for label, trace in traces.items() if label != "dense"}
    return {"kind": "traces", **rest, "sets": sets, "traces": masks}


def _named(spec: Spec) -> str:
    from workloads.job.inputs import SHIPPED

    return Path(str(spec.get("workload") or SHIPPED)).name


def packed(trace: ActivationTrace) -> list[str]:
    """A trace's masks as lines of text; values and states move no count."""
    from workloads.traces.file import encode
    from workloads.traces.sites import block_sites

    names = block_sites(trace.shape)
    sites = {name: replace(trace.sites[name], values=None) for name in names}
    bare = replace(trace, sites=sites, state={})
    text = base64.b64encode(zlib.compress(encode(bare), 9)).decode()
    return [text[at : at + _LINE] for at in range(0, len(text), _LINE)]


def unpacked(lines: Any, label: str) -> ActivationTrace:
    """Undo `packed`.

    Raises:
        InputError: not a trace.
    """
    from workloads.traces import read_trace

    try:
        data = zlib.decompress(base64.b64decode("".join(lines), validate=True))
    except (TypeError, ValueError, zlib.error):
        raise InputError(f"trace '{label}' in the golden is damaged; record it anew") from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{label}.trace"
        file.write_bytes(data)
        return read_trace(file)
