"""The notebooks run, from the first cell to the last; none is kept with its outputs.

In Jupyter itself they run where the site is built: on each push, and in `test_docs_build`.
"""

import json
from pathlib import Path

import pytest
from docs_tools import DOCS

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


def test_there_are_two() -> None:
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        assert '"outputs": []' in path.read_text(encoding="utf-8")
        assert '"output_type"' not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 4
    for source in code:
        exec(compile(source, path.name, "exec"), names)
