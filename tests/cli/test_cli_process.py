"""The command as a process of its own: pipes, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "seneca_sim.cli.main"]


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m seneca_sim.cli.main --help | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def _hear_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and so would everything that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("seconds", [1.5, 3.0])
def test_an_interrupt_ends_everything_at_once(tmp_path: Path, seconds: float) -> None:
    """Ctrl-C reaches the whole process group, at the start or while workers simulate."""
    environment = os.environ | {"SENECA_SIM_CACHE": str(tmp_path / "cache")}
    many = ["run", "--no-accuracy", "--set", "workload.tokens=400"]
    process = subprocess.Popen(
        [*COMMAND, *many],
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        preexec_fn=_hear_interrupts,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert not (tmp_path / "seneca-runs").exists()
    with pytest.raises(ProcessLookupError):  # no worker is left behind
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("place", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_an_interrupt_within_generated_code_has_the_same_exit_code(
    tmp_path: Path, place: str
) -> None:
    """Python remembers an interrupt that has left an `exec` of text, as dataclasses are made."""
    lines = ["import seneca_sim.cli.main as m", "def stop(*_, **__):", f"    {place}",
             "m.cli.main = stop", "m.entry()"]  # fmt: skip
    (tmp_path / "stopped.py").write_text("\n".join(lines))
    command = [sys.executable, "-m", "stopped"]
    path = os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, env=path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "seneca-sim: interrupted"
