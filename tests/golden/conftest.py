"""A folder with inputs, and a way to run the command line in this process."""

from pathlib import Path

import pytest
from golden_tools import Answer, Call, write_inputs

from seneca_sim.cli.main import main


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    (tmp_path / "goldens").mkdir()

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        return Answer(code, *capsys.readouterr())

    return run
