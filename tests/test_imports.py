"""What starting up may load, and how long it may take."""

import resource
import subprocess
import sys

HEAVY = ("torch", "numba", "pandas", "simpy", "pydantic", "numpy")


def _loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded("import seneca_sim") == set()


def test_help_loads_nothing_heavy() -> None:
    assert _loaded("from seneca_sim.cli.main import main; assert main(['--help']) == 0") == set()


def test_reading_a_trace_and_compiling_needs_no_torch() -> None:
    code = "import workloads.traces, workloads.compiler, workloads.job, workloads.zoo"
    assert not {"torch", "numba", "pandas"} & _loaded(code)


def _cpu_seconds_of(command: list[str]) -> float:
    """User and system time of a child: what it costs, however busy the machine is."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_costs_a_fifth_of_a_second() -> None:
    command = [sys.executable, "-m", "seneca_sim.cli.main", "--help"]
    assert min(_cpu_seconds_of(command) for _ in range(4)) < 0.2
