"""`timeline`: a run as a Perfetto trace, and its packets as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seneca_sim.cli.options import (
    DEFAULT_CHIP,
    DEFAULT_ENERGY,
    chip_option,
    inputs_of,
    json_option,
    set_option,
    workload_options,
)
from seneca_sim.errors import InputError

if TYPE_CHECKING:
    from seneca_sim.cli.again import Setting
    from seneca_sim.engine.activity import LogWindow
    from seneca_sim.engine.choose import Engine
    from seneca_sim.results import RunResult
    from seneca_sim.timeline import TimelineSize, View
    from workloads.traces import ActivationTrace

LOG_ROWS = 10_000_000
"""Most rows of a log, before tokens and cores are chosen: about a gigabyte of memory."""


@click.command("timeline")
@workload_options
@chip_option
@set_option
@click.option("--energy", default=DEFAULT_ENERGY, show_default=True,
              help="Energy table, or a YAML file.")  # fmt: skip
@click.option("--engine", type=click.Choice(["auto", "reference", "compiled"]), default="auto",
              show_default=True, help="Both engines give the same numbers.")  # fmt: skip
@click.option("--trace", type=click.Path(path_type=Path), help="Replay a recorded trace.")
@click.option("--variant", help="Which: dense, natural, sparsified; default: the last there is.")
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True,
              help="The trace, by custom NAME.pftrace.")  # fmt: skip
@click.option("--packets", type=click.Path(path_type=Path),
              help="Also write the packets, every delay apart (.csv or .parquet).")  # fmt: skip
@click.option("--from-cycle", type=click.IntRange(0), default=0, help="Leave out what ends before.")
@click.option("--to-cycle", type=click.IntRange(1), help="Leave out what begins in or after it.")
@click.option("--tokens", help="One token, or a range: 2 or 2-4.")
@click.option("--cores", help="Cores and ranges of them: 0-7,12.")
@click.option("--no-network", is_flag=True, help="Without router outputs, most of the slices.")
@click.option("--no-arrows", is_flag=True, help="Without arrows from sending to taking a packet.")
@click.option("--limit", type=click.IntRange(1), default=2_000_000, show_default=True,
              help="Most slices; more are refused.")  # fmt: skip
@click.option("--power-window", type=click.IntRange(1), default=500, show_default=True,
              help="Cycles over which power is averaged.")  # fmt: skip
@json_option
def command(**options: Any) -> None:
    """Simulate WORKLOAD, or a finished RUN (a folder) again, and write who did what when.

    The file opens at https://ui.perfetto.dev, which reads it in the browser and sends it nowhere.
    """
    from seneca_sim.timeline import check_perfetto, write_timeline

    asked = Asked(**options)
    check_perfetto()
    _check_places(asked)
    result = _run(asked)
    view = asked.view(result.chip.cores)
    size = write_timeline(asked.out, result, view)
    rows = _write_packets(asked, result, view)
    _say(asked, result, size, rows)


@dataclass(frozen=True)
class Asked:
    """The options, as they are called."""

    workload: str | None
    text: Path | None
    recipe: Path | None
    rescaled: str | None
    chip: str
    sets: tuple[str, ...]
    energy: str
    engine: Engine
    trace: Path | None
    variant: str | None
    out: Path
    packets: Path | None
    from_cycle: int
    to_cycle: int | None
    tokens: str | None
    cores: str | None
    no_network: bool
    no_arrows: bool
    limit: int
    power_window: int
    as_json: bool

    def view(self, cores: int) -> View:
        """What to show, on a chip of so many cores."""
        from seneca_sim.results.packets import Selection
        from seneca_sim.timeline import View

        first, end = 0, 2**62
        if self.tokens is not None:
            ranges = _ranges("--tokens", self.tokens)
            first, end = ranges[0].start, ranges[-1].stop
            if len(ranges) > 1:
                raise InputError(f"--tokens {self.tokens}: expected one token or range, as in 2-4")
        chosen = None
        if self.cores is not None:
            chosen = frozenset(n for part in _ranges("--cores", self.cores) for n in part)
            if max(chosen) >= cores:
                raise InputError(f"--cores {self.cores}: expected cores from 0 to {cores - 1}")
        selection = Selection(first, end, chosen)
        return View(
            selection,
            cycles=(self.window.first, self.window.end),
            network=not self.no_network,
            arrows=not self.no_arrows,
            limit=self.limit,
        )

    @property
    def window(self) -> LogWindow:
        """Cycles of the logs."""
        from seneca_sim.engine.activity import WHOLE_RUN, LogWindow

        end = WHOLE_RUN.end if self.to_cycle is None else self.to_cycle
        return LogWindow(self.from_cycle, end, max(self.limit, LOG_ROWS))


def _ranges(option: str, text: str) -> list[range]:
    """Numbers and ranges of them, both ends included."""
    found = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        ends = [low, high if dash else low]
        if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            raise InputError(f"{option} {text}: expected numbers and ranges, as in 2-4")
        if int(ends[1]) < int(ends[0]):
            raise InputError(f"{option} {text}: {part.strip()} ends before it begins")
        found.append(range(int(ends[0]), int(ends[1]) + 1))
    return found


def _check_places(asked: Asked) -> None:
    """Everything that can be refused before a run."""
    from seneca_sim.results.packets import check_packets_path

    for path in (asked.out, asked.packets):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise InputError(f"{path}: expected the name of a file in a folder that exists")
    if asked.packets is not None:
        check_packets_path(asked.packets)
    if asked.to_cycle is not None and asked.to_cycle <= asked.from_cycle:
        raise InputError(
            f"--to-cycle {asked.to_cycle}: expected more than --from-cycle {asked.from_cycle}"
        )
    asked.view(2**62)


def _run(asked: Asked) -> RunResult:
    """Simulate what was asked for, with both logs."""
    from seneca_sim.cli.again import check_same, is_run, new_setting, setting_of
    from seneca_sim.cli.compiling import fitted_chip
    from seneca_sim.cli.pipeline import with_dense

    again = asked.workload if asked.workload and is_run(asked.workload) else None
    if again is None:
        setting = new_setting(asked.workload, asked.chip, asked.energy, asked.sets)
    else:
        if (asked.chip, asked.energy, asked.sets) != (DEFAULT_CHIP, DEFAULT_ENERGY, ()):
            raise InputError(f"{again}: is a finished run; leave --chip, --energy and --set out")
        setting = setting_of(again, asked.trace)
    asked.view(setting.loaded.chip.cores)
    name, given = _traces(asked, setting, again)
    traces = with_dense(given)
    label = _label(asked.variant, list(traces))
    if again is None:
        last = list(traces.values())[-1]
        fitted = fitted_chip(name, last.shape, setting.loaded, asked.chip, setting.settings)
        setting = replace(setting, loaded=fitted)
    result = _simulate(asked, setting, name, label, traces)
    if again is not None:
        check_same(again, setting, result)
    return result


def _traces(
    asked: Asked, setting: Setting, again: str | None
) -> tuple[str, Mapping[str, ActivationTrace]]:
    """Name of the workload, and its traces: those that a run folder keeps, or made (again)."""
    from seneca_sim.cli.commands.run import source_of

    others = asked.text is not None or asked.recipe is not None
    if setting.kept and asked.trace is None and not others:
        return setting.name, setting.kept
    try:
        source = source_of(
            setting.workload,
            asked.trace,
            setting.settings,
            lambda: inputs_of(
                setting.workload, asked.text, asked.recipe, setting.settings, asked.rescaled
            ),
            others=others,
            measure=False,
        )
    except InputError as error:
        raise InputError(
            f"{again}: cannot be made again: {error}" if again else str(error)
        ) from None
    return source.name, source.traces


def _label(wanted: str | None, labels: list[str]) -> str:
    from seneca_sim.config.check import nearest

    if wanted is None:
        return labels[-1]
    if wanted not in labels:
        raise InputError(
            f"--variant {wanted}: there are {', '.join(labels)}{nearest(wanted, labels)}"
        )
    return wanted


def _simulate(
    asked: Asked,
    setting: Setting,
    name: str,
    label: str,
    traces: Mapping[str, ActivationTrace],
) -> RunResult:
    """The variant `label`, on the program that `run` makes: columns are cut by the last variant."""
    from seneca_sim.cli.compiling import compile_shape
    from seneca_sim.cli.progress import progress
    from seneca_sim.engine.choose import chosen, simulator
    from seneca_sim.results import price_run
    from workloads.compiler import event_stream

    chip, mode = setting.loaded.chip, setting.settings.mode
    last = list(traces.values())[-1]
    program = compile_shape(name, last.shape, chip, setting.settings, last)
    stream = event_stream(program, traces[label])
    simulate = simulator(chosen(asked.engine, program, stream))
    with progress("simulating") as tell:
        activity = simulate(
            chip, program, stream, mode=mode, window_cycles=asked.power_window,
            log_packets=True, log_slices=True, log_window=asked.window,
            progress=lambda done: tell(done, stream.tokens, ""),
        )  # fmt: skip
    return price_run(
        setting.loaded, setting.table, program, stream, activity, label=label, mode=mode
    )


def _write_packets(asked: Asked, result: RunResult, view: View) -> int:
    from seneca_sim.results.packets import packets_frame, write_packets

    log = result.activity.packets
    if asked.packets is None or log is None:
        return 0
    frame = packets_frame(result.chip, result.program, log, view.selection)
    write_packets(asked.packets, frame)
    return len(frame)


def _say(asked: Asked, result: RunResult, size: TimelineSize, rows: int) -> None:
    if asked.as_json:
        import json

        summary = {
            "label": result.label,
            "cycles": result.cycles,
            "time_s": result.time_s,
            "engine": result.activity.engine,
            "trace": str(asked.out),
            **asdict(size),
            "packets": None if asked.packets is None else str(asked.packets),
            "packet_rows": rows,
        }
        click.echo(json.dumps(summary, indent=1))
        return
    click.echo(
        f"{asked.out}: {result.label}, {size.slices:,} slices, {size.samples:,} samples of "
        f"counters, {size.arrows:,} arrows on {size.tracks:,} tracks, {size.bytes / 1e6:.1f} MB"
    )
    if asked.packets is not None:
        click.echo(f"{asked.packets}: {rows:,} rows")
    click.echo("Open it at https://ui.perfetto.dev")
