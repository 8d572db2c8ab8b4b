"""Entry point: lazy commands, one-line errors, exit codes 0 ok, 1 finding, 2 input, 3 internal."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any

import click

from seneca_sim import __version__
from seneca_sim.errors import SenecaError

INTERRUPTED = 130
COMMANDS = {
    "run": "Simulate a workload: joules and seconds per token, dense, natural and sparsified.",
    "check": "Check a chip, a program and its values against the model.",
    "compile": "Compile a model's shape for a chip and show or write the program.",
    "report": "Print a run's report again, or write the page of a run or a study.",
    "timeline": "Write a run as a Perfetto trace, and its packets as a table.",
    "kernel": "Show the micro-kernels: programs, cycles, ops, energy.",
    "sparsify": "Find thresholds for a model, without training.",
    "evaluate": "Bits per byte, sparsity and tasks of a model, with and without thresholds.",
    "curve": "Sparsity against loss, accuracy and energy per token.",
    "validate": "Measure published numbers again and compare.",
    "sweep": "Run a study: many points, kept in a store; tables, Pareto fronts, search.",
    "sensitivity": "Vary each assumption over its range and rank what it changes.",
    "energy": "Show the energy table, or explain one row of it.",
    "area": "Show the area of a core and a chip, part by part.",
    "noc": "Load and latency of the network alone, and where it saturates.",
    "bench": "Time the engines: ratios in one process, and counters without a clock.",
    "trace": "Record, draw or inspect activation traces.",
    "golden": "Hold the integers of a run still in a committed file, and say what moved them.",
    "compare": "Compare two runs: what moved, ranked, and why.",
    "init": "Write a working example: chip, energy table, workload, study, CI workflow.",
}
"""Name -> one line; a command's module is imported only when it runs, so that --help is quick."""


class LazyGroup(click.Group):
    """A group whose commands live in modules of `seneca_sim.cli.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"seneca_sim.cli.commands.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for a misspelt one name the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a reader that has gone (`| head -1`) is no fault: click would exit 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
            return 0


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="seneca-sim")
def cli() -> None:
    """Tell what a sparse recurrent LLM costs on imec's SENECA neuromorphic processor."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; no user ever sees a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result = cli.main(given, obj=tuple(given), prog_name="seneca-sim", standalone_mode=False)
    except click.exceptions.Abort:
        return _say("interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:  # its message is the whole help
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        return _say(" ".join(error.format_message().split()), 2)
    except SenecaError as error:
        return _say(str(error), error.exit_code)
    except Exception as error:  # a bug of ours: no user sees a traceback, one line says where
        where = traceback.extract_tb(error.__traceback__)[-1]
        name = f"{type(error).__name__}: {error}".splitlines()[0]
        place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
        return _say(f"internal error at {place}: {name}; please report it", 3)
    return result if isinstance(result, int) else 0


def _say(message: str, code: int) -> int:
    print(f"seneca-sim: {message}", file=sys.stderr)
    return code


def entry() -> None:
    """Console script. After an interrupt the exit code is 130, wherever it came."""
    try:
        code = main()
    except KeyboardInterrupt:  # not within a command: before one, or while an error is being said
        code = _say("interrupted", INTERRUPTED)
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt
        # Python dies of SIGINT in the end if an interrupt ever left an `exec` of text, caught or
        # not, as in the middle of a dataclass; the next `exec` makes it forget that.
        exec("")
    sys.exit(code)


if __name__ == "__main__":
    entry()
