"""Small models on disk, and a way to run the command line in this process."""

import sys
from pathlib import Path

import pytest
from cli_tools import Answer, Call, tiny_weights

from seneca_sim.cli.main import main

sys.path.append(str(Path(__file__).parents[1] / "workloads"))  # small models of other families


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENECA_SIM_CACHE", str(tmp_path / "cache"))

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_file(tiny_weights(), path)
    return path


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(bytes(range(32, 127)) * 30)
    return path
