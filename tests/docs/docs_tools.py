"""What the tests of the documentation share: a page's code, run in this process in its order."""

import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from seneca_sim.cli.main import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# file: (\S+)\n")


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of every fenced block."""
    return _BLOCK.findall(text)


def run_page(name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Do what a page says, in this folder; how many commands and Python blocks that were.

    Blocks that begin with `# file: NAME` are written, `sh` blocks run line by line and must exit
    with 0 (or with N, where the line ends in `# exit N`), `python` blocks share their names.
    """
    names: dict[str, Any] = {}
    done = 0
    for language, content in blocks((DOCS / name).read_text(encoding="utf-8")):
        if file := _FILE.match(content):
            Path(file[1]).write_text(content[file.end() :])
        elif language == "python":
            exec(compile(content, name, "exec"), names)
            done += 1
        elif language == "sh":
            done += _shell(content, monkeypatch)
    return done


def commands(content: str) -> list[tuple[list[str], int]]:
    """Words and expected exit code of every command of an `sh` block."""
    found = []
    for line in content.replace("\\\n", " ").splitlines():
        expected = re.search(r"# exit (\d)$", line)
        code = int(expected[1]) if expected else 0
        found += [(words, code) for words in _between_semicolons(shlex.split(line, comments=True))]
    return found


def _between_semicolons(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        parts[-1].append(word.removesuffix(";"))
        if word.endswith(";"):
            parts.append([])
    return [part for part in parts if part]


def _shell(content: str, monkeypatch: pytest.MonkeyPatch) -> int:
    found = commands(content)
    for words, expected in found:
        if words[:2] == ["python", "-m"]:
            monkeypatch.setattr(sys, "argv", words[2:])
            with pytest.raises(SystemExit) as leaving:
                runpy.run_module(words[2], run_name="__main__", alter_sys=True)
            assert not leaving.value.code, words
        else:
            assert words[0] == "seneca-sim", words
            assert main(words[1:]) == expected, words
    return len(found)
