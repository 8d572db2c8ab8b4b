"""What starting up may load, and how long it may take."""

import subprocess
import sys
import time

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


def test_help_answers_in_a_fifth_of_a_second() -> None:
    # The quickest of several starts: the machine may be busy, the program may not be slow.
    command = [sys.executable, "-m", "seneca_sim.cli.main", "--help"]
    times = []
    for _ in range(8):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
        if times[-1] < 0.2:
            break
    assert min(times) < 0.2
