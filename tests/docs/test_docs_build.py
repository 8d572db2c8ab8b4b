"""The documentation is whole: it builds without a warning, and what it lists is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_tools import DOCS

from seneca_sim.cli.main import COMMANDS

ROOT = DOCS.parent


def test_llms_txt_leads_to_pages() -> None:
    pages = re.findall(r"\]\(([^)]+)\.html\)", (DOCS / "llms.txt").read_text(encoding="utf-8"))
    assert len(pages) > 15
    assert [page for page in pages if not (DOCS / f"{page}.md").is_file()] == []


def test_every_command_has_a_row() -> None:
    told = set(re.findall(r"`(\w+)[ `]", (DOCS / "cli.md").read_text(encoding="utf-8")))
    assert set(COMMANDS) - told == set()


def test_every_file_format_has_a_row() -> None:
    told = (DOCS / "reference" / "files.md").read_text(encoding="utf-8")
    named = set()
    for folder in ("seneca_sim", "workloads"):
        for path in (ROOT / folder).rglob("*.yaml"):
            named |= set(re.findall(r"^schema: (\S+)$", path.read_text(encoding="utf-8"), re.M))
    assert "seneca-chip/1" in named
    assert [name for name in sorted(named) if f"`{name}`" not in told] == []


@pytest.mark.nightly
def test_sphinx_has_nothing_to_warn_of(tmp_path: Path) -> None:
    pytest.importorskip("myst_nb")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "t")]
    done = subprocess.run(
        [*build, str(DOCS), str(tmp_path / "html")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr  # a kernel of Jupyter talks on stderr
    commands = (tmp_path / "html/reference/commands.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'<section id="seneca-sim-{name}">' not in commands] == []
    api = (tmp_path / "html/reference/api.html").read_text(encoding="utf-8")
    for name in (
        "seneca_sim.chip.Chip",
        "seneca_sim.results.price_run",
        "workloads.compiler.lower",
    ):
        assert f'id="{name}"' in api
    for notebook in ("one-run", "one-study"):
        shown = (tmp_path / f"html/notebooks/{notebook}.html").read_text(encoding="utf-8")
        assert '<div class="output text_html"' in shown
    assert (tmp_path / "html/llms.txt").is_file()
