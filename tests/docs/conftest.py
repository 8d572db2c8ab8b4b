"""An empty folder, with the texts that ship where a clone has them."""

from pathlib import Path

import pytest
from docs_tools import DOCS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENECA_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "workloads").symlink_to(DOCS.parent / "workloads")
    return tmp_path
