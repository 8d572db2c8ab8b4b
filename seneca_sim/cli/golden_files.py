"""Checking, recording and updating golden files: what the command and the pytest plugin share."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seneca_sim.cli.golden_jobs import Spec, embedded, kept, open_job, owner, recorded
from seneca_sim.errors import InputError, SenecaError
from seneca_sim.files import parse_json
from seneca_sim.golden import Bench, Golden, Outcome, check, read_golden, record, update
from seneca_sim.golden.check import Selection
from seneca_sim.golden.file import write_golden
from seneca_sim.golden.keep import check_reason

if TYPE_CHECKING:
    from seneca_sim.engine.choose import Engine
    from seneca_sim.golden.tolerance import Tolerance
    from workloads.traces import ActivationTrace

DEFAULT_FOLDER = "goldens"


def expand(given: Sequence[str]) -> list[Path]:
    """Files of names, folders (their ``*.json``) and patterns; ``goldens`` if none is given.

    Raises:
        InputError: a folder or a pattern without any file.
    """
    found: list[Path] = []
    for text in given or (DEFAULT_FOLDER,):
        if Path(text).is_dir():
            matches = sorted(Path(text).glob("*.json"))
        elif glob.has_magic(text) and not Path(text).exists():
            matches = sorted(map(Path, glob.glob(text, recursive=True)))
        elif given:
            matches = [Path(text)]
        else:
            raise InputError(f"no golden is named and there is no folder '{DEFAULT_FOLDER}'")
        if not matches:
            raise InputError(f"{text}: no golden there; make one with 'golden record -o FILE'")
        found += matches
    return list(dict.fromkeys(found))


def check_file(path: Path, selection: Selection | None = None, engine: Engine = "auto") -> Outcome:
    """Check one golden file; what goes wrong is in the outcome."""
    started = time.perf_counter()
    try:
        golden = read_golden(path)
        if test := owner(golden.spec):
            return Outcome(str(path), golden.name, skipped=f"is checked by its test, {test}")
        bench = Bench(open_job(golden.spec, path.parent), engine)
        outcome = check(golden, bench, selection, str(path))
    except InputError as error:
        if str(error).startswith(f"{path}:"):  # the line says already where
            error = InputError(str(error).removeprefix(f"{path}:").strip())
        outcome = Outcome(str(path), path.stem, error=error)
    except SenecaError as error:
        outcome = Outcome(str(path), path.stem, error=error)
    return replace(outcome, seconds=time.perf_counter() - started)


def check_files(
    paths: Iterable[Path],
    selection: Selection | None = None,
    engine: Engine = "auto",
    tell: Callable[[int], None] = lambda done: None,
) -> list[Outcome]:
    """Check golden files one after another; one that cannot be run does not stop the others."""
    outcomes = []
    for path in paths:
        outcomes.append(check_file(path, selection, engine))
        tell(len(outcomes))
    return outcomes


def updated(path: Path, reason: str, engine: Engine = "auto") -> tuple[Golden, Golden]:
    """A golden file's content as it is, and as it should be: the same one if nothing differs.

    Raises:
        InputError: no reason, no golden, or one that belongs to a test.
    """
    check_reason(reason)
    old = read_golden(path)
    if test := owner(old.spec):
        raise InputError(
            f"{path}: belongs to {test}; run that with pytest --energy-golden-update='{reason}'"
        )
    return old, update(old, Bench(open_job(old.spec, path.parent), engine), reason)


def update_files(
    paths: Iterable[Path], reason: str, engine: Engine = "auto"
) -> dict[Path, tuple[str, ...]]:
    """Update golden files, all or (if one cannot be run) none.

    Returns:
        What moved, by file; nothing for a file that was left as it was.
    """
    made = {path: updated(path, reason, engine) for path in paths}
    for path, (old, new) in made.items():
        if new is not old:
            write_golden(path, new)
    return {path: () if new is old else new.history[-1].moved for path, (old, new) in made.items()}


def record_file(
    path: Path,
    asked: Spec,
    *,
    name: str | None = None,
    live: bool = False,
    tolerances: Sequence[Tolerance] = (),
    engine: Engine = "auto",
    confirm: Callable[[Golden], None] = lambda golden: None,
) -> Golden:
    """Record what was asked for into a new golden file.

    Args:
        path: the file, which must not exist; its folder is made if only that is missing.
        asked: chip, energy, sets, and trace, workload or program with events, paths from here.
        name: of the golden; default: the file's.
        live: open model or trace anew in each check, instead of keeping masks in the golden.
        tolerances: what may move.
        engine: which engine runs it.
        confirm: called before the file is written; raises to refuse.

    Raises:
        InputError: the file exists or cannot be written, or an input cannot be used.
    """
    if path.exists():
        raise InputError(f"{path}: exists; 'golden update {path} --reason …' moves it")
    if not path.parent.is_dir() and not path.parent.parent.is_dir():
        raise InputError(f"{path}: folder {path.parent.parent} does not exist; make it first")
    with _folder(path.parent):
        spec = kept(asked, path.parent, Path())
        if not live and spec["kind"] in ("trace", "workload"):
            spec = embedded(spec, _traces(asked))
        bench = Bench(open_job(spec, path.parent), engine)
        golden = record(name or path.stem, spec, bench, tolerances)
        confirm(golden)
        write_golden(path, golden)
    return golden


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """The folder of a new golden, to which its paths are relative; gone again if that fails."""
    there = folder.is_dir()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from None
    try:
        yield
    except BaseException:
        if not there:
            folder.rmdir()
        raise


def _traces(asked: Spec) -> dict[str, ActivationTrace]:
    from seneca_sim.cli.replay import replayed
    from seneca_sim.cli.settings import parse_settings
    from workloads.traces import read_trace

    settings = parse_settings(tuple(asked.get("sets", ())))
    if asked["kind"] == "workload":
        return recorded(asked, Path(), settings)
    trace = replayed(read_trace(str(asked["trace"])), settings)
    return {trace.variant: trace}


def program_spec(program: Path, events: Path) -> dict[str, Any]:
    """The parts of a spec for a program file and its events (a JSON list of lists)."""
    import json

    from seneca_sim.program.file import program_text, read_program

    content = json.loads(program_text(read_program(program)))
    try:
        counts = parse_json(events.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{events}: cannot be read as events ({reason})") from None
    return {"kind": "program", "program": content, "events": counts}
