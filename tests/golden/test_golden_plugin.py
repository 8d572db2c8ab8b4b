"""The pytest plugin, in a user's repository of its own."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from golden_tools import GOLDENS, RECORD, replace_in, write_inputs

from seneca_sim.cli.main import main

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "seneca_sim.pytest_plugin", "-p", "no:cacheprovider", "-q")
FILE_TEST = """
    def test_small(energy_golden):
        energy_golden.check("goldens/small.json", variants=("natural",))
"""
RESULT_TEST = """
    import pytest
    from seneca_sim.golden import Bench, read_golden
    from seneca_sim.cli.golden_jobs import open_job
    from seneca_sim.chip.load import load_chip
    from seneca_sim.cost.energy import load_energy
    from seneca_sim.engine.reference import simulate
    from seneca_sim.results import price_run
    from pathlib import Path

    GOLDENS = Path({goldens!r})

    @pytest.mark.parametrize("hops", ["{hops}"], ids=["near core"])
    def test_fan_out(energy_golden, hops):
        golden = read_golden(GOLDENS / "fan-out.json")
        sets = {{"columns": "3", "rows": "2", "noc.hop_cycles": hops}}
        loaded, table = load_chip("seneca-4x4", sets), load_energy()
        program, streams = open_job(golden.spec, GOLDENS).build(loaded.chip)
        activity = simulate(loaded.chip, program, streams["run"])
        energy_golden(price_run(
            loaded, table, program, streams["run"], activity, label="natural", mode="generation"))
"""


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    write_inputs(pytester.path)
    (pytester.path / "goldens").mkdir()
    return pytester


def run(repository: pytest.Pytester, *more: str) -> pytest.RunResult:
    return repository.runpytest_inprocess(*PLUGIN, *more)


def test_a_golden_file_is_checked_and_updated(repository: pytest.Pytester) -> None:
    repository.makepyfile(test_user_energy=FILE_TEST)
    result = run(repository)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no such file; make it with 'golden record -o *"])
    assert main(list(RECORD)) == 0
    run(repository).assert_outcomes(passed=1)
    replace_in(repository.path / "energy.yaml", "npe: 1.3 pJ", "npe: 1.313 pJ")
    result = run(repository)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "MOVED *small.json: 2 of 70 numbers (natural)",
            "*why: energy row npe.mul: npe 1300 fJ -> 1313 fJ (+1 %) accounts for all of energy*",
            "if that is meant: pytest --energy-golden-update='why'",
        ]
    )
    result = run(repository, "--energy-golden-update=measured again")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*energy goldens*", "*small.json: dense: 2 numbers; energy *"])
    run(repository).assert_outcomes(passed=1)
    held = json.loads((repository.path / "goldens/small.json").read_text())
    assert held["history"][-1]["reason"] == "measured again"


def test_runs_of_ones_own_are_held(repository: pytest.Pytester) -> None:
    def write(hops: str) -> None:
        repository.makepyfile(test_user_own=RESULT_TEST.format(goldens=str(GOLDENS), hops=hops))

    write("2")
    result = run(repository)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no golden *; record it with --energy-golden-update=*"])
    result = run(repository, "--energy-golden-update=first recording")
    result.assert_outcomes(passed=1)
    file = repository.path / "goldens/test_fan_out-near-core-.json"
    assert json.loads(file.read_text())["history"][0]["reason"] == "first recording"
    run(repository).assert_outcomes(passed=1)
    write("3")
    result = run(repository)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*why: chip noc.hop_cycles 2 -> 3 (+50 %) accounts for all of*"])
    run(repository, "--energy-golden-update=slower routers").assert_outcomes(passed=1)
    run(repository).assert_outcomes(passed=1)
    # The command line leaves a test's golden to its test, and says so.
    assert main(["golden", "check", str(file)]) == 0
    assert main(["golden", "update", str(file), "--reason", "why"]) == 2


def test_a_golden_of_a_test_cannot_be_checked_as_a_file(repository: pytest.Pytester) -> None:
    spec = '{"kind": "test", "test": "x"}'
    repository.makepyfile(
        test_user_energy=f"""
        from pathlib import Path
        from dataclasses import replace
        from seneca_sim.golden import read_golden, write_golden

        def test_small(energy_golden):
            golden = read_golden(Path({str(GOLDENS)!r}) / "fan-out.json")
            write_golden(Path("own.json"), replace(golden, spec={spec}))
            energy_golden.check("own.json")
        """
    )
    result = run(repository)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*own.json: is checked by its test, x"])


@pytest.mark.parametrize("reason", ["", " ", "42"])
def test_no_update_without_a_reason(repository: pytest.Pytester, reason: str) -> None:
    repository.makepyfile("def test_nothing(): pass")
    result = run(repository, f"--energy-golden-update={reason}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--energy-golden-update needs a reason*"])


def test_the_plugin_is_registered_under_the_name_of_its_module() -> None:
    """Then loading it with `-p` where it is installed does not load it twice."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {
        "seneca_sim.pytest_plugin": "seneca_sim.pytest_plugin"
    }


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, seneca_sim.pytest_plugin; "
        "print([m for m in ('torch', 'numba', 'pandas', 'numpy', 'simpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
