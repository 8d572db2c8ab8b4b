"""What the tests of the documentation share: the commands of a page, run in this process."""

import re
import shlex
from pathlib import Path

from seneca_sim.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def blocks(text: str, language: str) -> list[str]:
    """Contents of a page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(text: str) -> list[list[str]]:
    """Arguments of every `seneca-sim` line in a page's `sh` blocks, comments aside."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    assert all(words[0] == "seneca-sim" for words in split if words), split
    return [words[1:] for words in split if words]


def write_files(text: str) -> None:
    """Write every block whose first line is `# file: NAME`, as the page tells its reader to."""
    for name, content in re.findall(r"^```\w+\n# file: (\S+)\n(.*?)^```$", text, re.M | re.S):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def run_page(text: str) -> None:
    """Write a page's files, then run its commands in order; each must exit with 0."""
    write_files(text)
    for arguments in commands(text):
        assert main(arguments) == 0, arguments
