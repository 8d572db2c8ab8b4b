"""pytest plugin: the fixture `energy_golden` holds the energy numbers of a repository still.

Loaded by every pytest run where this package is installed, so it imports the rest only on use.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from seneca_sim.golden import Golden, Outcome
    from seneca_sim.results import RunResult

OPTION = "--energy-golden-update"
FOLDER = "goldens"
_PROPERTY = "energy golden"
_UNSAFE = re.compile(r"[^A-Za-z0-9_+.-]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that moves goldens."""
    group = parser.getgroup("seneca-sim")
    group.addoption(
        OPTION, metavar="REASON", help="record goldens that are missing, move those that differ"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse, before any test runs, to move goldens without a reason."""
    reason = config.getoption(OPTION)
    if reason is not None and not any(letter.isalpha() for letter in reason):
        raise pytest.UsageError(f"{OPTION} needs a reason: why the numbers moved")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which goldens were written."""
    reports = terminalreporter.stats.get("passed", [])
    told = [v for r in reports for k, v in r.user_properties if k == _PROPERTY]
    if told:
        terminalreporter.section("energy goldens")
        for line in dict.fromkeys(told):
            terminalreporter.write_line(line)


@pytest.fixture
def energy_golden(request: pytest.FixtureRequest) -> EnergyGolden:
    """Compare runs with goldens: call it with results, or `check` a golden file."""
    return EnergyGolden(request)


class EnergyGolden:
    """What the fixture gives; files are looked for from the folder of the test."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._node = request.node
        self._folder = request.path.parent
        self._reason: str | None = request.config.getoption(OPTION)

    def __call__(self, *results: RunResult, name: str | None = None) -> None:
        """Compare runs of one program, one per variant, with ``goldens/NAME.json``.

        Args:
            results: priced runs, with different labels.
            name: of the golden; default: the test's.
        """
        from seneca_sim.golden import check, read_golden
        from seneca_sim.golden.results import bench_of

        path = self._folder / FOLDER / f"{name or _UNSAFE.sub('-', self._node.name)}.json"
        if self._reason is not None:
            self._keep(path, results)
        elif not path.exists():
            pytest.fail(f"no golden {path}; record it with {OPTION}='first recording'", False)
        else:
            self._judge(check(read_golden(path), bench_of(results), file=str(path)))

    def check(
        self, file: str | Path, *, variants: tuple[str, ...] = (), keys: tuple[str, ...] = ()
    ) -> None:
        """Run a golden file (of ``seneca-sim golden record``) again and compare.

        Args:
            file: path from the test's folder.
            variants: only these.
            keys: only numbers like these patterns.
        """
        from seneca_sim.cli.golden_files import check_file, update_files
        from seneca_sim.golden.check import Selection

        path = self._folder / file
        if self._reason is not None:
            self._tell(path, update_files([path], self._reason)[path])
            return
        outcome = check_file(path, Selection(variants, keys))
        if outcome.skipped:
            pytest.fail(f"{path}: {outcome.skipped}", False)
        self._judge(outcome)

    def _keep(self, path: Path, results: tuple[RunResult, ...]) -> None:
        from seneca_sim.golden import read_golden, record, update, write_golden
        from seneca_sim.golden.results import bench_of

        bench, reason = bench_of(results), str(self._reason)
        spec = {"kind": "test", "test": self._node.nodeid}
        old = read_golden(path) if path.exists() else None
        new = update(old, bench, reason) if old else record(path.stem, spec, bench, reason=reason)
        if new is not old:
            path.parent.mkdir(exist_ok=True)
            write_golden(path, new)
            self._tell(path, new.history[-1].moved or ("recorded",))
            self._warn(path, new)

    def _judge(self, outcome: Outcome) -> None:
        from seneca_sim.golden.text import outcome_lines

        if outcome.exit_code:
            tip = f"if that is meant: pytest {OPTION}='why'"
            pytest.fail("\n".join([*outcome_lines(outcome), tip]), pytrace=False)

    def _tell(self, path: Path, moved: tuple[str, ...]) -> None:
        text = "; ".join(moved) or "holds, nothing written"
        self._node.user_properties.append((_PROPERTY, f"{path}: {text}"))

    def _warn(self, path: Path, golden: Golden) -> None:
        for reason in golden.degenerate:
            warnings.warn(f"{path} proves little: {reason}", stacklevel=4)
